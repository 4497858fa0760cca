// Keeps a part of a page fresh while somebody looks, that with data-fresh, the seconds from one look to the next at least:
// the same page is asked for again, and what has changed is exchanged. Without this script the page shows the moment at
// which it was opened.

import { ask } from "./ask.js";

const AT_MOST_MS = 300_000;
const PICTURES_MS = 2000;
const SHARE = 20; // it waits so many times as long as the answer took: the line's machine has other work
const shown = document.querySelector("[data-fresh]");
const atLeastMs = 1000 * shown?.dataset.fresh;

function openTables(root) {
  return [...root.querySelectorAll("section")].filter((part) => part.querySelector("details[open]")).map((part) => part.id);
}

/** What somebody has moved sideways stays where it is: [the part's id, how far]. */
function moved() {
  return [...shown.querySelectorAll("section[id] > .scores-scroll")].map((one) => [one.parentElement.id, one.scrollLeft]);
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

async function refresh() {
  const held = document.activeElement;
  const at = [...shown.querySelectorAll("a")].indexOf(held);
  if (document.hidden || (at < 0 && shown.contains(held))) return; // whoever is in a table keeps it
  const text = await ask(location.href, "text/html");
  if (text === null) return;
  const page = new DOMParser().parseFromString(text, "text/html");
  const fresh = page.querySelector("[data-fresh]");
  if (!fresh || fresh.innerHTML === shown.innerHTML) return;
  for (const id of openTables(shown)) {
    fresh.querySelector(`#${CSS.escape(id)} details`)?.setAttribute("open", "");
  }
  await fetchPictures(fresh);
  const there = document.activeElement === held;
  const places = moved();
  keepPictures(fresh);
  shown.replaceChildren(...fresh.childNodes);
  for (const [id, left] of places) shown.querySelector(`#${CSS.escape(id)} > .scores-scroll`)?.scrollTo(left, 0);
  if (there && at >= 0) shown.querySelectorAll("a")[at]?.focus({ preventScroll: true });
}

async function turn() {
  const begin = performance.now();
  try {
    await refresh();
  } finally {
    const took = performance.now() - begin;
    clearTimeout(waiting);
    waiting = setTimeout(turn, Math.min(AT_MOST_MS, Math.max(atLeastMs, SHARE * took)));
  }
}

let waiting;
if (shown) {
  waiting = setTimeout(turn, atLeastMs);
  document.addEventListener("visibilitychange", turn);
}
