// Films, on the site and on slides: the frames of an explorer, fetched when somebody first comes near its controls.

const FILMS = new URL("films/", document.currentScript.src);
const REELS = new Map();
const ARRIVED = {};

window.filmed = (name, film) => ARRIVED[name](film);

function fetchFilm(name) {
  if (!REELS.has(name)) {
    REELS.set(name, new Promise((resolve, reject) => {
      ARRIVED[name] = resolve;
      const script = document.createElement("script");
      script.src = new URL(`${name}.js`, FILMS);
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
    this.groups = [...figure.querySelectorAll(".settings > *")];
    this.cuts = figure.dataset.cuts.split(" ").map(Number);
    this.size = figure.dataset.size.split(" ").map(Number);
    this.kept = new Map();
    for (const event of ["pointerenter", "focusin", "touchstart"])
      figure.addEventListener(event, () => this.load(), {once: true, passive: true});
    figure.addEventListener("input", () => this.change());
    this.label();
    const still = this.screen.querySelector("img");
    this.phone = still ? matchMedia("(max-width: 620px)") : {matches: false};  // a slide holds a drawing, and is one piece
    this.phone.addEventListener?.("change", () => this.canvas && this.unroll());
    still?.decode().then(() => {
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
    else this.lookAhead();
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
      const still = this.screen.firstElementChild;
      this.canvas.setAttribute("aria-label", still.alt ?? still.getAttribute("aria-label"));
      this.canvas.setAttribute("class", still.getAttribute("class") ?? "");
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
      if (pictures[i]) pen.drawImage(pictures[i].bitmap, x + pictures[i].place[0], y + pictures[i].place[1]);
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
    this.wanted = this.number(this.positions());
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
    this.lookAhead();
  }

  // The number of the frame that belongs to the controls' positions.
  number(positions) {
    return positions.reduce((index, position, i) => index * this.film.controls[i].values.length + position, 0);
  }

  // Has the frames ready that are one step of a control away.
  lookAhead() {
    const here = this.positions();
    this.film.controls.forEach(({values}, i) => {
      for (const place of [here[i] + 1, here[i] - 1])
        if (values[place] !== undefined) this.film.frames[this.number(here.with(i, place))].forEach(n => this.picture(n));
    });
  }

  picture(number) {
    if (number < 0) return null;
    if (!this.kept.has(number)) {
      if (this.kept.size > 300) this.kept.delete(this.kept.keys().next().value);
      const place = this.film.places[number];
      this.kept.set(number, bitmap(this.film.pictures[number]).then(bitmap => ({bitmap, place})));
    }
    return this.kept.get(number);
  }
}

document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll("figure.film").forEach(figure => new Projector(figure));
});
