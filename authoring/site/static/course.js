// What moves on the site, but for its films: folded code, guesses, the filter of the verdicts. Nothing here asks another host.

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
  filterVerdicts();
  document.querySelectorAll("figure").forEach(figure => figure.scrollWidth > figure.clientWidth && (figure.tabIndex = 0));
});
