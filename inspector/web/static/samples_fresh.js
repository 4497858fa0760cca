// Brings the page of samples up to date from the same page, asked for again: numbers and words are exchanged, new samples
// come to those that are shown. What somebody has ticked, typed or in focus stays.

import { count } from "./samples_looked.js";

const REACHED = "a, button, input, select";

/** over: the collection has ended, or is another one: its whole card is exchanged. */
export function take(page, over) {
  const collect = (root) => root.querySelector("[aria-labelledby=collect]");
  const part = (root) => (over ? collect(root) : collect(root).querySelector("dl"));
  exchange(part(document), part(page));
  const enough = (root) => root.getElementById("begin-calibration")?.closest(".row");
  exchange(enough(document), enough(page));
  takePictures(document.getElementById("pictures"), page.getElementById("pictures"));
  count();
}

function takePictures(here, fresh) {
  if (!here.querySelector("#chosen")) {
    exchange(here, fresh); // nothing was there to be ticked
    return;
  }
  for (const one of [".segments", "#range"]) exchange(here.querySelector(one), fresh.querySelector(one));
  takeCards(here.querySelector(".cards"), fresh.querySelectorAll(".frame-card"));
  const [pages, freshPages] = [here.querySelector(".pages"), fresh.querySelector(".pages")];
  if (pages) exchange(pages, freshPages);
  else if (freshPages) here.querySelector("#chosen").after(freshPages);
}

/** None goes: it may be ticked, or looked at. */
function takeCards(list, fresh) {
  const nameOf = (card) => card.querySelector(".pick input").value;
  const known = new Map([...list.children].map((card) => [nameOf(card), card]));
  let before = null;
  for (const card of fresh) {
    const here = known.get(nameOf(card));
    if (here) {
      here.querySelector("img").alt = card.querySelector("img").alt; // its number may be another one
      here.querySelector(".unseen").textContent = card.querySelector(".unseen").textContent;
    } else {
      card.classList.add("new");
      if (before) before.after(card);
      else list.prepend(card);
    }
    before = here ?? card;
  }
}

function exchange(old, fresh) {
  if (!old || !fresh || old.innerHTML === fresh.innerHTML) return;
  const at = [...old.querySelectorAll(REACHED)].indexOf(document.activeElement);
  old.replaceChildren(...fresh.childNodes);
  if (at >= 0) old.querySelectorAll(REACHED)[at]?.focus({ preventScroll: true });
}
