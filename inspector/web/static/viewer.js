// The picture: zoom by wheel, pinch, keys and buttons, pan by dragging, the anomaly map over it. An SVG's viewBox moves.

import { shape } from "./elements.js";

const STEP = 1.25;
const MOST = 40;
const OPACITY = "inspector.opacity";
const LOST_MS = 15000; // a browser itself may wait for minutes

export class Viewer {
  constructor(panel) {
    this.stage = panel.querySelector(".stage");
    this.map = null;
    this.lifted = false;
    if (!this.stage) return;
    this.width = Number(this.stage.dataset.width);
    this.height = Number(this.stage.dataset.height);
    this.box = { x: 0, y: 0, width: this.width, height: this.height };
    this.photo = this.stage.querySelector(".photo");
    this.fetch();
    this.aim = this.flagged();
    this.pointers = new Map();
    this.slider = panel.querySelector(".map-slider input");
    this.slider.value = localStorage.getItem(OPACITY) ?? "50";
    this.slider.addEventListener("input", () => {
      this.shade();
      localStorage.setItem(OPACITY, this.slider.value);
    });
    this.slider.addEventListener("pointerup", () => this.slider.blur()); // arrow keys are the page's again
    this.stage.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    this.stage.addEventListener("pointerdown", (event) => this.down(event));
    this.stage.addEventListener("pointermove", (event) => this.move(event));
    for (const type of ["pointerup", "pointercancel"]) this.stage.addEventListener(type, (event) => this.up(event));
    this.stage.addEventListener("dblclick", (event) => this.zoom(2, event));
  }

  /** Fetches the picture, again where it did not come; while it is coming or lost, nothing is shown over its place. */
  fetch() {
    const photo = this.photo.cloneNode(); // another one: what became of the first may have been told before anybody listened
    const become = (state) => photo === this.photo && (this.stage.parentElement.className = `viewer ${state}`);
    photo.addEventListener("load", () => become(""));
    photo.addEventListener("error", () => become("lost"));
    setTimeout(() => this.coming && become("lost"), LOST_MS);
    this.photo.replaceWith(photo);
    this.photo = photo;
    become("coming");
  }

  /** Whether nobody can have seen the picture yet, nor that it does not come. */
  get coming() {
    return Boolean(this.stage?.closest(".coming"));
  }

  /** Lays the anomaly map and the numbered patches of `near` over the picture. */
  cover(near) {
    if (!this.stage) return;
    const over = this.stage.querySelector(".over");
    const { x, y, width, height, map } = near.dataset;
    this.map = shape("image", { href: map, x, y, width, height, preserveAspectRatio: "none", class: "map" });
    over.replaceChildren(this.map);
    for (const patch of near.querySelectorAll(".patch")) over.append(...numbered(patch.dataset, Math.max(this.width, this.height) / 40));
    this.shade();
  }

  /** The map is shown as dense as the slider says, or not at all while it is lifted. */
  shade() {
    this.map?.setAttribute("opacity", this.lifted ? "0" : String(Number(this.slider.value) / 100));
    this.stage?.classList.toggle("lifted", this.lifted);
  }

  lift(lifted) {
    if (lifted === this.lifted) return;
    this.lifted = lifted;
    this.shade();
  }

  whole() {
    if (!this.stage) return;
    this.aim = this.flagged();
    this.show({ x: 0, y: 0, width: this.width, height: this.height });
  }

  /** The middle of the worst flagged region, which is the first; null where none is. */
  flagged() {
    const region = this.stage.querySelector(".region")?.getBBox();
    return region ? { x: region.x + region.width / 2, y: region.y + region.height / 2 } : null;
  }

  /** Zooms in by a factor, around a pointer's place; else on what is flagged, until somebody has looked elsewhere. */
  zoom(factor, at) {
    if (!this.stage) return;
    const width = Math.min(this.width, Math.max(this.width / MOST, this.box.width / factor));
    const height = (width * this.height) / this.width;
    if (at) {
      this.aim = null;
      const { x, y } = this.place(at);
      const share = width / this.box.width;
      this.show({ x: x - (x - this.box.x) * share, y: y - (y - this.box.y) * share, width, height });
    } else {
      const { x, y } = this.aim ?? { x: this.box.x + this.box.width / 2, y: this.box.y + this.box.height / 2 };
      this.show({ x: x - width / 2, y: y - height / 2, width, height });
    }
  }

  /** Looks a quarter of what is seen further to the right and down. */
  pan(right, down) {
    this.aim = null;
    const { x, y, width, height } = this.box;
    this.show({ x: x + (right * width) / 4, y: y + (down * height) / 4, width, height });
  }

  get zoomed() {
    return Boolean(this.stage) && this.box.width < this.width * 0.999;
  }

  show({ x, y, width, height }) {
    if (!this.stage) return;
    const box = { x: clamp(x, 0, this.width - width), y: clamp(y, 0, this.height - height), width, height };
    this.box = box;
    this.stage.setAttribute("viewBox", `${box.x} ${box.y} ${box.width} ${box.height}`);
    this.stage.classList.toggle("zoomed", this.zoomed);
    this.stage.classList.toggle("close", box.width < this.stage.clientWidth / 3);
  }

  place(at) {
    const point = new DOMPoint(at.clientX, at.clientY).matrixTransform(this.stage.getScreenCTM().inverse());
    return { x: clamp(point.x, this.box.x, this.box.x + this.box.width), y: clamp(point.y, this.box.y, this.box.y + this.box.height) };
  }

  wheel(event) {
    event.preventDefault();
    this.zoom(STEP ** (-event.deltaY / (event.deltaMode ? 3 : 100)), event);
  }

  down(event) {
    this.stage.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, event);
  }

  move(event) {
    const before = this.pointers.get(event.pointerId);
    if (!before) return;
    const others = [...this.pointers.values()].filter((one) => one.pointerId !== event.pointerId);
    if (others.length) {
      const [other] = others;
      const factor = apart(event, other) / Math.max(1, apart(before, other));
      this.zoom(factor, { clientX: (event.clientX + other.clientX) / 2, clientY: (event.clientY + other.clientY) / 2 });
    } else {
      this.aim = null;
      const scale = this.stage.getScreenCTM().a;
      const x = this.box.x - (event.clientX - before.clientX) / scale;
      const y = this.box.y - (event.clientY - before.clientY) / scale;
      this.show({ ...this.box, x, y });
    }
    this.pointers.set(event.pointerId, event);
  }

  up(event) {
    this.pointers.delete(event.pointerId);
  }
}

function numbered({ x, y, width, height, number }, size) {
  const label = shape("text", { x: Number(x) + Number(width) / 2, y: Number(y) - size * 0.35, "font-size": size, "stroke-width": size * 0.2, class: "patch-number" });
  label.textContent = number;
  return [shape("rect", { x, y, width, height, class: "patch-box" }), label];
}

function apart(one, other) {
  return Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);
}

function clamp(value, low, high) {
  return Math.min(Math.max(value, low), Math.max(low, high));
}
