// What was decided and can be taken back, by this account in this tab: kept across pages where the browser allows it.

import { user } from "./request.js";

const KEY = `inspector.undo.${user}`;
const MOST = 500;

let steps = [];
try {
  steps = JSON.parse(sessionStorage.getItem(KEY) ?? "[]");
} catch {
  // Those of this page are enough.
}

function keep(now) {
  steps = now.slice(-MOST);
  try {
    sessionStorage.setItem(KEY, JSON.stringify(steps));
  } catch {
    // The list of this page is enough.
  }
}

/** A decision: {frame, name, version: after it, note}. */
export function push(step) {
  keep([...steps, step]);
}

/** The last decision, which is then no longer in the list; undefined where there is none. */
export function pop() {
  const last = steps.at(-1);
  keep(steps.slice(0, -1));
  return last;
}

/** Nothing about this frame can be taken back any more. */
export function forget(frame) {
  keep(steps.filter((step) => String(step.frame) !== String(frame)));
}
