// Keeps the figures fresh while somebody looks: the same page is asked for again, and what has changed is exchanged.
// Without this script the page shows the figures of the moment at which it was opened.

import { stale } from "./notice.js";
import { BY_ITSELF } from "./request.js";

const AT_LEAST_MS = 10_000;
const AT_MOST_MS = 300_000;
const SHARE = 20; // it waits so many times as long as the answer took: the line's machine has other work
const shown = document.getElementById("figures");

function openTables(root) {
  return [...root.querySelectorAll("section")].filter((part) => part.querySelector("details[open]")).map((part) => part.id);
}

async function refresh() {
  if (document.hidden || shown.contains(document.activeElement)) return;
  const answer = await fetch(location.href, { headers: { accept: "text/html", ...BY_ITSELF } });
  if (answer.redirected) location.reload(); // the session has ended
  stale(answer.ok ? null : "away");
  if (!answer.ok || answer.redirected) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.getElementById("figures");
  if (!fresh || fresh.innerHTML === shown.innerHTML) return;
  for (const id of openTables(shown)) {
    fresh.querySelector(`#${CSS.escape(id)} details`)?.setAttribute("open", "");
  }
  shown.replaceChildren(...fresh.childNodes);
}

async function turn() {
  const begin = performance.now();
  try {
    await refresh();
  } catch {
    stale("offline"); // the next turn tries again
  }
  const took = performance.now() - begin;
  clearTimeout(waiting);
  waiting = setTimeout(turn, Math.min(AT_MOST_MS, Math.max(AT_LEAST_MS, SHARE * took)));
}

let waiting;
if (shown.dataset.live === "yes") {
  waiting = setTimeout(turn, AT_LEAST_MS);
  document.addEventListener("visibilitychange", turn);
}
