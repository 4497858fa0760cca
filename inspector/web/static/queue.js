// The queue: new frames as they come, a selection and what is said about all of it, keys.

import { tellAloud } from "./aloud.js";
import { inBurst } from "./burst.js";
import { silent } from "./letters.js";
import { clean } from "./note.js";
import { say, unsay } from "./notice.js";
import { outbox, put, versionOf } from "./outbox.js";
import { BY_ITSELF, get } from "./request.js";
import * as steps from "./steps.js";
import { follow } from "./stream.js";
import { DOUBLE_MS, rest } from "./taps.js";
import { upgraded } from "./upgrade.js";
import { answer, n, t } from "./words.js";

const cards = document.getElementById("cards");
const bar = document.getElementById("batch");
const dialog = document.getElementById("confirm");
const note = document.getElementById("confirm-note"); // what was written stays there until a decision takes it along
const fresh = document.getElementById("fresh");
const RETRY_MS = 4000;
const CALM_MS = 5000; // so long nobody has touched the page before cards move by themselves
const AIMED_MS = 600; // so long a finger may have been on its way to what was there before

// ---- live

let pulse = cards.dataset.pulse.split(",").map(Number);

let missed = 0; // a timer, where what is new could not be had or shown

function told(state) {
  let total = 0;
  for (const number of Object.values(state.open)) total += number;
  document.querySelector("#tally .chip b").textContent = total;
  for (const chip of document.querySelectorAll("#tally [data-station]")) {
    chip.querySelector("b").textContent = state.open[chip.dataset.station] ?? 0;
  }
  const changed = String(pulse) !== String(state.pulse);
  const more = state.pulse[0] > pulse[0];
  pulse = state.pulse;
  if (changed) renew(more);
}

/** Quietly, where nobody is in the middle of something; else a button tells that there is more. */
async function renew(more) {
  if (cards.dataset.first !== "1") return;
  clearTimeout(missed);
  if (idle() && (await refresh(BY_ITSELF, idle))) return;
  clearTimeout(missed);
  missed = setTimeout(() => renew(more), RETRY_MS);
  if (more && !idle()) {
    fresh.textContent = t("New frames: show");
    if (fresh.hidden) tellAloud(fresh.textContent);
    fresh.hidden = false;
  }
}

let touched = -Infinity; // when a hand was last on the page
for (const type of ["pointerdown", "pointermove", "wheel", "keydown"]) {
  addEventListener(type, () => { touched = performance.now(); }, { capture: true, passive: true });
}

function idle() {
  return !selecting() && scrollY < 80 && !cards.contains(document.activeElement) && performance.now() - touched > CALM_MS;
}

function selecting() {
  return picked().length > 0 || dialog.open;
}

/**
 * False where no answer came, or none was welcome. `welcome` is asked once it is here: somebody may have chosen a card while
 * it was under way. A card that has another place takes no tap for a moment: it was meant for the one that was there.
 */
async function refresh(why = {}, welcome = () => true) {
  const answer = await get(location.href, { accept: "text/html", ...why }).catch(() => null);
  const text = answer?.ok && !answer.redirected && (await answer.text().catch(() => null));
  if (!text) return false;
  const page = new DOMParser().parseFromString(text, "text/html");
  if (!welcome()) return false;
  if (why === BY_ITSELF && idle() && !note.value && upgraded(page)) return location.reload();
  const known = new Map([...cards.children].map((card) => [card.dataset.frame, card]));
  const now = [...page.querySelectorAll("#cards > li")].map((card) => {
    const here = known.get(card.dataset.frame);
    if (here && here.dataset.result === card.dataset.result && here.dataset.version === card.dataset.version) return here;
    if (!here && known.size) card.classList.add("new");
    return card;
  });
  const giveBack = focusedCard();
  const places = [...cards.children].map((card) => card.dataset.frame);
  cards.replaceChildren(...now);
  for (const [at, card] of now.entries()) if (card.dataset.frame !== places[at]) rest(card, AIMED_MS);
  giveBack?.();
  for (const id of ["tally", "matching"]) {
    const held = document.getElementById(id);
    if (!held.contains(document.activeElement)) held.replaceWith(page.getElementById(id));
  }
  const [empty, other] = [document.querySelector(".empty"), page.querySelector(".empty")];
  if (empty) empty.replaceWith(...(other ? [other] : []));
  else if (other) cards.after(other);
  document.querySelector(".pages").replaceWith(page.querySelector(".pages"));
  const [begin, first] = [document.getElementById("begin"), page.getElementById("begin")];
  if (begin && first) begin.href = first.href;
  else if (first) document.querySelector(".queue-head").append(first);
  else begin?.remove();
  clearTimeout(missed);
  fresh.hidden = true;
  count();
  return true;
}

/** What gives the focus back to the card that has it, or to the one that comes into its place. */
function focusedCard() {
  const held = document.activeElement;
  const card = held.closest("#cards > li");
  if (!card) return null;
  const at = [...cards.children].indexOf(card);
  const part = held.matches("input") ? "input[name=pick]" : ".picture";
  return () => {
    const here = cards.contains(card) ? card : cards.children[Math.min(at, cards.children.length - 1)];
    here?.querySelector(part).focus({ preventScroll: true });
  };
}

fresh.addEventListener("click", () => refresh());

// ---- pictures that do not come

cards.addEventListener("error", ({ target }) => target.closest(".picture").classList.add("lost"), true);
for (const image of cards.querySelectorAll("img")) {
  if (image.complete && !image.naturalWidth) image.src = image.getAttribute("src"); // told before anybody listened, or not yet wanted
}

// ---- selection

let anchor = null;

function picked() {
  return [...cards.querySelectorAll("input[name=pick]:checked")].map((box) => box.closest(".frame-card"));
}

/** Whether the line said ok of all of these: nothing alarmed, and F says that they are good. */
function allPassed(chosen) {
  return chosen.length > 0 && chosen.every(({ dataset }) => dataset.passed);
}

function count() {
  const chosen = picked();
  for (const card of cards.children) card.classList.toggle("chosen", chosen.includes(card));
  const number = document.getElementById("picked");
  if (number.textContent !== String(chosen.length)) {
    number.textContent = chosen.length;
    tellAloud(number.parentElement.textContent);
  }
  document.getElementById("passed").hidden = !allPassed(chosen);
  document.getElementById("alarmed").hidden = allPassed(chosen);
  const keyed = document.activeElement.matches("#batch :focus-visible");
  bar.hidden = !chosen.length;
  if (bar.hidden && keyed) cards.querySelector(".picture")?.focus({ preventScroll: true });
  document.body.classList.toggle("selecting", chosen.length > 0);
  const all = document.getElementById("select-all");
  all.checked = chosen.length > 0 && chosen.length === cards.children.length;
  all.indeterminate = chosen.length > 0 && !all.checked;
}

cards.addEventListener("click", (event) => {
  const box = event.target.closest("input[name=pick]");
  if (!box) return;
  const all = [...cards.querySelectorAll("input[name=pick]")];
  if (event.shiftKey && anchor && all.includes(anchor)) {
    const [from, to] = [all.indexOf(anchor), all.indexOf(box)].sort((a, b) => a - b);
    for (const one of all.slice(from, to + 1)) one.checked = box.checked;
  }
  anchor = box;
  count();
});
document.getElementById("select-all").addEventListener("change", (event) => {
  for (const box of cards.querySelectorAll("input[name=pick]")) box.checked = event.target.checked;
  count();
});
document.getElementById("drop-selection").addEventListener("click", clear);

function clear() {
  for (const box of cards.querySelectorAll("input[name=pick]")) box.checked = false;
  count();
}

// ---- what is said about the selection

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

count();
follow(told, selecting);
