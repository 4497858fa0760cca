// How long a page waits for the outbox before it goes on without.

import { outbox, unsent } from "./outbox.js";

const PATIENCE_MS = 1500;
const LOOK_MS = 30;

/** Waits until the outbox has taken something back, or could not, at most a moment. */
export async function takenBack() {
  const over = new AbortController();
  const told = new Promise((done) => {
    for (const type of ["sent", "refused", "conflict"]) {
      outbox.addEventListener(type, ({ detail }) => detail.entry.undo && done(), { signal: over.signal });
    }
  });
  await Promise.race([told, pause(PATIENCE_MS)]);
  over.abort();
}

/** Waits until the outbox has nothing to send, at most a moment. */
export async function drained() {
  const until = performance.now() + PATIENCE_MS;
  while (unsent() && performance.now() < until) await pause(LOOK_MS);
}

function pause(ms) {
  return new Promise((done) => setTimeout(done, ms));
}
