// Shows how far a candidate is, and what came out when it is done.

import { askPage } from "./ask.js";
import { say } from "./notice.js";
import { follow } from "./progress.js";

const SOON_MS = 1000;
const RENEWED = ["candidates", "feedback"].map((name) => `section[aria-labelledby=${name}]`);
const list = document.querySelector(RENEWED[0]); // of the page of banks

/** The page of banks anew; where somebody has opened a form, which may hold a reason, what stands beside it. A candidate's
 * as what has changed. False: not now.
 */
async function renew() {
  if (list && !document.querySelector("details.act[open]")) {
    location.reload();
    return true;
  }
  const page = await askPage();
  if (!page) return false;
  if (list) for (const part of RENEWED) document.querySelector(part)?.replaceWith(page.querySelector(part));
  else exchange(page);
  start();
  return true;
}

/** The candidate's page, but for its samples: some may be ticked. */
function exchange(page) {
  const held = document.activeElement;
  const samples = document.getElementById("judged");
  if (samples) page.getElementById("judged").replaceWith(samples);
  document.querySelector("main").replaceChildren(...page.querySelector("main").childNodes);
  held.focus({ preventScroll: true });
  const state = document.querySelector(".badge.state");
  if (state) say(`${document.querySelector("h1").textContent}: ${state.textContent}`);
}

/** Whether this place is done. */
function show(place, { state, progress }) {
  if (!place.isConnected) return true;
  if (state !== place.dataset.state && state !== "built") return renew();
  if (progress) {
    const bar = place.querySelector("progress");
    bar.max = progress.of || 1;
    bar.value = progress.done;
    place.querySelector(".step").textContent = `${progress.step}, ${progress.done} of ${progress.of}`;
  }
  return false;
}

/** One that has only just begun cannot be shown yet. */
async function soon() {
  if (!(await renew())) setTimeout(soon, SOON_MS);
}

function start() {
  const working = document.querySelectorAll(".working");
  for (const place of working) follow(`/banks/candidates/${place.dataset.candidate}/progress`, (now) => show(place, now));
  if (!working.length && document.querySelector("[data-running]")) setTimeout(soon, SOON_MS);
}

start();
