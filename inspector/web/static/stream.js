// What the server tells by itself, as long as somebody can see the page: a browser has few connections to one server, for
// all its tabs together.

import { stale } from "./notice.js";
import { BY_ITSELF, get } from "./request.js";

const RETRY_MS = 4000;
const PATIENCE_MS = 3000; // of a stream that is interrupted, as also by leaving the page
const SILENCE_MS = 10000; // of a stream that says something every second

let told = null; // takes each state of the queue
let busy = null; // whether somebody is in the middle of something
let stream = null;
let lost = 0; // a timer, while the stream is interrupted
let silence = 0; // a timer, while there is a stream

/**
 * Each state of the queue from now on; the page says by itself when the server or the database is away. Where the session
 * has ended it is loaded again, as soon as nobody is `isBusy` on it.
 */
export function follow(onTold, isBusy) {
  told = onTold;
  busy = isBusy;
  listen();
}

function listen() {
  if (stream || document.hidden) return;
  const opened = (stream = new EventSource("/live"));
  opened.addEventListener("queue", (event) => heard(JSON.parse(event.data)));
  for (const sign of ["open", "queue", "here"]) opened.addEventListener(sign, () => opened === stream && listenOn());
  opened.addEventListener("error", () => {
    if (opened !== stream) return;
    lost ||= setTimeout(() => stale("offline"), PATIENCE_MS);
    if (opened.readyState !== EventSource.CLOSED) return;
    hangUp();
    setTimeout(again, RETRY_MS);
  });
  listenOn();
}

function heard(state) {
  found();
  stale(state.away ? "away" : null);
  if (!state.away) told(state);
}

/** A machine that lost its power or its network does not end the stream. */
function listenOn() {
  clearTimeout(silence);
  silence = setTimeout(() => {
    stale("offline");
    hangUp();
    listen();
  }, SILENCE_MS);
}

function hangUp() {
  clearTimeout(silence);
  stream?.close();
  stream = null;
}

function found() {
  clearTimeout(lost);
  lost = 0;
}

/** What the stream tells first brings a page up to date that was hidden meanwhile. */
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) return listen();
  hangUp();
  found();
  return undefined;
});

/** The stream was refused: where the session has ended the page says so, else it was the server's bad moment. */
async function again() {
  if (stream || document.hidden) return;
  const answer = await get("/api/v1/me", BY_ITSELF).catch(() => null);
  if (answer?.status !== 401) return listen();
  if (!busy()) return location.reload();
  found();
  stale(null); // the server is there; what is decided tells that the session has ended
  return setTimeout(again, RETRY_MS);
}
