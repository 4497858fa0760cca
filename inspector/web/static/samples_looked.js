// The samples that are shown: which are ticked, and one of them large. More may come while somebody looks.

import { silent } from "./letters.js";
import { doubted, elsewhere, untick } from "./samples_ticked.js";

const pictures = document.getElementById("pictures");
const large = document.getElementById("large");
const unsent = document.getElementById("unsent");
const before = document.getElementById("before");
const after = document.getElementById("after");
let last = null; // the card that was ticked last
let shown = null; // the card that is large

const cards = () => [...pictures.querySelectorAll(".frame-card")];
const boxOf = (card) => card.querySelector(".pick input");
const linkOf = (card) => card.querySelector(".picture");

// What is ticked

/** Tells how many are, of the cards that are there now and on other pages. */
export function count() {
  const all = document.getElementById("select-all");
  if (!all) return; // there are no cards
  const others = elsewhere().length;
  const boxes = cards().map(boxOf);
  const ticked = boxes.filter((box) => box.checked).length;
  const said = ticked + others ? `${ticked + others} ticked` : "those that are ticked";
  document.getElementById("ticked").textContent = others ? `${said}, ${others} on other pages` : said;
  document.getElementById("move").disabled = !(ticked + others);
  document.getElementById("untick").hidden = !others;
  document.getElementById("chosen").toggleAttribute("data-ticked", others > 0);
  all.checked = ticked === boxes.length;
  all.indeterminate = ticked > 0 && ticked < boxes.length;
  all.closest("label").hidden = false;
  if (shown) showEnds();
}

/** With Shift all from the one that was ticked before. */
function range(event) {
  const all = cards();
  const card = event.target.closest(".frame-card");
  const [at, from] = [all.indexOf(card), all.indexOf(last)];
  if (event.shiftKey && from >= 0) {
    for (const one of all.slice(Math.min(at, from), Math.max(at, from) + 1)) boxOf(one).checked = event.target.checked;
  }
  last = card;
  count();
}

/** A bank is made of all that are in use: of those too that somebody only meant to leave out. */
function ask(event) {
  if (event.target.id !== "calibration") return;
  const number = doubted(new URL(event.target.action).searchParams.get("station"));
  if (!number || unsent.returnValue === "calibrate") return;
  event.preventDefault();
  document.getElementById("unsent-title").textContent =
    number === 1 ? "1 sample is ticked and not left out" : `${number} samples are ticked and not left out`;
  unsent.showModal();
}

function answered() {
  if (unsent.returnValue === "calibrate") document.getElementById("calibration").requestSubmit();
  unsent.returnValue = "";
}

// One of them, large

function show(card) {
  shown = card;
  const picture = document.getElementById("large-picture");
  const { alt } = linkOf(card).querySelector("img");
  picture.removeAttribute("src"); // the one before must not stand under this one's name
  picture.src = linkOf(card).href;
  picture.alt = alt;
  tell();
  showEnds();
  const next = beside(1);
  if (next) new Image().src = linkOf(next).href;
}

/** Its name, and whether it is ticked; who hears the page is told both. */
function tell() {
  const ticked = boxOf(shown).checked;
  document.getElementById("large-name").textContent = linkOf(shown).querySelector("img").alt + (ticked ? ", ticked" : "");
  document.getElementById("large-tick").checked = ticked;
}

function beside(step) {
  const all = cards();
  return all[all.indexOf(shown) + step];
}

/** A button that ends here gives the focus away first, or it would leave the large one. */
function showEnds() {
  const held = document.activeElement;
  before.disabled = !beside(-1);
  after.disabled = !beside(1);
  if ([before, after].includes(held) && held.disabled) [before, after, document.getElementById("close")].find((one) => !one.disabled).focus();
}

function turn(step) {
  if (beside(step)) show(beside(step));
}

function tick(on) {
  boxOf(shown).checked = on;
  tell();
  last = shown;
  count();
}

function pressed(event) {
  if (!large.open || event.altKey || event.ctrlKey || event.metaKey || silent(event)) return;
  if (event.key === "ArrowLeft") turn(-1);
  else if (event.key === "ArrowRight") turn(1);
  else if (event.key === "x" || event.key === "X") tick(!boxOf(shown).checked);
  else return;
  event.preventDefault();
}

pictures.addEventListener("click", (event) => {
  if (event.target.matches(".pick input")) range(event);
  const link = event.target.closest(".picture");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  show(link.closest(".frame-card"));
  large.showModal();
});
pictures.addEventListener("change", ({ target }) => {
  if (target.id !== "select-all") return;
  for (const card of cards()) boxOf(card).checked = target.checked;
  count();
});
pictures.addEventListener("click", ({ target }) => {
  if (target.id !== "untick") return;
  untick();
  count();
});
document.addEventListener("submit", ask);
unsent.addEventListener("close", answered);
addEventListener("pageshow", count); // a browser that goes back ticks what was ticked
addEventListener("keydown", pressed);
large.addEventListener("close", () => linkOf(shown).focus());
before.addEventListener("click", () => turn(-1));
after.addEventListener("click", () => turn(1));
document.getElementById("close").addEventListener("click", () => large.close());
document.getElementById("large-tick").addEventListener("change", ({ target }) => tick(target.checked));
count();
