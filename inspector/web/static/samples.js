// Good samples: shows how far a collection is, ticks pictures and shows them large. Without this script the forms work alone.

import { stale } from "./notice.js";
import { BY_ITSELF, get } from "./request.js";
import "./samples_sent.js";

const EVERY_MS = 1000;

/** A page that comes back after a form was sent stays where it was. */
function keepPlace() {
  const key = "samples-at";
  const kept = JSON.parse(sessionStorage.getItem(key) ?? "null");
  sessionStorage.removeItem(key);
  if (kept?.path === location.pathname + location.search.replace(/&did=.*/, "")) {
    addEventListener("load", () => scrollTo(0, kept.top)); // after the browser went to the address's own place
  }
  for (const form of document.querySelectorAll("#pictures form")) {
    form.addEventListener("submit", () => {
      const path = `${location.pathname}?${new URL(form.action).searchParams}`;
      sessionStorage.setItem(key, JSON.stringify({ path, top: scrollY }));
    });
  }
}

// How far a collection is

async function look(place) {
  const query = new URLSearchParams({ station: place.dataset.station });
  const answer = await get(`/samples/progress?${query}`, { accept: "application/json", ...BY_ITSELF });
  if (answer.status === 401) location.reload(); // the session has ended
  stale(answer.ok ? null : "away");
  if (!answer.ok) return;
  const now = await answer.json();
  if (!now.running || now.id !== place.dataset.run) {
    location.reload();
    return;
  }
  const bar = place.querySelector("progress");
  if (now.taken > bar.value) document.getElementById("show-new").hidden = false;
  bar.value = now.taken;
  document.getElementById("said").textContent = now.said;
  const trouble = document.getElementById("trouble");
  if (trouble.textContent !== (now.trouble ?? "")) trouble.textContent = now.trouble ?? "";
  trouble.hidden = !now.trouble;
}

async function watch(place) {
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
    try {
      await look(place);
    } catch {
      stale("offline"); // the next look tells
    }
  }
}

// What is ticked

const boxes = [...document.querySelectorAll(".pick input")];
const all = document.getElementById("select-all");
let last = null;

function count() {
  const ticked = boxes.filter((box) => box.checked).length;
  document.getElementById("ticked").textContent = ticked ? `${ticked} ticked` : "those that are ticked";
  document.getElementById("move").disabled = !ticked;
  all.checked = ticked === boxes.length;
  all.indeterminate = ticked > 0 && ticked < boxes.length;
}

/** With Shift all from the one that was ticked before. */
function range(event) {
  const at = boxes.indexOf(event.target);
  if (event.shiftKey && last !== null) {
    for (const box of boxes.slice(Math.min(at, last), Math.max(at, last) + 1)) box.checked = event.target.checked;
  }
  last = at;
  count();
}

// One of them, large

const large = document.getElementById("large");
const links = [...document.querySelectorAll(".looking .picture")];
let shown = 0;

function show(at) {
  shown = Math.min(links.length - 1, Math.max(0, at));
  const picture = document.getElementById("large-picture");
  const { alt } = links[shown].querySelector("img");
  picture.removeAttribute("src"); // the one before must not stand under this one's name
  picture.src = links[shown].href;
  picture.alt = alt;
  document.getElementById("large-name").textContent = alt;
  document.getElementById("large-tick").checked = boxes[shown].checked;
  document.getElementById("before").disabled = shown === 0;
  document.getElementById("after").disabled = shown === links.length - 1;
  if (shown + 1 < links.length) new Image().src = links[shown + 1].href;
}

function tick(on) {
  boxes[shown].checked = on;
  document.getElementById("large-tick").checked = on;
  last = shown;
  count();
}

function pressed(event) {
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  if (event.key === "ArrowLeft") show(shown - 1);
  else if (event.key === "ArrowRight") show(shown + 1);
  else if (event.key === "x" || event.key === "X") tick(!boxes[shown].checked);
  else return;
  event.preventDefault();
}

function begin() {
  all.closest("label").hidden = false;
  all.addEventListener("change", () => {
    for (const box of boxes) box.checked = all.checked;
    count();
  });
  for (const box of boxes) box.addEventListener("click", range);
  addEventListener("pageshow", count); // a browser that goes back ticks what was ticked
  links.forEach((link, at) => link.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    show(at);
    large.showModal();
  }));
  large.addEventListener("keydown", pressed);
  large.addEventListener("close", () => links[shown].focus());
  document.getElementById("before").addEventListener("click", () => show(shown - 1));
  document.getElementById("after").addEventListener("click", () => show(shown + 1));
  document.getElementById("close").addEventListener("click", () => large.close());
  document.getElementById("large-tick").addEventListener("change", (event) => tick(event.target.checked));
  count();
}

const collecting = document.querySelector(".collecting");
if (collecting) watch(collecting);
if (boxes.length) begin();
keepPlace();
