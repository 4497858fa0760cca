// Shows how far a candidate is, and the page anew when it is done.

import { ask } from "./ask.js";
import { follow } from "./progress.js";

const SOON_MS = 1000;
const RENEWED = ["candidates", "feedback"].map((name) => `section[aria-labelledby=${name}]`);

/** The page anew; where somebody has opened a form, which may hold a reason, what stands beside it. False: not now. */
async function renew() {
  if (!document.querySelector("details.act[open]")) {
    location.reload();
    return true;
  }
  const text = await ask(location.href, "text/html");
  if (text === null) return false;
  const page = new DOMParser().parseFromString(text, "text/html");
  for (const part of RENEWED) document.querySelector(part)?.replaceWith(page.querySelector(part));
  start();
  return true;
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
