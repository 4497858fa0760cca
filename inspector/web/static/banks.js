// Shows how far a candidate is, and the page anew when it is done.

import { follow } from "./progress.js";

const SOON_MS = 1000;

function show(place, { state, progress }) {
  if (state !== place.dataset.state && state !== "built") {
    location.reload();
  } else if (progress) {
    const bar = place.querySelector("progress");
    bar.max = progress.of || 1;
    bar.value = progress.done;
    place.querySelector(".step").textContent = `${progress.step}, ${progress.done} of ${progress.of}`;
  }
}

const working = document.querySelectorAll(".working");
for (const place of working) follow(`/banks/candidates/${place.dataset.candidate}/progress`, (now) => show(place, now));

// One that has only just begun cannot be shown yet.
if (!working.length && document.querySelector("[data-running]")) setTimeout(() => location.reload(), SOON_MS);
