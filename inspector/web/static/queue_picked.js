// The frames of the queue that are selected.

import { tellAloud } from "./aloud.js";

const cards = document.getElementById("cards");
const bar = document.getElementById("batch");
let anchor = null; // the box that was ticked last

export function picked() {
  return [...cards.querySelectorAll("input[name=pick]:checked")].map((box) => box.closest(".frame-card"));
}

/** Whether the line said ok of all of these: nothing alarmed, and F says that they are good. */
export function allPassed(chosen) {
  return chosen.length > 0 && chosen.every(({ dataset }) => dataset.passed);
}

/** Tells how many are selected, by everything that shows it. */
export function count() {
  const chosen = picked();
  for (const card of cards.children) card.classList.toggle("chosen", chosen.includes(card));
  const number = document.getElementById("picked");
  if (number.textContent !== String(chosen.length)) {
    number.textContent = chosen.length;
    tellAloud(number.parentElement.textContent);
  }
  document.getElementById("passed").hidden = !allPassed(chosen);
  document.getElementById("alarmed").hidden = allPassed(chosen);
  const keyed = document.activeElement.matches("#batch :focus-visible");
  bar.hidden = !chosen.length;
  if (bar.hidden && keyed) cards.querySelector(".picture")?.focus({ preventScroll: true });
  document.body.classList.toggle("selecting", chosen.length > 0);
  const all = document.getElementById("select-all");
  all.checked = chosen.length > 0 && chosen.length === cards.children.length;
  all.indeterminate = chosen.length > 0 && !all.checked;
}

cards.addEventListener("click", (event) => {
  const box = event.target.closest("input[name=pick]");
  if (!box) return;
  const all = [...cards.querySelectorAll("input[name=pick]")];
  if (event.shiftKey && anchor && all.includes(anchor)) {
    const [from, to] = [all.indexOf(anchor), all.indexOf(box)].sort((a, b) => a - b);
    for (const one of all.slice(from, to + 1)) one.checked = box.checked;
  }
  anchor = box;
  count();
});
document.getElementById("select-all").addEventListener("change", ({ target }) => tickAll(target.checked));
document.getElementById("drop-selection").addEventListener("click", clear);

export function clear() {
  tickAll(false);
}

function tickAll(ticked) {
  for (const box of cards.querySelectorAll("input[name=pick]")) box.checked = ticked;
  count();
}

count();
