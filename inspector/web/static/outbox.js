// What was decided and is not yet recorded: kept in this browser until the server has it, sent in order.
//
// Each entry has a key of its own in the browser's store, so that two tabs never overwrite one another's. An entry is
// sent by whoever holds the lock, and only under the account that made it. The server answers a repetition with success.

import { request, user } from "./request.js";
import { n, t } from "./words.js";

const WAITING = "inspector.outbox.";
const CONFLICTS = "inspector.conflict.";
const REFUSED = "inspector.refused.";
const TOLD = "inspector.told"; // written and taken away at once: the other tabs hear of it
const STAMP = 15; // digits
const PAUSES_MS = [500, 1000, 2000, 5000, 10000];

// Where the browser's store is full or forbidden: lost with the page, so whoever leaves it is warned.
const memory = new Map();
addEventListener("beforeunload", (event) => memory.size && event.preventDefault());

let failures = 0;
let timer = 0;
let sending = false;
let state = "idle";

/**
 * Tells `change` whenever there is more or less to send, `sent`, `conflict` and `refused` with {entry, said}, also of what
 * another tab has sent: then with `elsewhere`. `agreed`, with {entry, conflict}: somebody else was quicker, and said the same.
 */
export const outbox = new EventTarget();

/** Keeps an entry {path, body, label, after: [[frame, its version once this is recorded, its result], …]}, sends it soon. */
export function put(entry) {
  const key = `${WAITING}${String(next()).padStart(STAMP, "0")}.${crypto.randomUUID()}`;
  keep(key, { ...entry, user });
  tell("change");
  send();
}

/** Later than all that waits, also where the clock was set back. */
function next() {
  const newest = keysOf(WAITING).at(-1);
  return Math.max(Date.now(), newest ? Number(newest.slice(WAITING.length, WAITING.length + STAMP)) + 1 : 0);
}

/** Entries that wait, oldest first: {key, path, body, label, after, user}. */
export function waiting() {
  return stored(WAITING);
}

/** Whether something of this account waits to be sent. */
export function unsent() {
  return waiting().some((entry) => entry.user === user);
}

const recorded = new Map(); // result -> the newest version that this account is known to have made

/** The version that a frame has once all that this account said here is recorded; seen: the one on the screen. */
export function versionOf(result, seen) {
  let version = Math.max(Number(seen), recorded.get(result) ?? 0);
  for (const entry of waiting()) {
    if (entry.user !== user) continue;
    for (const [, made, of] of entry.after ?? []) if (of === result) version = Math.max(version, made);
  }
  return version;
}

function learn({ entry, said }) {
  const done = new Map((said.done ?? [said]).map(({ id, version }) => [String(id), version]));
  for (const [frame, , result] of entry.after ?? []) {
    const version = done.get(String(frame));
    if (version) recorded.set(result, Math.max(version, recorded.get(result) ?? 0));
  }
}

/** Decisions of this account that met somebody else's: {key, entry, conflict}. */
export function conflicts() {
  return stored(CONFLICTS).filter((one) => one.entry.user === user);
}

/** What of this account was not recorded, and why, until it has been seen: {key, text}. */
export function refusals() {
  return stored(REFUSED).filter((one) => one.user === user);
}

/** The operator has seen these conflicts or refusals. */
export function settle(...keys) {
  for (const key of keys) drop(key);
  tell("change");
}

/** idle, sending, offline (the server cannot be reached), away (its database cannot), login, other (someone else's). */
export function condition() {
  return state;
}

/** Sends what waits, unless another tab is at it. */
export function send() {
  clearTimeout(timer);
  if (sending) return;
  sending = true;
  const locks = navigator.locks;
  const done = locks ? locks.request("inspector-outbox", sendAll) : sendAll();
  Promise.resolve(done).finally(() => {
    sending = false;
    if (unsent() && (state === "idle" || state === "sending")) send();
  });
}

async function sendAll() {
  for (;;) {
    const all = waiting();
    const entry = all.find((one) => one.user === user);
    if (!user || !entry) {
      become(all.length ? (user ? "other" : "login") : "idle");
      return;
    }
    become("sending");
    const answer = await request(entry.path, entry.body).catch(() => null);
    if (answer?.status === 401 || answer?.status === 403) { // 403: the browser's session is by now somebody else's
      become("login");
      return;
    }
    if (answer?.status === 429 || answer?.status >= 500) {
      later("away");
      return;
    }
    const said = answer && (await wordsOf(answer).catch(() => null));
    if (!said) {
      later("offline");
      return;
    }
    failures = 0;
    take(entry, answer, said);
  }
}

/** Rejects where an answer cannot be read, as of a page that is left or of somebody between: it is asked for again. */
async function wordsOf(answer) {
  const { id, version, batch, done, unknown, conflict, conflicts: several, error } = await answer.json();
  return { id, version, batch, done, unknown, conflict, conflicts: several, error };
}

function take(entry, answer, said) {
  const { unknown, conflict, conflicts: several, error } = said;
  const met = several ?? (conflict ? [conflict] : []);
  for (const one of met) meet(one, [entry, ...withdraw(one.frame, entry)]);
  const refused = !answer.ok && !met.length;
  const why = error ?? t("The server refused it.");
  if (refused) refuse(t("Not recorded: %(what)s. %(why)s", { what: entry.label, why }));
  if (unknown?.length) refuse(n("%(what)s: %(number)s of them not recorded, as they are no longer there or are other frames now.", "%(what)s: %(number)s of them not recorded, as they are no longer there or are other frames now.", unknown.length, { what: entry.label }));
  drop(entry.key);
  if (answer.ok) tellAll("sent", { entry, said });
  else if (refused) tellAll("refused", { entry, said });
  if (met.length) tellAll("conflict", { entry, said });
  tell("change");
}

/** Somebody else was quicker than these words about a frame: asked about, unless the last of them is what stands there. */
function meet(conflict, words) {
  const entry = words.at(-1);
  if (agrees(entry, conflict) && !words.some(({ body }) => body.note)) tell("agreed", { entry, conflict });
  else keep(`${CONFLICTS}${conflict.frame}.${crypto.randomUUID()}`, { entry, conflict });
}

function agrees({ undo, back, body }, { disposition, defect_type: type }) {
  return !undo && !back && (body.to ?? "defect") === disposition && (body.defect_type ?? null) === type;
}

/** What waits about a frame on which somebody was quicker was said without having seen that, and is taken out. */
function withdraw(frame, entry) {
  const others = (list) => list.filter(([id]) => String(id) !== String(frame));
  const later = waiting().filter((one) => one.user === entry.user && one.key > entry.key && one.after && others(one.after).length < one.after.length);
  for (const { key, ...one } of later) {
    const after = others(one.after);
    if (!after.length) drop(key);
    else if (one.batch) keep(key, { ...one, after, body: { ...one.body, frames: one.body.frames.filter(({ id }) => id !== frame) } });
  }
  return later;
}

function refuse(text) {
  keep(`${REFUSED}${Date.now()}.${crypto.randomUUID()}`, { text, user });
}

function later(why) {
  become(why);
  timer = setTimeout(send, PAUSES_MS[Math.min(failures++, PAUSES_MS.length - 1)]);
}

function become(now) {
  if (now === state) return;
  state = now;
  tell("change");
}

function keep(key, value) {
  const text = JSON.stringify(value);
  try {
    localStorage.setItem(key, text);
    memory.delete(key);
  } catch {
    memory.set(key, text);
  }
}

function drop(key) {
  memory.delete(key);
  localStorage.removeItem(key);
}

function keysOf(prefix) {
  return [...Object.keys(localStorage), ...memory.keys()].filter((key) => key.startsWith(prefix)).sort();
}

function stored(prefix) {
  return keysOf(prefix).map((key) => ({ key, ...JSON.parse(memory.get(key) ?? localStorage.getItem(key)) }));
}

function tell(type, detail) {
  if (type === "sent") learn(detail);
  outbox.dispatchEvent(new CustomEvent(type, { detail }));
}

/** Also the other tabs. */
function tellAll(type, detail) {
  tell(type, detail);
  try {
    localStorage.setItem(TOLD, JSON.stringify({ type, detail }));
    localStorage.removeItem(TOLD);
  } catch {
    // They find out when they ask the server.
  }
}

addEventListener("storage", (event) => {
  if (event.key === TOLD) {
    const { type, detail } = JSON.parse(event.newValue ?? "{}");
    if (detail?.entry.user === user) tell(type, { ...detail, elsewhere: true });
    return;
  }
  if (event.key === null || event.key.startsWith("inspector.")) {
    tell("change");
    if (state === "login" || state === "idle") send();
  }
});
addEventListener("online", send);
document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && send());
