// What was decided and can be taken back, by this account in this tab: kept across pages where the browser allows it.

import { draft } from "./note.js";
import { put } from "./outbox.js";
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

/** Takes the last decision back, by the outbox; returns it, or undefined where there is none. */
export function takeBack() {
  const last = steps.at(-1);
  if (!last) return undefined;
  keep(steps.slice(0, -1));
  if (last.note) draft(last.frame, last.note); // to be said again, with another decision
  put({ path: `/api/v1/frames/${last.frame}/undo`, body: { version: last.version }, frame: last.frame, label: "Undo", undo: true, name: last.name });
  return last;
}

/** Nothing about this frame can be taken back any more. */
export function forget(frame) {
  keep(steps.filter((step) => String(step.frame) !== String(frame)));
}
