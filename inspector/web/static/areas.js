// The areas as a list, with the corners of the chosen one as numbers: all that the drawing does, without a pointer.

import { KINDS } from "./drawing.js";
import { element } from "./elements.js";
import { clamped, wrong } from "./geometry.js";

export class Areas {
  constructor(drawing, stage) {
    this.drawing = drawing;
    this.stage = stage;
    this.list = document.getElementById("areas");
    this.built = "";
    drawing.addEventListener("change", () => this.show());
    this.list.addEventListener("click", (event) => this.click(event.target.closest("button")));
    this.list.addEventListener("change", (event) => this.typed(event.target));
    this.show();
  }

  show() {
    const { areas, chosen } = this.drawing;
    const built = JSON.stringify([chosen, areas.map(({ id, kind, corners }) => [id, kind, corners?.length])]);
    if (built !== this.built) {
      const key = this.list.contains(document.activeElement) ? document.activeElement.dataset.key : null;
      this.built = built;
      this.list.replaceChildren(...areas.map((area) => this.item(area)));
      if (key) this.list.querySelector(`[data-key="${key}"]`)?.focus({ preventScroll: true });
    }
    document.getElementById("none").hidden = areas.length > 0;
    for (const area of areas) this.fill(area);
  }

  item(area) {
    const item = element("li", { class: `entry ${area.kind}` });
    item.dataset.entry = area.id;
    const head = element("div", { class: "row tight" });
    const name = button(this.drawing.name(area), { choose: area.id }, `choose-${area.id}`);
    name.setAttribute("aria-expanded", String(area.id === this.drawing.chosen));
    const remove = button("Remove", { remove: area.id }, `remove-${area.id}`);
    remove.setAttribute("aria-label", `Remove ${this.drawing.name(area)}`);
    head.append(name, element("span", { class: "soft grow what" }), remove);
    item.append(head, element("p", { class: "fault wrong", hidden: "" }));
    if (area.id === this.drawing.chosen) item.append(this.details(area));
    return item;
  }

  details(area) {
    const place = element("div", { class: "details" });
    const other = area.kind === "include" ? "exclude" : "include";
    place.append(button(`Make it “${KINDS[other]}”`, { kind: other, of: area.id }, `kind-${area.id}`));
    if (area.mask) return place;
    const scroll = element("div", { class: "corners", tabindex: "0", role: "region", "aria-label": `Corners of ${this.drawing.name(area)}` });
    const table = element("table", {});
    const head = element("tr", {});
    for (const title of ["No.", "x", "y", "Corner"]) head.append(element("th", { scope: "col" }, title));
    table.append(element("thead", {}), element("tbody", {}));
    table.tHead.append(head);
    for (const at of area.corners.keys()) table.tBodies[0].append(this.row(area, at));
    scroll.append(table);
    place.append(scroll);
    return place;
  }

  row(area, at) {
    const row = element("tr", {});
    row.append(element("td", { class: "number" }, String(at + 1)));
    for (const [axis, most] of this.drawing.size.entries()) {
      const field = element("input", { type: "number", min: "0", max: String(most), step: "1", "aria-label": `Corner ${at + 1}, ${"xy"[axis]}` });
      Object.assign(field.dataset, { of: area.id, at, axis, key: `field-${at}-${axis}` });
      const cell = element("td", {});
      cell.append(field);
      row.append(cell);
    }
    const insert = button("+", { insert: at, of: area.id }, `insert-${at}`);
    insert.setAttribute("aria-label", `Insert a corner after corner ${at + 1}`);
    const remove = button("−", { corner: at, of: area.id }, `corner-${at}`);
    remove.setAttribute("aria-label", `Remove corner ${at + 1}`);
    const cell = element("td", { class: "nowrap" });
    cell.append(insert, remove);
    row.append(cell);
    return row;
  }

  fill(area) {
    const item = this.list.querySelector(`[data-entry="${area.id}"]`);
    const fault = area.corners ? wrong(area.corners) : null;
    item.querySelector(".what").textContent = area.mask ? "mask picture" : `${area.corners.length} corners`;
    const told = item.querySelector(".wrong");
    told.hidden = !fault;
    told.textContent = fault ? `This cannot be saved: ${fault}.` : "";
    for (const field of item.querySelectorAll("input")) {
      field.value = String(area.corners[field.dataset.at][field.dataset.axis]);
    }
  }

  click(pressed) {
    if (!pressed) return;
    const { choose, remove, kind, insert, corner, of } = pressed.dataset;
    const { drawing, stage } = this;
    if (choose) drawing.choose(drawing.chosen === Number(choose) ? null : Number(choose));
    else if (remove) this.remove(Number(remove));
    else if (kind) drawing.replace(Number(of), { kind });
    else if (insert) stage.insert(Number(of), Number(insert));
    else if (corner) stage.removeCorner(Number(of), Number(corner));
  }

  /** The focus goes to the next area, or to where the first one is made. */
  remove(id) {
    this.stage.remove(id);
    (this.list.querySelector("button") ?? document.querySelector('[data-do="add"]')).focus();
  }

  typed({ dataset: { of, at, axis }, value }) {
    const { drawing } = this;
    const corners = drawing.area(Number(of)).corners;
    const place = [...corners[at]];
    if (value === "" || !Number.isFinite(Number(value))) {
      this.show(); // what was there before
      return;
    }
    place[axis] = Number(value);
    drawing.setCorner(Number(of), Number(at), clamped(place, drawing.size));
  }
}

function button(text, data, key) {
  const made = element("button", { type: "button" }, text);
  Object.assign(made.dataset, data, { key });
  return made;
}
