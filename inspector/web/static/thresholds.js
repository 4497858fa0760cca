// Two thresholds to drag over the chart of scores, by mouse, touch or arrow keys. The handles follow at once; what they
// would have done is shown as the server answers.

import { Trial } from "./trial.js";

const NAMES = ["ok", "ng"];
const STEPS = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10 };

class Handles {
  /** changed: is given {ok, ng}. */
  constructor(chart, changed) {
    this.chart = chart;
    this.changed = changed;
    // Scores at the ends of the axis, and where these are.
    [this.low, this.high, this.left, this.right] = ["low", "high", "left", "right"].map((end) => Number(chart.dataset[end]));
    this.step = (this.high - this.low) / 200;
    this.fields = byName("");
    this.handles = byName("handle-");
    this.labels = byName("label-");
    this.chosen = { ok: Number(this.fields.ok.value), ng: Number(this.fields.ng.value) };
    for (const name of NAMES) this.listen(name);
  }

  listen(name) {
    const handle = this.handles[name];
    let held = null; // by how much the finger is beside the line
    handle.addEventListener("pointerdown", (event) => {
      held = this.chosen[name] - this.scoreAt(event);
      handle.setPointerCapture(event.pointerId);
      handle.focus({ preventScroll: true });
      event.preventDefault();
    });
    handle.addEventListener("pointermove", (event) => {
      if (held !== null) this.choose(name, this.scoreAt(event) + held);
    });
    for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) {
      handle.addEventListener(end, () => { held = null; });
    }
    handle.addEventListener("keydown", (event) => {
      const by = STEPS[event.key];
      if (by !== undefined) this.choose(name, this.chosen[name] + by * this.step);
      else if (event.key === "Home") this.choose(name, this.low);
      else if (event.key === "End") this.choose(name, this.high);
      else return;
      event.preventDefault();
    });
    this.fields[name].addEventListener("change", () => this.typed(name));
  }

  scoreAt(event) {
    const place = new DOMPoint(event.clientX, event.clientY).matrixTransform(this.chart.getScreenCTM().inverse());
    return this.low + ((place.x - this.left) / (this.right - this.left)) * (this.high - this.low);
  }

  /** By its handle: on the chart, and neither crosses the other. */
  choose(name, wanted) {
    const [least, most] = this.limits(name);
    this.take({ [name]: clamp(Number(clamp(wanted, this.low, this.high).toPrecision(4)), least, most) });
  }

  limits(name) {
    return name === "ok" ? [0, this.chosen.ng] : [this.chosen.ok, Infinity];
  }

  /** What was typed stays; the other goes along, as ok is never above ng. An empty field says again what holds. */
  typed(name) {
    const value = Math.max(0, this.fields[name].valueAsNumber);
    if (!Number.isFinite(value)) this.fields[name].value = String(this.chosen[name]);
    else if (name === "ok") this.take({ ok: value, ng: Math.max(value, this.chosen.ng) });
    else this.take({ ok: Math.min(value, this.chosen.ok), ng: value });
  }

  take(values) {
    for (const [name, value] of Object.entries(values)) {
      if (value !== Number(this.fields[name].value)) this.fields[name].value = String(value);
      this.chosen[name] = value;
    }
    this.draw();
    this.changed({ ...this.chosen });
  }

  draw() {
    for (const name of NAMES) {
      const [handle, value] = [this.handles[name], this.chosen[name]];
      const [least, most] = this.limits(name);
      handle.setAttribute("transform", `translate(${this.across(value).toFixed(1)} 0)`);
      handle.setAttribute("aria-valuenow", String(value));
      handle.setAttribute("aria-valuetext", String(value));
      handle.setAttribute("aria-valuemin", String(Math.max(least, this.low)));
      handle.setAttribute("aria-valuemax", String(Math.min(most, this.high)));
      this.labels[name].textContent = String(Number(value.toPrecision(4)));
    }
    const [ok, ng] = NAMES.map((name) => this.across(this.chosen[name]));
    for (const [name, from, to] of [["ok", this.left, ok], ["between", ok, ng], ["ng", ng, this.right]]) {
      const area = document.getElementById(`area-${name}`);
      area.setAttribute("x", from.toFixed(1));
      area.setAttribute("width", Math.max(0, to - from).toFixed(1));
    }
  }

  across(value) {
    return this.left + ((clamp(value, this.low, this.high) - this.low) / (this.high - this.low)) * (this.right - this.left);
  }
}

function byName(prefix) {
  return Object.fromEntries(NAMES.map((name) => [name, document.getElementById(`${prefix}${name}`)]));
}

function clamp(value, low, high) {
  return Math.min(high, Math.max(low, value));
}

const chart = document.getElementById("scores");
if (chart) {
  const trial = new Trial(document.querySelector("#apply [name=station]").value); // of the page: another may be chosen above and not shown
  new Handles(chart, (chosen) => trial.ask(chosen));
  document.getElementById("look").remove(); // needed without this script alone, and what Enter would press
}
