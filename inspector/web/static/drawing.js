// What is drawn: areas that are looked at or left out, which of them is chosen, and every step back and forth.

const FEWEST = 3; // corners of a polygon
const MOST_STEPS = 300;
const SAME_MS = 800; // presses of one arrow key are one step

export const KINDS = { include: "Look at", exclude: "Leave out" };
export const MOST_CORNERS = 1000;

/** The areas of a document as the server has it: { kind, corners } or { kind, mask }. */
export function areasOf({ include, exclude }) {
  return [...include.map((area) => ({ ...area, kind: "include" })), ...exclude.map((area) => ({ ...area, kind: "exclude" }))];
}

/** Areas are { id, kind, corners } or { id, kind, mask }; they are replaced, never changed. */
export class Drawing extends EventTarget {
  constructor(document) {
    super();
    this.size = document.frame_wh;
    this.given = 0;
    this.now = this.stateOf(document);
    this.chosen = null;
    this.before = [];
    this.after = [];
    this.last = { what: null, at: -Infinity };
    this.kept = this.text();
  }

  id() {
    this.given += 1;
    return this.given;
  }

  stateOf(document) {
    const areas = areasOf(document).map((area) => ({ ...area, id: this.id() }));
    return { areas, surroundings: document.surroundings };
  }

  get areas() {
    return this.now.areas;
  }

  area(id) {
    return this.areas.find((one) => one.id === id) ?? null;
  }

  get chosenArea() {
    return this.area(this.chosen);
  }

  /** As the page calls it: its kind, and the how manieth of them it is. */
  name(area) {
    return `${KINDS[area.kind]} ${this.areas.filter((one) => one.kind === area.kind).indexOf(area) + 1}`;
  }

  document() {
    const drawn = (kind) => this.areas.filter((one) => one.kind === kind).map(({ corners, mask }) => (mask ? { mask } : { corners }));
    return { frame_wh: this.size, include: drawn("include"), exclude: drawn("exclude"), surroundings: this.now.surroundings };
  }

  text() {
    return JSON.stringify(this.document());
  }

  get dirty() {
    return this.text() !== this.kept;
  }

  /** This is what the server has now. A mask that it no longer has cannot come back. */
  saved(document) {
    const masks = [...document.include, ...document.exclude].map((area) => area.mask).filter(Boolean);
    const known = (state) => state.areas.every(({ mask }) => !mask || masks.includes(mask));
    this.before = this.before.filter(known);
    this.after = this.after.filter(known);
    this.kept = JSON.stringify(document);
    this.tell();
  }

  /** Takes what the server has instead, as a step that can be taken back. */
  load(document) {
    this.change(this.stateOf(document));
    this.saved(document);
  }

  choose(id) {
    if (this.chosen === id) return;
    this.chosen = id;
    this.tell();
  }

  /** Takes a new state; what: steps of the same name that follow each other at once are one, of the same symbol always. */
  change(state, what = null) {
    const at = performance.now();
    const same = what !== null && what === this.last.what && (typeof what === "symbol" || at - this.last.at <= SAME_MS);
    if (!same) this.before.push(this.now);
    if (this.before.length > MOST_STEPS) this.before.shift();
    this.last = { what, at };
    this.after = [];
    this.take({ ...this.now, ...state });
  }

  take(state) {
    this.now = state;
    if (!this.chosenArea) this.chosen = null;
    this.tell();
  }

  tell() {
    this.dispatchEvent(new Event("change"));
  }

  /** As it was before the last step, if that is called so; nothing remembers it. */
  cancel(what) {
    if (what !== this.last.what) return;
    this.last.what = null;
    this.take(this.before.pop());
  }

  undo() {
    if (!this.before.length) return;
    this.after.push(this.now);
    this.last.what = null;
    this.take(this.before.pop());
  }

  redo() {
    if (!this.after.length) return;
    this.before.push(this.now);
    this.last.what = null;
    this.take(this.after.pop());
  }

  add(kind, corners) {
    const id = this.id();
    this.chosen = id;
    this.change({ areas: [...this.areas, { id, kind, corners }] });
  }

  remove(id) {
    this.change({ areas: this.areas.filter((one) => one.id !== id) });
  }

  replace(id, part, what = null) {
    this.change({ areas: this.areas.map((one) => (one.id === id ? { ...one, ...part } : one)) }, what);
  }

  setCorner(id, at, place, what = null) {
    this.replace(id, { corners: this.area(id).corners.map((one, number) => (number === at ? place : one)) }, what);
  }

  insertCorner(id, after, place, what = null) {
    const { corners } = this.area(id);
    if (corners.length < MOST_CORNERS) this.replace(id, { corners: corners.toSpliced(after + 1, 0, place) }, what);
  }

  /** False where it would leave fewer corners than an area has. */
  removeCorner(id, at) {
    const { corners } = this.area(id);
    if (corners.length <= FEWEST) return false;
    this.replace(id, { corners: corners.toSpliced(at, 1) });
    return true;
  }

  everywhere() {
    if (this.areas.length) this.change({ areas: [] });
  }
}
