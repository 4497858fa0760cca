// Two thresholds to drag over the chart of scores, by mouse, touch or arrow keys. The handles follow at once; what they
// would have done is asked of the server, one question at a time, the newest value first.

import { tellAloud } from "./aloud.js";
import { stale } from "./notice.js";
import { get } from "./request.js";

const REST_MS = 500; // once no key and no finger moves a handle for so long, what has changed is said aloud

const chart = document.getElementById("scores");

if (chart) begin();

function begin() {
  const low = Number(chart.dataset.low);
  const high = Number(chart.dataset.high);
  const left = Number(chart.dataset.left);
  const right = Number(chart.dataset.right);
  const step = (high - low) / 200;
  const fields = { ok: document.getElementById("ok"), ng: document.getElementById("ng") };
  const handles = { ok: document.getElementById("handle-ok"), ng: document.getElementById("handle-ng") };
  const chosen = { ok: Number(fields.ok.value), ng: Number(fields.ng.value) };
  const station = document.querySelector("#apply [name=station]").value; // of the page: another may be chosen above and not shown

  const across = (value) => left + ((Math.min(high, Math.max(low, value)) - low) / (high - low)) * (right - left);
  const limits = { ok: () => [0, chosen.ng], ng: () => [chosen.ok, Infinity] };

  /** By its handle: neither crosses the other. */
  function choose(name, wanted) {
    const [least, most] = limits[name]();
    take({ [name]: Math.min(most, Math.max(least, Number(wanted.toPrecision(4)))) });
  }

  /** What was typed stays; the other goes along, as ok is never above ng. An empty field says again what holds. */
  function typed(name) {
    const value = Math.max(0, fields[name].valueAsNumber);
    if (!Number.isFinite(value)) fields[name].value = String(chosen[name]);
    else if (name === "ok") take({ ok: value, ng: Math.max(value, chosen.ng) });
    else take({ ok: Math.min(value, chosen.ok), ng: value });
  }

  function take(values) {
    for (const [name, value] of Object.entries(values)) {
      if (value !== Number(fields[name].value)) fields[name].value = String(value);
      chosen[name] = value;
    }
    draw();
    ask();
  }

  function draw() {
    for (const name of ["ok", "ng"]) {
      const [least, most] = limits[name]();
      handles[name].setAttribute("transform", `translate(${across(chosen[name]).toFixed(1)} 0)`);
      handles[name].setAttribute("aria-valuenow", String(chosen[name]));
      handles[name].setAttribute("aria-valuetext", String(chosen[name]));
      handles[name].setAttribute("aria-valuemin", String(Math.max(least, low)));
      handles[name].setAttribute("aria-valuemax", String(Math.min(most, high)));
      document.getElementById(`label-${name}`).textContent = String(Number(chosen[name].toPrecision(4)));
    }
    const ends = { ok: [left, across(chosen.ok)], between: [across(chosen.ok), across(chosen.ng)], ng: [across(chosen.ng), right] };
    for (const [name, [from, to]] of Object.entries(ends)) {
      const area = document.getElementById(`area-${name}`);
      area.setAttribute("x", from.toFixed(1));
      area.setAttribute("width", Math.max(0, to - from).toFixed(1));
    }
  }

  function scoreAt(event) {
    const place = new DOMPoint(event.clientX, event.clientY).matrixTransform(chart.getScreenCTM().inverse());
    return low + ((place.x - left) / (right - left)) * (high - low);
  }

  for (const [name, handle] of Object.entries(handles)) {
    let held = null; // by how much the finger is beside the line
    handle.addEventListener("pointerdown", (event) => {
      held = chosen[name] - scoreAt(event);
      handle.setPointerCapture(event.pointerId);
      handle.focus({ preventScroll: true });
      event.preventDefault();
    });
    handle.addEventListener("pointermove", (event) => {
      if (held !== null) choose(name, Math.min(high, Math.max(low, scoreAt(event) + held)));
    });
    for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) {
      handle.addEventListener(end, () => { held = null; });
    }
    handle.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10 }[event.key];
      if (by !== undefined) choose(name, Math.min(high, Math.max(low, chosen[name] + by * step)));
      else if (event.key === "Home") choose(name, low);
      else if (event.key === "End") choose(name, high);
      else return;
      event.preventDefault();
    });
    fields[name].addEventListener("change", () => typed(name));
  }

  const shown = document.getElementById("trial");
  let heard = spoken(); // what who hears the page knows
  let resting = 0; // a timer
  let asking = false;
  let again = false;

  async function ask() {
    clearTimeout(resting);
    if (asking) {
      again = true;
      return;
    }
    asking = true;
    try {
      const query = new URLSearchParams({ station, ok: chosen.ok, ng: chosen.ng });
      const answer = await get(`/api/v1/thresholds?${query}`, { accept: "application/json" });
      if (answer.status === 401) location.reload();
      if (answer.ok) tell((await answer.json()).said);
      outdated(answer.ok ? null : "away");
    } catch {
      outdated("offline"); // the next move asks again
    } finally {
      asking = false;
    }
    if (again) {
      again = false;
      ask();
    }
  }

  function outdated(why) {
    shown.classList.toggle("stale", Boolean(why));
    stale(why);
  }

  function tell(said) {
    for (const one of said) {
      const tile = shown.querySelector(`[data-key="${one.key}"]`);
      tile.classList.toggle("alarm", one.alarm);
      tile.querySelector(".value").textContent = one.value;
      tile.querySelector(".of").textContent = one.meaning;
      tile.querySelector(".now b").textContent = one.now;
      tile.querySelector(".meaning").textContent = one.detail;
    }
    clearTimeout(resting);
    resting = setTimeout(tellChanged, REST_MS);
  }

  /** A text for each tile. */
  function spoken() {
    const parts = (tile) => [".value", ".of", ".meaning"].map((part) => tile.querySelector(part).textContent);
    return [...shown.querySelectorAll(".tile")].map((tile) => parts(tile).join(" "));
  }

  /** Not tile by tile while a handle moves: its own value would be lost among them. */
  function tellChanged() {
    const now = spoken();
    const changed = now.filter((text, at) => text !== heard[at]);
    if (changed.length) tellAloud(changed.join("; "));
    heard = now;
  }

  document.getElementById("look").remove(); // needed without this script alone, and what Enter would press
}
