// How long a page waits for the outbox before it goes on without.

import { outbox, waiting } from "./outbox.js";
import { user } from "./request.js";

const PATIENCE_MS = 1500;

/** Waits until the outbox has taken something back, or could not, at most a moment. */
export function takenBack() {
  return new Promise((done) => {
    const timer = setTimeout(finish, PATIENCE_MS);
    function finish() {
      clearTimeout(timer);
      outbox.removeEventListener("sent", look);
      outbox.removeEventListener("refused", look);
      outbox.removeEventListener("conflict", look);
      done();
    }
    function look(event) {
      if (event.detail.entry.undo) finish();
    }
    for (const type of ["sent", "refused", "conflict"]) outbox.addEventListener(type, look);
  });
}

/** Whether something of this account waits to be sent. */
export function unsent() {
  return waiting().some((entry) => entry.user === user);
}

/** Waits until the outbox has nothing to send, at most a moment. */
export async function drained() {
  const until = performance.now() + PATIENCE_MS;
  while (unsent() && performance.now() < until) await new Promise((done) => setTimeout(done, 30));
}
