// The sample under pointers and keys: what they draw, grasp and move. How near is near follows the scale of the screen.

import { tellAloud } from "./aloud.js";
import { MOST_CORNERS } from "./drawing.js";
import { clamped, distance, moved, nearest, rectangle, within } from "./geometry.js";
import { Layers } from "./layers.js";

const REACH = { mouse: 12, touch: 26, pen: 16 }; // pixels of the screen
const STILL = 4; // a pointer that moves less has not moved
const LEAST = 4; // the sides of a rectangle, pixels of the frame
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

export class Stage {
  constructor(drawing, { toolChanged, maskAddress, crop }) {
    this.drawing = drawing;
    this.toolChanged = toolChanged;
    this.stage = document.getElementById("stage");
    this.layers = new Layers(this.stage, drawing, { maskAddress, crop });
    this.tool = "move";
    this.kind = "include";
    this.sketch = null; // corners of a polygon that is not closed, or of a rectangle that is dragged
    this.held = null; // what the pointer drags
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

  // ---- tools

  show() {
    this.layers.show();
    this.showSketch();
  }

  /** What is begun; towards: where its next corner would be. */
  showSketch(towards = null) {
    this.layers.showSketch(this.sketch ?? [], { open: this.tool === "polygon", kind: this.kind, towards });
  }

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
    return this.layers.scale * (REACH[event.pointerType] ?? REACH.mouse);
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
      const middle = nearest(place, this.layers.middlesOf(chosen), this.reach(event));
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
    tellAloud(`Corner ${this.sketch.length} at x ${place[0]}, y ${place[1]}`);
    this.toolChanged();
  }

  close() {
    if (this.tool !== "polygon" || !this.sketch) return;
    if (this.sketch.length < 3) tellAloud("An area needs three corners.");
    else this.finish(this.sketch);
  }

  finish(corners) {
    this.sketch = null;
    this.tool = "move"; // what was drawn is moved next, if anything
    this.drawing.add(this.kind, corners);
    this.choose("move");
    tellAloud(`${this.drawing.name(this.drawing.chosenArea)} drawn`);
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
    tellAloud(this.sketch ? `${this.sketch.length} corners` : "No corner");
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
    if (!done) tellAloud("An area needs three corners: remove the area instead.");
    return done;
  }

  remove(id) {
    const name = this.drawing.name(this.drawing.area(id));
    this.drawing.remove(id);
    tellAloud(`${name} removed`);
  }
}
