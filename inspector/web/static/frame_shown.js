// The frame on the screen, and the way to another: the next ones are here before they are asked for.

import { forget, GONE, nearest, panelHere, panelOf, standing } from "./ahead.js";
import { tellAloud } from "./aloud.js";
import { calm } from "./burst.js";
import { Conflict } from "./frame_conflict.js";
import { drafted, Note } from "./note.js";
import { say } from "./notice.js";
import { condition, unsent } from "./outbox.js";
import { drained } from "./patience.js";
import { request, user } from "./request.js";
import { frameChanged, unseen, UNSEEN_MS } from "./taps.js";
import { Viewer } from "./viewer.js";
import { t } from "./words.js";

const AHEAD = 4;
const MOST_VISITED = 500;
const LATE_MS = 300; // from then on it is seen that the page waits: style.css has the same

export const place = document.getElementById("frame");
export let panel = null; // null once the page is left
export let viewer = null;
export let note = null;
const visited = [];
let shown = 0;
let nearLarge = false;

// ---- what is on the screen

/** Puts a panel on the screen. remember: the way back leads to the one before. */
export function show(made, { remember = true } = {}) {
  if (remember && panel) visited.push(panel.dataset.frame);
  if (visited.length > MOST_VISITED) visited.shift();
  if (panel) frameChanged();
  const twin = focused();
  if (made !== panel) place.replaceChildren(made);
  panel = made;
  if (twin) ([...panel.querySelectorAll(`${twin}:enabled`)].find((one) => one.offsetParent) ?? place).focus({ preventScroll: true });
  bringIntoSight(panel.querySelector(".viewer"));
  tellFrame();
  tellNear();
  viewer = new Viewer(panel);
  note = new Note(panel, () => conflict.show());
  shown += 1;
  const query = panel.dataset.query;
  history.replaceState(null, "", `/frame/${panel.dataset.frame}${query ? `?${query}` : ""}`);
  document.title = `${panel.dataset.name} · inspector`;
  explain(shown);
  fetchAhead();
  keepUp();
  conflict.show();
}

/** Whether the nearest normals are large, which stays so from frame to frame, for who does not see it. */
function tellNear() {
  panel.querySelector("[data-do='near']")?.setAttribute("aria-pressed", nearLarge);
}

/** Nearest normals large, or as they were. */
export function toggleNear() {
  nearLarge = !nearLarge;
  document.body.classList.toggle("near-large", nearLarge);
  tellNear();
}

/** Whoever has scrolled down to a button, as on a phone, sees the picture of the next frame all the same; much enlarged too. */
function bringIntoSight(picture) {
  const [bar, strip, seen] = [document.querySelector(".bar"), document.getElementById("notice"), picture].map((one) => one.getBoundingClientRect());
  if (seen.top < Math.max(0, bar.bottom, strip.bottom) || seen.top > innerHeight / 2) picture.scrollIntoView({ block: "start" });
}

/** Where a key has put the focus: the same control of the next frame has it then. Null after a click. */
function focused() {
  const held = document.activeElement;
  if (!panel?.contains(held) || !held.matches("button:focus-visible")) return null;
  const { do: act, to, type } = held.dataset;
  if (act) return `[data-do="${act}"]`;
  return type ? `[data-type="${CSS.escape(type)}"]` : `[data-to="${to}"]:not([data-type])`;
}

/** For who hears the page: which frame it is now, what the line and people said of it, its score. */
function tellFrame() {
  const said = [...panel.querySelectorAll(".badge.big, .scale b")].map((one) => one.textContent);
  tellAloud([panel.dataset.name, ...said].join(", "));
}

async function explain(turn) {
  const target = panel.querySelector(".nearest");
  const near = await nearest(panel);
  if (turn !== shown) return;
  target.replaceChildren(...(near ? [near] : []));
  const covered = target.querySelector(".near");
  if (covered) viewer.cover(covered);
}

/** To the queue; false while the server cannot be reached or takes long, as no page would come from it. */
export async function end(holds) {
  await Promise.all([drained(), calm()]);
  if (!holds()) return false;
  if (unsent() && ["offline", "sending"].includes(condition())) return false;
  shown += 1; // what is still on its way has no place any more
  panel = null;
  viewer = null;
  const link = new URL("/", location);
  link.search = location.search;
  location.assign(link);
  return true;
}

/** To the queue in the middle of the work, if the server is there: it would end on a page of the browser's own. */
export async function queue() {
  const from = panel;
  if (!(await request("/api/v1/me").catch(() => null))) say(t("The server cannot be reached. Try again in a moment."));
  else if (panel === from) location.assign(panel.querySelector('[data-do="queue"]').href);
}

// ---- what will be on the screen

async function fetchAhead() {
  const turn = shown;
  let frame = panel.dataset.next;
  const query = panel.dataset.query;
  for (let depth = 0; depth < AHEAD && frame; depth++) {
    const made = await panelOf(frame, query);
    if (!made || made === GONE || turn !== shown) return;
    frame = made.dataset.next;
  }
}

/**
 * What somebody else has decided meanwhile: of the frames that wait, those ahead are passed over, and so is the one on the
 * screen while nobody can have seen it. Where all are shown they are fetched anew, as they are now.
 */
async function keepUp() {
  const turn = shown;
  const { query } = panel.dataset;
  const line = [];
  for (let one = panel; one && line.length <= AHEAD; one = panelHere(one.dataset.next, query)) line.push(one);
  const now = await standing(line.map(({ dataset }) => dataset.frame));
  if (turn !== shown) return;
  const old = ({ dataset: { frame, version } }) => now.get(frame)?.version > Number(version);
  const passedOver = (one) => old(one) && isOpenOnly(query) && byOther(now.get(one.dataset.frame)) && !drafted(one.dataset.frame);
  for (const one of line.slice(1).filter(old)) forget(one.dataset.frame, query);
  for (let at = line.length - 1; at > 0; at--) {
    if (passedOver(line[at])) join(line[at - 1], "next", line[at].dataset.next);
  }
  fetchAhead();
  if (passedOver(panel) && unseen() && panel.dataset.next && !panel.dataset.busy && !note.isOpen) {
    move((holds) => go(panel.dataset.next, holds, { remember: false, along: "next" }), { unasked: true });
  }
}

/** Whether a query asks for frames that wait, and no others: what is usual does not stand in it. */
function isOpenOnly(query) {
  return !new URLSearchParams(query).has("state");
}

function byOther({ reviewer }) {
  return Boolean(reviewer) && reviewer !== user;
}

/** Beside a panel, on that side, is this frame; none where it is empty. */
function join(of, along, frame) {
  of.dataset[along] = frame;
  of.querySelector(`[data-do="${along}"]`).disabled = !frame;
}

let moves = 0;

/**
 * To another frame, or out of the page. Until it is there no key and no tap decides the one that is still on the screen,
 * nor one that came late and that nobody can have seen. What is asked for meanwhile comes instead; `holds` tells whether
 * nothing was. False where nothing came: the frame stays. unasked: the page goes there by itself.
 */
export async function move(lead, { unasked = false } = {}) {
  const from = panel;
  const mine = (moves += 1);
  const holds = () => mine === moves;
  const began = performance.now();
  let moved = false;
  from.dataset.busy = "yes";
  try {
    moved = await lead(holds);
  } finally {
    if (holds() && !moved) delete from.dataset.busy;
  }
  if (moved && panel && (unasked || performance.now() - began > LATE_MS)) {
    panel.dataset.busy = "yes";
    setTimeout(() => holds() && delete panel.dataset.busy, UNSEEN_MS);
  }
  return moved || !holds();
}

/** along: next or previous, where any frame on that side will do, should this one be gone. */
export async function go(frame, holds, { remember = true, fresh = false, along = null } = {}) {
  if (!frame || !holds()) return false;
  const query = panel.dataset.query;
  if (fresh) forget(frame, query);
  const made = await panelOf(frame, query);
  if (!holds()) return false;
  if (made === GONE) {
    if (along) return (await lookAgain(along)) && holds() && go(panel.dataset[along], holds, { remember, along });
    say(t("That frame is no longer there."));
    return false;
  }
  if (!made) {
    if (navigator.onLine) say(t("That frame cannot be shown now. Try again in a moment."));
    return false;
  }
  forget(frame, query);
  show(made, { remember });
  return true;
}

/** Which frame is beside the one on the screen by now: none, where that is gone itself. False where nobody can say. */
async function lookAgain(along) {
  const { frame, query } = panel.dataset;
  forget(frame, query);
  const from = panel;
  const made = await panelOf(frame, query);
  if (!made) return false;
  join(from, along, made === GONE ? "" : made.dataset[along]);
  return true;
}

/** To the next frame, which leaves this one undecided. */
export function goOn() {
  const { busy, next } = panel.dataset;
  return !busy && next && move((holds) => go(next, holds, { along: "next" }));
}

/** To the frame before; what was just said of it is recorded first, or it would come back as if nobody had decided. */
export function goBack() {
  const { busy, previous } = panel.dataset;
  if (busy) return undefined;
  if (!visited.length) return previous && move((holds) => go(previous, holds, { remember: false, along: "previous" }));
  const frame = visited.pop();
  return move(async (holds) => {
    await drained();
    return go(frame, holds, { remember: false, fresh: true });
  });
}

// ---- somebody else was quicker

const conflict = new Conflict({
  waits: () => note?.isOpen, // whoever writes would answer it with the next blank
  async lead(frame) {
    if (!panel) return false;
    const there = await move((holds) => go(frame, holds, { fresh: true }));
    return there || (await panelOf(frame, panel.dataset.query)) === GONE;
  },
});
