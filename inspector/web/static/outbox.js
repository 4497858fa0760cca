// What was decided and is not yet recorded: kept in this browser until the server has it, sent in order.
//
// Each entry has a key of its own in the browser's store, so that two tabs never overwrite one another's. An entry is
// sent by whoever holds the lock, and only under the account that made it. The server answers a repetition with success.

import { request, user } from "./request.js";

const WAITING = "inspector.outbox.";
const CONFLICTS = "inspector.conflict.";
const PAUSES_MS = [500, 1000, 2000, 5000, 10000];

// Where the browser's store is full or forbidden: lost with the page, so whoever leaves it is warned.
const memory = new Map();
addEventListener("beforeunload", (event) => memory.size && event.preventDefault());

let counter = 0;
let failures = 0;
let timer = 0;
let sending = false;
let state = "idle";

/** Tells `change` whenever there is more or less to send, `sent`, `conflict` and `refused` with {entry, answer}. */
export const outbox = new EventTarget();

/** Keeps an entry {path, body, label, frame} and sends it soon. */
export function put(entry) {
  const key = `${WAITING}${String(Date.now()).padStart(15, "0")}.${String(counter++).padStart(6, "0")}.${crypto.randomUUID()}`;
  keep(key, { ...entry, user });
  tell("change");
  send();
  return key;
}

/** Entries that wait, oldest first: {key, path, body, label, frame, user}. */
export function waiting() {
  return stored(WAITING);
}

/** Decisions of this account that met somebody else's: {key, entry, conflict}. */
export function conflicts() {
  return stored(CONFLICTS).filter((one) => one.entry.user === user);
}

/** The operator has seen this conflict. */
export function settle(key) {
  drop(key);
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
    if (waiting().some((entry) => entry.user === user) && (state === "idle" || state === "sending")) send();
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
    let answer;
    try {
      answer = await request(entry.path, entry.body);
    } catch {
      later("offline");
      return;
    }
    if (answer.status === 401 || answer.status === 403) { // 403: the browser's session is by now somebody else's
      become("login");
      return;
    }
    if (answer.status === 429 || answer.status >= 500) {
      later("away");
      return;
    }
    failures = 0;
    await take(entry, answer);
  }
}

async function take(entry, answer) {
  const said = await answer.json().catch(() => ({}));
  const met = said.conflicts ?? (said.conflict ? [said.conflict] : []);
  for (const conflict of met) keep(`${CONFLICTS}${conflict.frame}.${crypto.randomUUID()}`, { entry, conflict });
  drop(entry.key);
  if (answer.ok) tell("sent", { entry, said });
  else if (answer.status !== 409) tell("refused", { entry, said });
  if (met.length) tell("conflict", { entry, said });
  tell("change");
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
  } catch {
    memory.set(key, text);
  }
}

function drop(key) {
  memory.delete(key);
  localStorage.removeItem(key);
}

function stored(prefix) {
  const keys = [...Object.keys(localStorage), ...memory.keys()].filter((key) => key.startsWith(prefix));
  return keys.sort().map((key) => ({ key, ...JSON.parse(memory.get(key) ?? localStorage.getItem(key)) }));
}

function tell(type, detail) {
  outbox.dispatchEvent(new CustomEvent(type, { detail }));
}

addEventListener("storage", (event) => {
  if (event.key === null || event.key.startsWith("inspector.")) {
    tell("change");
    if (state === "login" || state === "idle") send();
  }
});
addEventListener("online", send);
document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && send());
