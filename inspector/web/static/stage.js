// The sample with what is drawn over it: shapes, handles, pointers and keys. An SVG in the frame's pixels; what of it the
// eye needs in pixels of the screen, handles and how near is near, follows its scale.

import { KINDS, MOST_CORNERS } from "./drawing.js";
import { clamped, distance, middles, moved, nearest, rectangle, within, wrong } from "./geometry.js";

const SVG = "http://www.w3.org/2000/svg";
const REACH = { mouse: 12, touch: 26, pen: 16 }; // pixels of the screen
const STILL = 4; // a pointer that moves less has not moved
const LEAST = 4; // the sides of a rectangle, pixels of the frame
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class Stage {
  constructor(drawing, { say, toolChanged, maskAddress, crop }) {
    this.drawing = drawing;
    this.say = say;
    this.toolChanged = toolChanged;
    this.maskAddress = maskAddress;
    this.crop = crop;
    this.stage = document.getElementById("stage");
    this.layers = Object.fromEntries(["dimmed", "shapes", "sketch", "handles"].map((name) => [name, document.getElementById(name)]));
    this.coarse = matchMedia("(pointer: coarse)");
    this.tool = "move";
    this.kind = "include";
    this.sketch = null; // corners of a polygon that is not closed, or of a rectangle that is dragged
    this.held = null; // what the pointer drags
    this.drawn = ""; // which elements are there; else their places alone change
    drawing.addEventListener("change", () => this.show());
    new ResizeObserver(() => this.show()).observe(this.stage);
    this.stage.addEventListener("pointerdown", (event) => this.down(event));
    this.stage.addEventListener("pointermove", (event) => this.move(event));
    this.stage.addEventListener("pointerup", (event) => this.up(event));
    this.stage.addEventListener("pointercancel", () => this.cancel());
    // A finger that has grasped something does not scroll the page; any other does. `pointerdown` comes before it.
    this.stage.addEventListener("touchstart", (event) => this.held && event.preventDefault(), { passive: false });
    this.stage.addEventListener("click", (event) => this.click(event));
    this.stage.addEventListener("dblclick", () => this.close());
    this.stage.addEventListener("keydown", (event) => this.key(event));
  }

  // ---- what is on the screen

  /** Pixels of the frame in one of the screen. */
  get scale() {
    return 1 / this.stage.getScreenCTM().a;
  }

  show() {
    const { areas, chosen } = this.drawing;
    const drawn = JSON.stringify([chosen, areas.map(({ id, kind, mask, corners }) => [id, kind, mask, corners?.length])]);
    if (drawn !== this.drawn) {
      const held = this.stage.contains(document.activeElement) ? document.activeElement.dataset.key : null;
      this.drawn = drawn;
      this.build();
      if (held) this.stage.querySelector(`[data-key="${held}"]`)?.focus({ preventScroll: true });
    }
    this.place();
    this.showSketch();
  }

  build() {
    const { areas, chosenArea, size: [width, height] } = this.drawing;
    const ground = areas.some((one) => one.kind === "include") ? "#fff" : "#000";
    const dimmed = [shape("rect", { width, height, fill: ground })];
    const shapes = [];
    for (const kind of Object.keys(KINDS)) {
      const fill = kind === "include" ? "#000" : "#fff";
      for (const area of areas.filter((one) => one.kind === kind)) {
        if (area.mask) {
          dimmed.push(shape("image", { href: this.maskAddress(area), width, height, preserveAspectRatio: "none" }));
        } else {
          dimmed.push(shape("polygon", { "data-area": area.id, fill }));
          shapes.push(this.outline(area));
        }
      }
    }
    if (this.crop) {
      const [x, y, wide, high] = this.crop;
      dimmed.push(shape("path", { d: `M0 0H${width}V${height}H0ZM${x} ${y}v${high}h${wide}v${-high}Z`, fill: "#fff" }));
    }
    this.layers.dimmed.replaceChildren(...dimmed);
    this.layers.shapes.replaceChildren(...shapes);
    this.layers.handles.replaceChildren(...(chosenArea?.corners ? this.handles(chosenArea) : []));
  }

  outline({ id, kind }) {
    const group = shape("g", { class: `area ${kind}${id === this.drawing.chosen ? " chosen" : ""}`, "data-key": `area-${id}`, "data-shape": id, tabindex: 0, role: "button" });
    group.append(shape("polygon", { class: "rim", "data-area": id }), shape("polygon", { class: "edge", "data-area": id }));
    return group;
  }

  handles({ id, corners }) {
    const made = [];
    for (const at of corners.keys()) {
      const middle = shape("g", { class: "middle", "data-middle": at });
      middle.append(shape("circle", { class: "hit" }), shape("circle", { class: "dot" }));
      made.push(middle);
    }
    for (const at of corners.keys()) {
      const corner = shape("g", { class: "corner", "data-key": `corner-${id}-${at}`, "data-corner": at, tabindex: 0, role: "button" });
      corner.append(shape("circle", { class: "hit" }), shape("circle", { class: "dot" }));
      made.push(corner);
    }
    return made;
  }

  /** Everything where it belongs, as large as the screen needs it. */
  place() {
    const { drawing, scale } = this;
    for (const area of drawing.areas.filter((one) => one.corners)) {
      const fault = wrong(area.corners);
      for (const one of this.stage.querySelectorAll(`[data-area="${area.id}"]`)) one.setAttribute("points", area.corners.join(" "));
      const group = this.stage.querySelector(`[data-shape="${area.id}"]`);
      group.classList.toggle("wrong", Boolean(fault));
      group.setAttribute("aria-label", `${drawing.name(area)}, ${area.corners.length} corners${fault ? `; ${fault}` : ""}`);
    }
    const chosen = drawing.chosenArea;
    if (!chosen?.corners) return;
    const grip = this.coarse.matches ? 11 : 7;
    const between = this.middlesOf(chosen);
    for (const handle of this.layers.handles.children) {
      const corner = handle.dataset.corner;
      const place = corner === undefined ? between[handle.dataset.middle] : chosen.corners[corner];
      handle.toggleAttribute("hidden", !place);
      if (!place) continue;
      handle.setAttribute("transform", `translate(${place[0]} ${place[1]})`);
      handle.querySelector(".hit").setAttribute("r", String(scale * (this.coarse.matches ? 22 : 12)));
      handle.querySelector(".dot").setAttribute("r", String(scale * (corner === undefined ? grip * 0.6 : grip)));
      if (corner !== undefined) handle.setAttribute("aria-label", `Corner ${Number(corner) + 1} of ${drawing.name(chosen)}: x ${place[0]}, y ${place[1]}`);
    }
  }

  middlesOf(area) {
    return middles(area.corners, this.scale * (this.coarse.matches ? 96 : 44));
  }

  showSketch(towards = null) {
    const corners = this.sketch ?? [];
    const made = [];
    if (corners.length && this.tool === "polygon") {
      const line = towards ? [...corners, towards] : corners;
      made.push(shape("polyline", { class: "rim", points: line.join(" ") }), shape("polyline", { class: `edge ${this.kind}`, points: line.join(" ") }));
      for (const [at, [x, y]] of corners.entries()) made.push(shape("circle", { class: at ? "dot" : "dot first", cx: x, cy: y, r: this.scale * (at ? 4 : 9) }));
    } else if (corners.length) {
      made.push(shape("polygon", { class: "rim", points: corners.join(" ") }), shape("polygon", { class: `edge ${this.kind}`, points: corners.join(" ") }));
    }
    this.layers.sketch.replaceChildren(...made);
  }

  // ---- tools

  choose(tool) {
    this.tool = tool;
    this.sketch = null;
    this.held = null;
    this.stage.dataset.using = tool;
    if (tool !== "move") this.drawing.choose(null);
    this.showSketch();
    this.toolChanged();
  }

  spot(event) {
    const { x, y } = new DOMPoint(event.clientX, event.clientY).matrixTransform(this.stage.getScreenCTM().inverse());
    return clamped([x, y], this.drawing.size);
  }

  reach(event) {
    return this.scale * (REACH[event.pointerType] ?? REACH.mouse);
  }

  down(event) {
    if (event.button || !event.isPrimary) return;
    const place = this.spot(event);
    if (this.tool === "rectangle") this.held = { rectangle: place };
    else if (this.tool === "move") this.grasp(event, place);
    if (!this.held) return;
    Object.assign(this.held, { start: place, at: [event.clientX, event.clientY], what: Symbol("drag") });
    this.stage.setPointerCapture(event.pointerId);
    if (event.pointerType === "mouse") event.preventDefault(); // no text is chosen while it is dragged
  }

  /** What lies under the pointer: a corner, the middle of an edge, an area, in this order. */
  grasp(event, place) {
    const { drawing } = this;
    const chosen = drawing.chosenArea;
    if (chosen?.corners) {
      const corner = nearest(place, chosen.corners, this.reach(event));
      if (corner >= 0) {
        this.held = { id: chosen.id, corner };
        this.focus(`corner-${chosen.id}-${corner}`);
        return;
      }
      const middle = nearest(place, this.middlesOf(chosen), this.reach(event));
      if (middle >= 0) {
        this.held = { id: chosen.id, middle };
        return;
      }
      if (within(place, chosen.corners)) {
        this.held = { id: chosen.id, corners: chosen.corners };
        this.focus(`area-${chosen.id}`);
        return;
      }
    }
    const hit = [...drawing.areas].reverse().sort((a, b) => (a.kind < b.kind ? -1 : Number(a.kind > b.kind))).find((one) => one.corners && within(place, one.corners));
    drawing.choose(hit?.id ?? null);
    if (!hit) return;
    this.focus(`area-${hit.id}`);
    if (event.pointerType === "mouse") this.held = { id: hit.id, corners: hit.corners };
  }

  move(event) {
    const place = this.spot(event);
    if (this.tool === "polygon" && this.sketch && event.pointerType === "mouse") this.showSketch(place);
    if (!this.held) return;
    const { held, drawing } = this;
    if (!held.moved && distance(held.at, [event.clientX, event.clientY]) < STILL) return;
    held.moved = true;
    if (held.rectangle) {
      this.sketch = rectangle(held.rectangle, place);
      this.showSketch();
    } else if (held.middle !== undefined) {
      drawing.insertCorner(held.id, held.middle, place, held.what);
      this.held = { ...held, middle: undefined, corner: held.middle + 1 };
      this.focus(`corner-${held.id}-${held.middle + 1}`);
    } else if (held.corner !== undefined) {
      drawing.setCorner(held.id, held.corner, place, held.what);
    } else {
      drawing.replace(held.id, { corners: moved(held.corners, [place[0] - held.start[0], place[1] - held.start[1]], drawing.size) }, held.what);
    }
  }

  up(event) {
    const { held } = this;
    this.held = null;
    if (!held) return;
    if (held.rectangle) {
      const end = this.spot(event);
      const sides = [Math.abs(end[0] - held.start[0]), Math.abs(end[1] - held.start[1])];
      this.sketch = null;
      if (Math.min(...sides) >= LEAST) this.finish(rectangle(held.start, end));
      else this.showSketch();
    } else if (held.middle !== undefined && !held.moved) {
      this.insert(held.id, held.middle);
    }
  }

  cancel() {
    if (this.held?.what) this.drawing.cancel(this.held.what);
    this.held = null;
    this.sketch = null;
    this.showSketch();
  }

  click(event) {
    if (this.tool !== "polygon" || event.detail > 1) return; // the second click of two closes it
    const place = this.spot(event);
    if (this.sketch?.length >= 3 && distance(place, this.sketch[0]) <= this.reach(event)) {
      this.close();
      return;
    }
    if (this.sketch?.length >= MOST_CORNERS) return;
    this.sketch = [...(this.sketch ?? []), place];
    this.showSketch();
    this.say(`Corner ${this.sketch.length} at x ${place[0]}, y ${place[1]}`);
    this.toolChanged();
  }

  close() {
    if (this.tool !== "polygon" || !this.sketch) return;
    if (this.sketch.length < 3) this.say("An area needs three corners.");
    else this.finish(this.sketch);
  }

  finish(corners) {
    this.sketch = null;
    this.tool = "move"; // what was drawn is moved next, if anything
    this.drawing.add(this.kind, corners);
    this.choose("move");
    this.say(`${this.drawing.name(this.drawing.chosenArea)} drawn`);
  }

  /** A rectangle over the middle of the frame, for who has no pointer. */
  addMiddle() {
    const [width, height] = this.drawing.size;
    this.drawing.add(this.kind, rectangle(clamped([width / 4, height / 4], [width, height]), clamped([(width * 3) / 4, (height * 3) / 4], [width, height])));
    this.choose("move");
    this.focus(`corner-${this.drawing.chosen}-0`);
  }

  // ---- keys

  focus(key) {
    this.stage.querySelector(`[data-key="${key}"]`)?.focus({ preventScroll: true });
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { corner, shape: id } = event.target.dataset;
    if (corner !== undefined) this.cornerKey(event, this.drawing.chosen, Number(corner));
    else if (id !== undefined) this.areaKey(event, Number(id));
  }

  cornerKey(event, id, at) {
    const { drawing } = this;
    const by = ARROWS[event.key];
    const place = drawing.area(id).corners[at];
    if (by) {
      const step = event.shiftKey ? 10 : 1;
      drawing.setCorner(id, at, clamped([place[0] + by[0] * step, place[1] + by[1] * step], drawing.size), `corner-${id}-${at}`);
    } else if (event.key === "Delete" || event.key === "Backspace") {
      if (!this.removeCorner(id, at)) return;
      this.focus(`corner-${id}-${Math.max(0, at - 1)}`);
    } else if (event.key === "Insert" || event.key === "+") {
      this.insert(id, at);
    } else {
      return;
    }
    event.preventDefault();
  }

  areaKey(event, id) {
    const { drawing } = this;
    const by = ARROWS[event.key];
    const step = event.shiftKey ? 10 : 1;
    if (by) drawing.replace(id, { corners: moved(drawing.area(id).corners, [by[0] * step, by[1] * step], drawing.size) }, `area-${id}`);
    else if (event.key === "Delete" || event.key === "Backspace") this.remove(id);
    else if (event.key === "Enter" || event.key === " ") this.enter(id);
    else return;
    event.preventDefault();
  }

  /** Its corners can be reached. */
  enter(id) {
    this.drawing.choose(id);
    this.focus(`corner-${id}-0`);
  }

  /** Of keys that are pressed anywhere on the page; whether it was one of ours. */
  pageKey(key) {
    if (key === "Escape" && (this.sketch || this.held)) this.cancel();
    else if (key === "Enter" && this.sketch) this.close();
    else if (key === "Backspace" && this.sketch && this.tool === "polygon") this.takeLast();
    else return false;
    this.toolChanged();
    return true;
  }

  takeLast() {
    this.sketch = this.sketch.length > 1 ? this.sketch.slice(0, -1) : null;
    this.showSketch();
    this.say(this.sketch ? `${this.sketch.length} corners` : "No corner");
  }

  // ---- what handles, keys and the list of areas do alike

  insert(id, after) {
    const { corners } = this.drawing.area(id);
    const [ax, ay] = corners[after];
    const [bx, by] = corners[(after + 1) % corners.length];
    this.drawing.insertCorner(id, after, clamped([(ax + bx) / 2, (ay + by) / 2], this.drawing.size));
    this.focus(`corner-${id}-${after + 1}`);
  }

  removeCorner(id, at) {
    const done = this.drawing.removeCorner(id, at);
    if (!done) this.say("An area needs three corners: remove the area instead.");
    return done;
  }

  remove(id) {
    const name = this.drawing.name(this.drawing.area(id));
    this.drawing.remove(id);
    this.say(`${name} removed`);
  }
}

export function shape(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}
