// Keys that come faster than a hand presses one after the other: of a barcode scanner, or of one glove on two keys.

const BURST_MS = 100; // a scanner leaves up to 50 between two characters; a hand that looks in between, more than 150
const BESIDE = ["Shift", "Control", "Alt", "AltGraph", "Meta", "CapsLock", "NumLock"]; // pressed along with a key

let at = -Infinity; // when the last key was pressed
let last = ""; // that key
let number = 0; // of bursts, a key that is pressed by itself counting as one
let rushed = false;
let bounced = false;

// Of all keys, wherever they go. timeStamp is the keyboard's: a page that is busy deals with them later.
addEventListener("keydown", (event) => {
  if (event.repeat || BESIDE.includes(event.key)) return;
  rushed = event.timeStamp - at < BURST_MS;
  bounced = rushed && event.key === last;
  if (!rushed) number += 1;
  at = event.timeStamp;
  last = event.key;
}, true);

/** Whether the key that is pressed came at once after another one. */
export function inBurst() {
  return rushed;
}

/** Whether it came at once after itself, as a worn key does: it was pressed once. */
export function again() {
  return bounced;
}

/** Which burst the last key belongs to: the same number as long as each key came at once after the one before. */
export function burst() {
  return number;
}

/** Until no key would come at once after the last one. */
export function calm() {
  return new Promise((done) => setTimeout(done, at + BURST_MS - performance.now()));
}
