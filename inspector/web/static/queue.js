// The queue: what is said about a selection, by keys and buttons, and what came of it.

import { inBurst } from "./burst.js";
import { silent } from "./letters.js";
import { clean } from "./note.js";
import { say, unsay } from "./notice.js";
import { outbox, put, versionOf } from "./outbox.js";
import { refresh } from "./queue_fresh.js";
import { allPassed, clear, count, picked } from "./queue_picked.js";
import { BY_ITSELF } from "./request.js";
import * as steps from "./steps.js";
import { DOUBLE_MS, rest } from "./taps.js";
import { answer, n, t } from "./words.js";

const cards = document.getElementById("cards");
const bar = document.getElementById("batch");
const dialog = document.getElementById("confirm");
const note = document.getElementById("confirm-note"); // what was written stays there until a decision takes it along
let asked = null; // {chosen, to, type} while the dialog is open, and until its end is told

function ask(to) {
  answered();
  const chosen = picked();
  if (!chosen.length || dialog.open) return;
  const by = new Map();
  for (const card of chosen) by.set(card.dataset.station, (by.get(card.dataset.station) ?? 0) + 1);
  document.getElementById("confirm-title").textContent = t("%(what)s?", { what: spoken(chosen, answer(to, allPassed(chosen))) });
  document.getElementById("confirm-text").textContent = [...by].map(([station, number]) => t("%(number)s of %(station)s", { number, station })).join(", ");
  document.getElementById("confirm-yes").textContent = n("Decide %(number)s frame", "Decide %(number)s frames", chosen.length);
  const type = document.getElementById("confirm-type");
  type.hidden = to !== "defect";
  type.querySelector("select").value = ""; // that of the selection before is not meant
  dialog.returnValue = "";
  asked = { chosen, to, type };
  dialog.showModal();
  document.getElementById("confirm-yes").focus();
}

/** A selection and what is said of it. */
function spoken(chosen, word) {
  return n("%(number)s frame: %(word)s", "%(number)s frames: %(word)s", chosen.length, { word });
}

/** A dialog tells of its end later: a quick hand may have asked again by then. */
function answered() {
  if (!asked || dialog.open) return;
  const { chosen, to, type } = asked;
  asked = null;
  if (dialog.returnValue === "yes") decide(chosen, to, to === "defect" ? type.querySelector("select").value : "");
}

dialog.addEventListener("submit", () => rest(cards, DOUBLE_MS)); // where the second half of a double tap goes
dialog.addEventListener("close", answered);
dialog.addEventListener("keydown", (event) => {
  if (!inBurst() || !["Enter", " "].includes(event.key) || event.target.id !== "confirm-yes") return;
  event.preventDefault();
  tooMany();
});
note.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return; // 229: see note.js
  event.preventDefault();
  if (inBurst()) tooMany();
  else document.getElementById("confirm-yes").click();
});

function decide(selected, to, type) {
  const said = clean(note.value);
  const seen = ({ dataset: { frame, result, version } }) => ({ id: Number(frame), version: versionOf(result, version), result_id: result });
  const again = (card) => !said && steps.carries(card.dataset.frame, seen(card).version, to, type || null); // said twice it counts once
  const chosen = selected.filter((card) => !again(card));
  clear();
  if (!chosen.length) return;
  const frames = chosen.map(seen);
  const body = { frames, to, batch: crypto.randomUUID() };
  if (type) body.defect_type = type;
  if (said) body.note = said;
  note.value = "";
  const passed = allPassed(chosen);
  const after = frames.map((one) => [one.id, one.version + 1, one.result_id]);
  put({ path: "/api/v1/dispositions", body, after, passed, label: spoken(chosen, type || answer(to, passed)), batch: true });
  steps.push({ batch: body.batch, to, type: type || null, after });
  for (const card of chosen) card.classList.add("leaving");
}

outbox.addEventListener("sent", (event) => {
  const { entry, said, elsewhere } = event.detail;
  if (elsewhere && !(entry.batch && steps.has(said.batch))) {
    refreshLeaving();
  } else if (entry.batch) {
    const [number, left] = [said.done.length, said.conflicts.length];
    const done = left ? n("%(number)s decided, %(left)s left as others decided.", "%(number)s decided, %(left)s left as others decided.", number, { left }) : n("%(number)s decided.", "%(number)s decided.", number);
    const back = silent({ key: "z" }) ? "" : t("Z takes it back.");
    if (!number) say(done);
    else if (steps.has(said.batch)) say(`${done} ${back}`.trim(), { undo: takeBack, of: said.batch }); // else it is taken back by now
    refresh();
  } else if (entry.back) {
    say(n("%(number)s taken back.", "%(number)s taken back.", said.done.length));
    refresh();
  } else if (entry.undo) {
    say(t("%(name)s: taken back.", { name: entry.name }));
    refresh();
  }
});

/** Another tab has sent what these cards wait for. */
function refreshLeaving() {
  if (cards.querySelector(".leaving")) refresh(BY_ITSELF);
}

outbox.addEventListener("refused", ({ detail: { entry } }) => {
  if (!entry.batch) return;
  const left = entry.body.frames.map(({ id }) => cards.querySelector(`.leaving[data-frame="${id}"]`)).filter(Boolean);
  for (const card of left) card.classList.remove("leaving");
  if (left.length && !note.value) note.value = entry.body.note ?? "";
});

function takeBack() {
  const last = steps.takeBack();
  if (!last) say(t("There is nothing to take back."));
  else if (last.batch) unsay(last.batch);
}

for (const button of bar.querySelectorAll("[data-to]")) button.addEventListener("click", () => ask(button.dataset.to));

// ---- keys

/** As of a barcode scanner: none of them is taken for a decision. */
function tooMany() {
  say(t("Several keys came at once: nothing was decided."));
}

const KEYS = { d: "defect", f: "false_alarm", u: "unsure" };

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || dialog.open) return;
  const target = event.target;
  if (target.matches?.("input:not([type=checkbox]), select, textarea")) return;
  if (silent(event)) return;
  const key = event.key.toLowerCase();
  if (event.repeat && !key.startsWith("arrow")) return;
  if (inBurst() && ((KEYS[key] && picked().length) || key === "z" || key === "x")) tooMany();
  else if (KEYS[key] && picked().length) ask(KEYS[key]);
  else if (key === "escape") clear();
  else if (key === "z") takeBack();
  else if (key === "enter" && beginsReview(target)) document.getElementById("begin")?.click(); // else what has the focus
  else if (key === "x" && cards.contains(target)) {
    const box = target.closest(".frame-card").querySelector("input[name=pick]");
    box.checked = !box.checked;
    count();
  } else if (key.startsWith("arrow")) step(key, event);
});

/** Where nothing has the focus, or a box that is not ticked: Enter does nothing else there. */
function beginsReview(target) {
  return target === document.body || (target.matches("input[name=pick]") && !picked().length);
}

/** Arrows go from card to card. */
function step(key, event) {
  const links = [...cards.querySelectorAll(".picture")];
  if (!links.length) return;
  const at = links.indexOf(document.activeElement);
  const across = Math.max(1, Math.round(cards.clientWidth / links[0].closest("li").offsetWidth));
  const by = { arrowright: 1, arrowleft: -1, arrowdown: across, arrowup: -across }[key];
  if (at < 0 && key !== "arrowright" && key !== "arrowdown") return;
  event.preventDefault();
  links[at < 0 ? 0 : Math.min(links.length - 1, Math.max(0, at + by))].focus();
}
