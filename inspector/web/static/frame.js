// What an operator says of the frame on the screen, by keys and buttons: it leaves by the outbox, and the next frame comes.

import { again, burst, inBurst } from "./burst.js";
import { end, go, goBack, goOn, move, note, panel, place, queue, show, toggleNear, viewer } from "./frame_shown.js";
import { silent } from "./letters.js";
import { draft, drafted } from "./note.js";
import { say } from "./notice.js";
import { condition, outbox, put, versionOf } from "./outbox.js";
import { takenBack } from "./patience.js";
import * as steps from "./steps.js";
import { unmeant } from "./taps.js";
import { answer, n, plantWord, t } from "./words.js";

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
  near: toggleNear,
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
