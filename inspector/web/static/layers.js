// What is drawn over the sample: what is left out dimmed, areas, handles, and what is begun. An SVG in the frame's pixels; what
// the eye needs in pixels of the screen, as handles, follows its scale.

import { KINDS } from "./drawing.js";
import { shape } from "./elements.js";
import { middles, wrong } from "./geometry.js";

export class Layers {
  constructor(stage, drawing, { maskAddress, crop }) {
    this.stage = stage;
    this.drawing = drawing;
    this.maskAddress = maskAddress;
    this.crop = crop;
    this.layers = Object.fromEntries(["dimmed", "shapes", "sketch", "handles"].map((name) => [name, document.getElementById(name)]));
    this.coarse = matchMedia("(pointer: coarse)");
    this.drawn = ""; // which elements are there; else their places alone change
  }

  /** Pixels of the frame in one of the screen. */
  get scale() {
    return 1 / this.stage.getScreenCTM().a;
  }

  /** The areas as they are now. */
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

  /** Where the middles of its edges can be grasped; of short edges nowhere. */
  middlesOf(area) {
    return middles(area.corners, this.scale * (this.coarse.matches ? 96 : 44));
  }

  /** Corners of what is begun. open: a polygon that is not closed; else a rectangle. towards: its next corner would be there. */
  showSketch(corners, { open, kind, towards }) {
    const made = [];
    if (corners.length && open) {
      const line = towards ? [...corners, towards] : corners;
      made.push(shape("polyline", { class: "rim", points: line.join(" ") }), shape("polyline", { class: `edge ${kind}`, points: line.join(" ") }));
      for (const [at, [x, y]] of corners.entries()) made.push(shape("circle", { class: at ? "dot" : "dot first", cx: x, cy: y, r: this.scale * (at ? 4 : 9) }));
    } else if (corners.length) {
      made.push(shape("polygon", { class: "rim", points: corners.join(" ") }), shape("polygon", { class: `edge ${kind}`, points: corners.join(" ") }));
    }
    this.layers.sketch.replaceChildren(...made);
  }
}
