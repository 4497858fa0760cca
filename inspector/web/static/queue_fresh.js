// Keeps the queue fresh: numbers, and new frames as they come, where nobody is in the middle of something.

import { tellAloud } from "./aloud.js";
import { count, picked } from "./queue_picked.js";
import { BY_ITSELF, get } from "./request.js";
import { follow } from "./stream.js";
import { rest } from "./taps.js";
import { upgraded } from "./upgrade.js";
import { t } from "./words.js";

const cards = document.getElementById("cards");
const dialog = document.getElementById("confirm");
const note = document.getElementById("confirm-note");
const fresh = document.getElementById("fresh");
const RETRY_MS = 4000;
const CALM_MS = 5000; // so long nobody has touched the page before cards move by themselves
const AIMED_MS = 600; // so long a finger may have been on its way to what was there before

let pulse = cards.dataset.pulse.split(",").map(Number);
let missed = 0; // a timer, where what is new could not be had or shown

function told(state) {
  document.querySelector("#tally .chip b").textContent = Object.values(state.open).reduce((sum, number) => sum + number, 0);
  for (const chip of document.querySelectorAll("#tally [data-station]")) {
    chip.querySelector("b").textContent = state.open[chip.dataset.station] ?? 0;
  }
  const changed = String(pulse) !== String(state.pulse);
  const more = state.pulse[0] > pulse[0];
  pulse = state.pulse;
  if (changed) renew(more);
}

/** Quietly, where nobody is in the middle of something; else a button tells that there is more. */
async function renew(more) {
  if (cards.dataset.first !== "1") return;
  clearTimeout(missed);
  if (idle() && (await refresh(BY_ITSELF, idle))) return;
  clearTimeout(missed);
  missed = setTimeout(() => renew(more), RETRY_MS);
  if (more && !idle()) {
    fresh.textContent = t("New frames: show");
    if (fresh.hidden) tellAloud(fresh.textContent);
    fresh.hidden = false;
  }
}

let touched = -Infinity; // when a hand was last on the page
for (const type of ["pointerdown", "pointermove", "wheel", "keydown"]) {
  addEventListener(type, () => { touched = performance.now(); }, { capture: true, passive: true });
}

function idle() {
  return !selecting() && scrollY < 80 && !cards.contains(document.activeElement) && performance.now() - touched > CALM_MS;
}

function selecting() {
  return picked().length > 0 || dialog.open;
}

/**
 * The page as the server gives it now: its cards, numbers and links.
 * False where no answer came, or none was welcome. `welcome` is asked once it is here: somebody may have chosen a card while
 * it was under way. A card that has another place takes no tap for a moment: it was meant for the one that was there.
 */
export async function refresh(why = {}, welcome = () => true) {
  const answer = await get(location.href, { accept: "text/html", ...why }).catch(() => null);
  const text = answer?.ok && !answer.redirected && (await answer.text().catch(() => null));
  if (!text) return false;
  const page = new DOMParser().parseFromString(text, "text/html");
  if (!welcome()) return false;
  if (why === BY_ITSELF && idle() && !note.value && upgraded(page)) return location.reload();
  const known = new Map([...cards.children].map((card) => [card.dataset.frame, card]));
  const now = [...page.querySelectorAll("#cards > li")].map((card) => {
    const here = known.get(card.dataset.frame);
    if (here && here.dataset.result === card.dataset.result && here.dataset.version === card.dataset.version) return here;
    if (!here && known.size) card.classList.add("new");
    return card;
  });
  const giveBack = focusedCard();
  const places = [...cards.children].map((card) => card.dataset.frame);
  cards.replaceChildren(...now);
  for (const [at, card] of now.entries()) if (card.dataset.frame !== places[at]) rest(card, AIMED_MS);
  giveBack?.();
  for (const id of ["tally", "matching"]) {
    const held = document.getElementById(id);
    if (!held.contains(document.activeElement)) held.replaceWith(page.getElementById(id));
  }
  const [empty, other] = [document.querySelector(".empty"), page.querySelector(".empty")];
  if (empty) empty.replaceWith(...(other ? [other] : []));
  else if (other) cards.after(other);
  document.querySelector(".pages").replaceWith(page.querySelector(".pages"));
  const [begin, first] = [document.getElementById("begin"), page.getElementById("begin")];
  if (begin && first) begin.href = first.href;
  else if (first) document.querySelector(".queue-head").append(first);
  else begin?.remove();
  clearTimeout(missed);
  fresh.hidden = true;
  count();
  return true;
}

/** What gives the focus back to the card that has it, or to the one that comes into its place. */
function focusedCard() {
  const held = document.activeElement;
  const card = held.closest("#cards > li");
  if (!card) return null;
  const at = [...cards.children].indexOf(card);
  const part = held.matches("input") ? "input[name=pick]" : ".picture";
  return () => {
    const here = cards.contains(card) ? card : cards.children[Math.min(at, cards.children.length - 1)];
    here?.querySelector(part).focus({ preventScroll: true });
  };
}

fresh.addEventListener("click", () => refresh());

// ---- pictures that do not come

cards.addEventListener("error", ({ target }) => target.closest(".picture").classList.add("lost"), true);
for (const image of cards.querySelectorAll("img")) {
  if (image.complete && !image.naturalWidth) image.src = image.getAttribute("src"); // told before anybody listened, or not yet wanted
}

follow(told, selecting);
