// What moves on the site: folded code, guesses, films, the filter of the verdicts. Nothing here asks another host.

const ROOT = new URL("..", document.currentScript.src);

// ---- code, folded: one button or the key c for all of a page

function foldCode() {
  const cells = [...document.querySelectorAll("details.code")];
  const button = document.getElementById("all-code");
  if (!button || !cells.length) return;
  const shown = () => cells.every(cell => cell.open);
  const name = () => (button.textContent = shown() ? "Hide all code" : "Show all code");
  const toggle = () => {
    const open = !shown();
    cells.forEach(cell => (cell.open = open));
  };
  button.hidden = false;
  button.insertAdjacentHTML("afterend", "<kbd>c</kbd>");
  button.addEventListener("click", toggle);
  cells.forEach(cell => cell.addEventListener("toggle", name));
  document.addEventListener("keydown", event => {
    const typing = event.target.closest("input:not([type=range]):not([type=radio]), textarea, select, dialog");
    if (event.key === "c" && !event.ctrlKey && !event.metaKey && !event.altKey && !typing) toggle();
  });
}

// ---- guesses: what the page puts out is compared as the notebook's reply does

function apart(guess, answer) {
  if (guess === answer) return ", as you said";
  if (guess * answer <= 0) return "";
  const ratio = answer / guess;
  if (1 / 1.1 < ratio && ratio < 1.1) return ": close";
  const told = x => String(Number(x.toPrecision(2)));
  return ratio > 1 ? `, ${told(ratio)} times as much` : `, smaller by a factor of ${told(1 / ratio)}`;
}

function compared(form) {
  const {answer, told, unit} = form.dataset;
  const field = form.querySelector("input[inputmode]");
  const spoken = [told ?? answer, unit].filter(Boolean).join(" ");
  if (!field) {
    const chosen = form.querySelector("input:checked");
    if (!chosen) return null;
    return `You said ${chosen.value}; it is ${spoken}${chosen.value === answer ? ", as you said" : ""}.`;
  }
  const typed = field.value.trim().replace(/,(?=\d{3}\b)/g, "").replace(",", ".").replace("%", "");
  const guess = Number(typed);
  if (!typed || !Number.isFinite(guess)) return null;
  return `You said ${[field.value.trim().replace("%", "").trim(), unit].filter(Boolean).join(" ")}; it is ${spoken}${apart(guess, Number(answer))}.`;
}

// Opens what answers a guess: all that is collapsed between it and the next guess.
function reveal(form) {
  const all = [...document.querySelectorAll("form.guess, details:not(.code, .hint, .solution)")];
  for (const part of all.slice(all.indexOf(form) + 1)) {
    if (part.matches("form.guess")) break;
    part.open = true;
  }
}

function takeGuesses() {
  for (const form of document.querySelectorAll("form.guess")) {
    const says = form.querySelector("output");
    form.addEventListener("submit", event => {
      event.preventDefault();
      const sentence = compared(form);
      says.textContent = sentence ?? "A guess first: choose or type one, or let it be shown.";
      if (sentence) reveal(form);
    });
    form.querySelector(".skip").addEventListener("click", () => {
      const {answer, told, unit} = form.dataset;
      says.textContent = `It is ${[told ?? answer, unit].filter(Boolean).join(" ")}.`;
      reveal(form);
    });
  }
}

// ---- films: the frames of an explorer, fetched when a reader first comes near its controls

const REELS = new Map();
const ARRIVED = {};

window.filmed = (name, film) => ARRIVED[name](film);

function fetchFilm(name) {
  if (!REELS.has(name)) {
    REELS.set(name, new Promise((resolve, reject) => {
      ARRIVED[name] = resolve;
      const script = document.createElement("script");
      script.src = new URL(`_static/films/${name}.js`, ROOT);
      script.onerror = () => reject(new Error(`no film ${name}`));
      document.head.append(script);
    }));
  }
  return REELS.get(name);
}

function bitmap(base64) {
  const bytes = Uint8Array.from(atob(base64), letter => letter.charCodeAt(0));
  return createImageBitmap(new Blob([bytes], {type: "image/webp"}));
}

class Projector {
  constructor(figure) {
    this.figure = figure;
    this.screen = figure.querySelector(".screen");
    this.groups = [...figure.querySelectorAll(".controls > *")];
    this.cuts = figure.dataset.cuts.split(" ").map(Number);
    this.size = figure.dataset.size.split(" ").map(Number);
    this.kept = new Map();
    for (const event of ["pointerenter", "focusin", "touchstart"])
      figure.addEventListener(event, () => this.load(), {once: true, passive: true});
    figure.addEventListener("input", () => this.change());
    this.label();
    this.phone = matchMedia("(max-width: 620px)");
    this.phone.addEventListener("change", () => this.canvas && this.unroll());
    const still = this.screen.querySelector("img");
    still.decode().then(() => {
      this.still ??= still;
      if (this.phone.matches && !this.canvas) this.unroll();
    });
  }

  // The position of each control, and beside each slider the value it stands for.
  positions() {
    return this.groups.map(group => Number(group.querySelector("input[type=range], input:checked").value));
  }

  label() {
    for (const slider of this.figure.querySelectorAll("input[type=range]")) {
      const value = slider.dataset.values.split(" ")[slider.value];
      slider.setAttribute("aria-valuetext", value);
      slider.nextElementSibling.textContent = value;
    }
  }

  async load() {
    if (this.loading) return;
    this.loading = true;
    this.figure.classList.add("loading");
    const film = await fetchFilm(this.figure.dataset.film);
    this.still = await bitmap(film.still);
    this.film = film;
    this.figure.classList.remove("loading");
    if (this.moved) this.change();
  }

  // Puts a canvas in place of the picture; on a phone its panels stand one above the other, as wide as the screen.
  unroll() {
    const [width, height] = this.size;
    const ends = [...this.cuts.slice(1), width];
    const stacked = this.phone.matches;
    this.strips = this.cuts.map((left, i) => ({left, width: ends[i] - left, x: stacked ? 0 : left, y: stacked ? i * height : 0}));
    if (!this.canvas) {
      this.canvas = document.createElement("canvas");
      this.canvas.setAttribute("role", "img");
      this.canvas.setAttribute("aria-label", this.screen.querySelector("img").alt);
      this.heard = document.createElement("p");
      this.heard.className = "heard";
      this.heard.setAttribute("aria-live", "polite");
      this.screen.replaceChildren(this.canvas, this.heard);
    }
    this.canvas.width = stacked ? Math.max(...this.strips.map(strip => strip.width)) : width;
    this.canvas.height = stacked ? this.strips.length * height : height;
    this.shown = undefined;
    if (this.film) this.play();
    else this.paint();
  }

  paint(pictures = []) {
    const pen = this.canvas.getContext("2d");
    const scale = (this.still.naturalWidth ?? this.still.width) / this.size[0];
    const height = this.size[1];
    pen.fillStyle = "white";
    pen.fillRect(0, 0, this.canvas.width, this.canvas.height);
    this.strips.forEach(({left, width, x, y}, i) => {
      pen.drawImage(this.still, left * scale, 0, width * scale, height * scale, x, y, width, height);
      if (pictures[i]) pen.drawImage(pictures[i], x, y);
    });
  }

  change() {
    this.moved = true;
    this.label();
    if (!this.film) return void this.load();
    this.play();
  }

  // Draws the frame that is wanted now, never one that was wanted before: a held key can't queue frames.
  async play() {
    const lengths = this.film.controls.map(control => control.values.length);
    this.wanted = this.positions().reduce((index, position, i) => index * lengths[i] + position, 0);
    if (this.playing) return;
    this.playing = true;
    while (this.shown !== this.wanted) {
      const frame = this.wanted;
      const pictures = await Promise.all(this.film.frames[frame].map(number => this.picture(number)));
      this.shown = frame;
      if (!this.canvas) this.unroll();
      this.shown = frame;
      this.paint(pictures);
      this.canvas.setAttribute("aria-label", this.film.alts[frame]);
      this.canvas.dataset.frame = frame;
      clearTimeout(this.saying);  // said once the reader rests, not at every step of a held key
      this.saying = setTimeout(() => (this.heard.textContent = this.film.alts[frame]), 600);
    }
    this.playing = false;
  }

  async picture(number) {
    if (number < 0) return null;
    if (!this.kept.has(number)) {
      if (this.kept.size > 300) this.kept.delete(this.kept.keys().next().value);
      this.kept.set(number, await bitmap(this.film.pictures[number]));
    }
    return this.kept.get(number);
  }
}

// ---- the page of all verdicts

function filterVerdicts() {
  const form = document.querySelector("form.filter");
  if (!form) return;
  const rows = [...document.querySelectorAll("table.verdicts tbody tr")];
  const fields = [...form.elements].filter(field => field.name);
  const given = new URLSearchParams(location.search);
  for (const field of fields) if (given.has(field.name)) field.value = given.get(field.name);
  const apply = () => {
    let count = 0;
    for (const row of rows) {
      row.hidden = !fields.every(({name, value}) =>
        name === "text"
          ? value.toLowerCase().split(/\s+/).every(word => row.textContent.toLowerCase().includes(word))
          : !value || row.dataset[name] === value);
      count += !row.hidden;
    }
    form.querySelector("output").textContent = `${count} claim${count === 1 ? "" : "s"}`;
  };
  form.addEventListener("input", apply);
  form.addEventListener("submit", event => event.preventDefault());
  apply();
}

// A link to a verdict opens what it lies in.
function unfold() {
  let fold = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!fold) return;
  const target = fold;
  while ((fold = fold.parentElement?.closest("details"))) fold.open = true;
  target.scrollIntoView();
}

document.addEventListener("DOMContentLoaded", () => {
  unfold();
  addEventListener("hashchange", unfold);
  foldCode();
  takeGuesses();
  document.querySelectorAll("figure.film").forEach(figure => new Projector(figure));
  filterVerdicts();
  document.querySelectorAll("figure").forEach(figure => figure.scrollWidth > figure.clientWidth && (figure.tabIndex = 0));
});
