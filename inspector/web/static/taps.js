// Taps that nobody meant: on a frame that has only just come, and the second half of a double tap.

export const UNSEEN_MS = 150; // nobody has seen a frame that has been there for less
export const DOUBLE_MS = 500;

let changed = -Infinity; // when one frame gave way to another
let clicked = -Infinity; // when a button last decided something or took it back

/** Another frame is on the screen. */
export function frameChanged() {
  changed = performance.now();
}

/** Whether the frame on the screen has only just taken the place of another one. */
export function unseen() {
  return performance.now() - changed < UNSEEN_MS;
}

const resting = new WeakMap(); // element -> a timer

/** For a moment this takes no tap: one was meant for what was there before, or for what lay over it. style.css has the class. */
export function rest(element, ms) {
  clearTimeout(resting.get(element));
  element.classList.add("resting");
  resting.set(element, setTimeout(() => element.classList.remove("resting"), ms));
}

/** The second half of a double tap would decide a frame that nobody has seen. Keys that press a button are no taps. */
export function unmeant(event, { dataset }) {
  if (!event.detail || !(dataset.to || dataset.do === "undo")) return false;
  const at = event.timeStamp; // of the finger: a page that is busy deals with it later
  if (at - changed < UNSEEN_MS || (event.detail > 1 && at - clicked < DOUBLE_MS)) return true;
  clicked = at;
  return false;
}
