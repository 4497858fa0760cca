// Keeps a part of a page fresh while somebody looks, that with data-fresh, the seconds from one look to the next at least:
// the same page is asked for again, and what has changed is exchanged. Without this script the page shows the moment at
// which it was opened.

import { askPage } from "./ask.js";
import { stale } from "./notice.js";
import { upgraded } from "./upgrade.js";

const PICTURES_MS = 2000;
const FAILED_MS = 4000;
const READING_MS = 60_000; // who is in a table or a chart and has done nothing for longer does not read it any more
const DUE_MS = 10_000; // an answer that comes so much later than the one before is told to be missing
const SHARE = 20; // it waits so many times as long as the answer took: the line's machine has other work
const MOST = 15; // and at most so many times as long as it waits at least
const shown = document.querySelector("[data-fresh]");
const atLeastMs = 1000 * shown?.dataset.fresh;
const [opened] = performance.getEntriesByType("navigation");
let tookMs = opened ? opened.responseEnd - opened.requestStart : 0;

function openTables(root) {
  return [...root.querySelectorAll("section")].filter((part) => part.querySelector("details[open]")).map((part) => part.id);
}

const SCROLLED = ".scores-scroll, .scroll";

/** What somebody has moved sideways stays where it is: [the part's id, its place in there, how far]. */
function moved() {
  return [...shown.querySelectorAll("section[id]")].flatMap((part) => [...part.querySelectorAll(SCROLLED)].map((one, at) => [part.id, at, one.scrollLeft]));
}

const FOCUSABLE = "a, summary, [tabindex]";

/** What gives the focus back: to what stands at the same place in the part of the page that has it. */
function focused() {
  const held = document.activeElement;
  if (!shown.contains(held)) return () => {};
  const part = held.closest("[id]");
  const at = [...part.querySelectorAll(FOCUSABLE)].indexOf(held);
  return () => document.getElementById(part.id)?.querySelectorAll(FOCUSABLE)[at]?.focus({ preventScroll: true });
}

let acted = -Infinity;
for (const type of ["keydown", "pointerdown"]) addEventListener(type, () => (acted = performance.now()), true);

/** Whoever is in a table or a chart keeps it. */
function isRead() {
  const held = document.activeElement;
  return shown.contains(held) && !held.matches("a") && performance.now() - acted < READING_MS;
}

function pictures(root) {
  return new Map([...root.querySelectorAll("img")].map((one) => [one.getAttribute("src"), one]));
}

/** Those that come are here before they are shown: a picture is empty for a moment. */
async function fetchPictures(fresh) {
  const old = pictures(shown);
  const coming = [...pictures(fresh).keys()].filter((src) => !old.has(src));
  const fetched = coming.map((src) => Object.assign(new Image(), { src }).decode());
  await Promise.race([Promise.allSettled(fetched), new Promise((late) => setTimeout(late, PICTURES_MS))]);
}

/** Those that stay are not made anew. They leave the page for it, so it is exchanged at once. */
function keepPictures(fresh) {
  const old = pictures(shown);
  for (const [src, picture] of pictures(fresh)) if (old.has(src)) picture.replaceWith(old.get(src));
}

/** See askPage; measures how long the answer takes. */
async function asked() {
  const begin = performance.now();
  const due = setTimeout(() => stale("offline"), tookMs + DUE_MS);
  const page = await askPage();
  clearTimeout(due);
  if (page) tookMs = performance.now() - begin;
  return page;
}

/** False where no answer came. */
async function refresh() {
  if (document.hidden || isRead()) return true;
  const page = await asked();
  if (!page) return false;
  const fresh = page.querySelector("[data-fresh]");
  if (fresh && upgraded(page)) location.reload();
  if (!fresh || fresh.innerHTML === shown.innerHTML) return true;
  for (const id of openTables(shown)) {
    fresh.querySelector(`#${CSS.escape(id)} details`)?.setAttribute("open", "");
  }
  await fetchPictures(fresh);
  if (isRead()) return true; // since a moment ago
  const [places, giveBack] = [moved(), focused()];
  keepPictures(fresh);
  shown.replaceChildren(...fresh.childNodes);
  for (const [id, at, left] of places) document.getElementById(id)?.querySelectorAll(SCROLLED)[at]?.scrollTo(left, 0);
  giveBack();
  return true;
}

async function turn() {
  let pause = FAILED_MS;
  try {
    if (await refresh()) pause = Math.min(MOST * atLeastMs, SHARE * tookMs);
  } finally {
    clearTimeout(waiting);
    waiting = setTimeout(turn, Math.max(atLeastMs, pause));
  }
}

let waiting;
if (shown) {
  waiting = setTimeout(turn, atLeastMs);
  document.addEventListener("visibilitychange", turn);
  addEventListener("online", turn);
}
