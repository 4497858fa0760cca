// What was decided and can be taken back, by this account in this tab: kept across pages where the browser allows it.
// One list, in the order in which it was said: frames, and selections that were decided together.

import { read, write } from "./kept.js";
import { draft } from "./note.js";
import { outbox, put } from "./outbox.js";
import { user } from "./request.js";
import { t } from "./words.js";

const KEY = `inspector.undo.${user}`;
const MOST = 500;

let steps = read(KEY).filter((step) => step.after);

function keep(now) {
  steps = now.slice(-MOST);
  write(KEY, steps);
}

/** A decision about a frame, {frame, name, to, type, note, after}, or about several, {batch: its name, to, type, after}; after: see put. */
export function push(step) {
  keep([...steps, step]);
}

/** Takes the last decision back, by the outbox; returns it, or undefined where there is none. */
export function takeBack() {
  const last = steps.at(-1);
  if (!last) return undefined;
  const after = last.after.map(([frame, version, result]) => [frame, version + 1, result]);
  keep(steps.slice(0, -1).map((step) => renewed(step, after)));
  if (last.batch) put({ path: `/api/v1/batches/${last.batch}/undo`, body: {}, after, label: t("Undo"), back: true });
  else takeBackFrame(last, after);
  return last;
}

function takeBackFrame({ frame, name, note, after: [[, version, result]] }, after) {
  if (note) draft(frame, note); // to be said again, with another decision
  put({ path: `/api/v1/frames/${frame}/undo`, body: { version, result_id: result }, after, frame, label: t("%(name)s: undo", { name }), undo: true, name });
}

/** What was said before holds again, as a version of its own: that is what the next step takes back. */
function renewed(step, after) {
  const versions = new Map(after.map(([frame, version]) => [String(frame), version]));
  return { ...step, after: step.after.map(([frame, version, result]) => [frame, versions.get(String(frame)) ?? version, result]) };
}

/** Whether this was said here of a frame, and nothing after it: it carries the answer already. Its version: see versionOf. */
export function carries(frame, version, to, type) {
  const last = steps.findLast(({ after }) => after.some(([of]) => String(of) === String(frame)));
  const holds = last?.after.some(([of, made]) => String(of) === String(frame) && made === version);
  return Boolean(holds) && last.to === to && (last.type ?? null) === type;
}

/** Whether a selection was decided in this tab and can be taken back. */
export function has(batch) {
  return steps.some((step) => step.batch === batch);
}

/** Nothing about this frame can be taken back any more, and nothing holds that was said of it, alone or in a selection. */
function forget(frame) {
  const others = ({ after }) => after.filter(([of]) => String(of) !== String(frame));
  keep(steps.map((step) => ({ ...step, after: others(step) })).filter(({ after }) => after.length));
}

/** Somebody else decided: what was said here does not hold. */
outbox.addEventListener("conflict", ({ detail: { said } }) => {
  for (const conflict of said.conflicts ?? [said.conflict]) forget(conflict.frame);
});

/** What was not recorded cannot be taken back. */
function unsaid({ entry, said }) {
  if (entry.batch && !said.done?.length) keep(steps.filter((step) => step.batch !== entry.body.batch));
  else if (entry.frame && !entry.undo && !said.id) keep(steps.filter((step) => String(step.after) !== String(entry.after)));
}
for (const type of ["sent", "refused"]) outbox.addEventListener(type, (event) => unsaid(event.detail));
