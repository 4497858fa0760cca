// One frame after the other: the next ones are here before they are asked for, and what is decided leaves by the outbox.

import { forget, GONE, nearest, panelHere, panelOf, standing } from "./ahead.js";
import { again, burst, calm, inBurst } from "./burst.js";
import { Conflict } from "./frame_conflict.js";
import { silent } from "./letters.js";
import { Note, draft, drafted } from "./note.js";
import { say } from "./notice.js";
import { condition, outbox, put, versionOf } from "./outbox.js";
import { drained, takenBack, unsent } from "./patience.js";
import { request, user } from "./request.js";
import * as steps from "./steps.js";
import { frameChanged, unmeant, unseen, UNSEEN_MS } from "./taps.js";
import { Viewer } from "./viewer.js";
import { answer, n, plantWord, t } from "./words.js";

const AHEAD = 4;
const MOST_VISITED = 500;
const LATE_MS = 300; // from then on it is seen that the page waits: style.css has the same

const place = document.getElementById("frame");
const visited = [];
let panel = null;
let viewer = null;
let note = null;
let shown = 0;
let nearLarge = false;

// ---- what is on the screen

function show(made, { remember = true } = {}) {
  if (remember && panel) visited.push(panel.dataset.frame);
  if (visited.length > MOST_VISITED) visited.shift();
  if (panel) frameChanged();
  const twin = focused();
  if (made !== panel) place.replaceChildren(made);
  panel = made;
  if (twin) ([...panel.querySelectorAll(`${twin}:enabled`)].find((one) => one.offsetParent) ?? place).focus({ preventScroll: true });
  bringIntoSight(panel.querySelector(".viewer"));
  tellAloud();
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
function tellAloud() {
  const said = [...panel.querySelectorAll(".badge.big, .scale b")].map((one) => one.textContent);
  document.getElementById("aloud").textContent = [panel.dataset.name, ...said].join(", ");
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
async function end(holds) {
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
async function queue() {
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
async function move(lead, { unasked = false } = {}) {
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
async function go(frame, holds, { remember = true, fresh = false, along = null } = {}) {
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

// ---- what the operator says

let hasty = null; // {burst, said}: what was decided last, as steps.carries takes it, and by which keys

function decide(to, type = null) {
  if (!panel || panel.dataset.busy || viewer.coming || !note.keep()) return undefined;
  const { frame, result, name } = panel.dataset;
  const passed = Boolean(panel.dataset.passed);
  const escape = panel.dataset.escape && to === "defect";
  const version = versionOf(result, panel.dataset.version);
  if (!note.text && steps.carries(frame, version, to, type)) return leave(); // said twice it counts once
  const body = { version, result_id: result };
  if (!escape) body.to = to;
  if (type) body.defect_type = type;
  if (note.text) body.note = note.text;
  const after = [[frame, version + 1, result]];
  put({ path: `/api/v1/frames/${frame}/${escape ? "escape" : "disposition"}`, body, after, frame, passed, name, label: `${name}: ${type ? plantWord(type) : answer(to, passed)}` });
  steps.push({ frame, name, to, type, after, note: body.note });
  hasty = { burst: burst(), said: [frame, version + 1, to, type] };
  draft(frame, "");
  return leave();
}

async function leave() {
  const from = panel;
  const onward = async (holds) => (await go(from.dataset.next, holds, { along: "next" })) || (!from.dataset.next && end(holds));
  if (!(await move(onward))) mark(panel);
}

/** What was decided stays on the screen, as the next frame cannot be had; once all is recorded, it is asked for again. */
function mark(of) {
  of.classList.add("decided");
  note.show();
}

/** Of several keys at once nobody knows which was meant: what the first of them decided is taken back as well. */
function rush(said) {
  if (said && again()) return;
  if (said && steps.carries(...said)) undo();
  say(t("Several keys came at once: nothing was decided."));
}

async function undo() {
  const last = steps.takeBack();
  if (!last) return say(t("There is nothing to take back."));
  if (last.batch) return undefined; // told when it is done
  if (panel.dataset.frame === String(last.frame)) panel.classList.remove("decided");
  return move(async (holds) => {
    await takenBack();
    return go(last.frame, holds, { remember: false, fresh: true });
  });
}

outbox.addEventListener("sent", ({ detail: { entry, said, elsewhere } }) => {
  if (entry.back && !elsewhere) say(n("%(number)s taken back.", "%(number)s taken back.", said.done.length));
});

/** What was written is kept, although what it was to go with was not recorded. */
outbox.addEventListener("refused", ({ detail: { entry, elsewhere } }) => {
  if (!elsewhere && entry.frame && entry.body.note && !drafted(entry.frame)) draft(entry.frame, entry.body.note);
});

outbox.addEventListener("change", () => {
  if (!panel?.classList.contains("decided") || note.isOpen || condition() !== "idle") return;
  panel.classList.remove("decided");
  leave();
});

function goOn() {
  const { busy, next } = panel.dataset;
  return !busy && next && move((holds) => go(next, holds, { along: "next" }));
}

/** To the frame before; what was just said of it is recorded first, or it would come back as if nobody had decided. */
function goBack() {
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

// ---- keys, buttons

const actions = {
  in: () => viewer.zoom(1.25),
  out: () => viewer.zoom(0.8),
  whole: () => viewer.whole(),
  next: goOn,
  previous: goBack,
  undo,
  help: () => document.getElementById("keys").showModal(),
  note: () => panel.dataset.busy || note.open(), // else the frame would change under who writes
  "note-keep": () => note.keep(),
  "note-leave": () => note.leave(),
  near: () => {
    nearLarge = !nearLarge;
    document.body.classList.toggle("near-large", nearLarge);
    tellNear();
  },
  queue,
  fetch: () => viewer.fetch(),
};

const keys = {
  d: () => decide("defect"),
  f: () => decide("false_alarm"),
  u: () => decide("unsure"),
  z: actions.undo,
  n: actions.near,
  m: actions.note,
  q: actions.queue,
  "+": actions.in,
  "=": actions.in,
  "-": actions.out,
  0: actions.whole,
  "?": actions.help,
  arrowright: actions.next,
  arrowleft: actions.previous,
};

const SPEAKS = ["d", "f", "u", "z", "m", "q"]; // the others only look
const PRESSES = ["enter", " "]; // what presses a button that has the focus
const PANS = { arrowright: [1, 0], arrowleft: [-1, 0], arrowdown: [0, 1], arrowup: [0, -1] };

/** A digit also where it takes Shift to type, as in France; where no such type is there, what the key says. */
function keyOf(event) {
  const key = event.key.toLowerCase();
  const digit = /^Digit(\d)$/.exec(event.code)?.[1];
  if (!digit || /^\d$/.test(key) || event.shiftKey || event.getModifierState("AltGraph")) return key;
  return digit === "0" || typeAt(digit) ? digit : key;
}

function typeAt(key) {
  return panel?.querySelectorAll(".type")[Number(key) - 1];
}

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (event.target.matches?.("input:not([type=range]), select, textarea")) return;
  if (silent(event)) return;
  const key = keyOf(event);
  if (key.startsWith("arrow") && event.target.matches?.("input, .nearest")) return; // the slider's, or they scroll
  const pressed = event.target.closest?.("button");
  const type = typeAt(key);
  const said = hasty?.burst === burst() ? hasty.said : null;
  if (inBurst() && panel && !event.repeat && (said || type || SPEAKS.includes(key) || (PRESSES.includes(key) && pressed?.dataset.to))) {
    event.preventDefault();
    rush(said);
    return;
  }
  if (key === "h" || (PRESSES.includes(key) && pressed?.dataset.do === "lift")) {
    viewer?.lift(true);
    return;
  }
  if (event.repeat && key === "enter" && pressed) event.preventDefault(); // held down it would decide frame after frame
  if (event.repeat && !key.startsWith("arrow") && !"+-=".includes(key)) return;
  if (event.shiftKey && PANS[key] && viewer?.zoomed) {
    event.preventDefault();
    viewer.pan(...PANS[key]);
    return;
  }
  const act = keys[key] ?? (type && (() => decide("defect", type.dataset.type)));
  if (!act || !panel) return;
  event.preventDefault();
  act();
});
addEventListener("keyup", (event) => ["h", ...PRESSES].includes(event.key.toLowerCase()) && viewer?.lift(false));
addEventListener("blur", () => viewer?.lift(false));

place.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button || !panel || unmeant(event, button)) return;
  if (button.dataset.to) decide(button.dataset.to, button.dataset.type ?? null);
  else actions[button.dataset.do]?.();
});
for (const [type, lifted] of [["pointerdown", true], ["pointerup", false], ["pointerleave", false]]) {
  place.addEventListener(type, (event) => event.target.closest?.('[data-do="lift"]') && viewer?.lift(lifted), true);
}

show(place.querySelector(".panel"));
