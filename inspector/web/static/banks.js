// Shows how far a rebuild is, and the page anew when it is done.

import { BY_ITSELF, get } from "./request.js";

const EVERY_MS = 1000;

async function look(place) {
  const answer = await get(`/banks/candidates/${place.dataset.candidate}/progress`, { accept: "application/json", ...BY_ITSELF });
  if (answer.status === 401) location.reload(); // the session has ended
  if (!answer.ok) return;
  const { state, progress } = await answer.json();
  if (state !== place.dataset.state && state !== "built") {
    location.reload();
    return;
  }
  if (progress) {
    const bar = place.querySelector("progress");
    bar.max = progress.of || 1;
    bar.value = progress.done;
    place.querySelector(".step").textContent = `${progress.step}, ${progress.done} of ${progress.of}`;
  }
}

async function watch(place) {
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
    try {
      await look(place);
    } catch {
      // The server is away for a moment: the next look tells.
    }
  }
}

const working = document.querySelectorAll(".working");
for (const place of working) watch(place);

// A rebuild that has only just begun has no candidate to show yet.
if (!working.length && document.querySelector("[data-running]")) setTimeout(() => location.reload(), EVERY_MS);
