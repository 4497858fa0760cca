// Good samples: follows a collection. What is ticked, shown large and sent has its own script. Without these the forms work
// alone.

import { stale } from "./notice.js";
import { BY_ITSELF, get } from "./request.js";
import { take } from "./samples_fresh.js";
import "./samples_sent.js";

const EVERY_MS = 1000;
const SHARE = 20; // the page is asked for again after so many times as long as the answer took: the line has other work

/** A page that comes back after a form was sent stays where it was. */
function keepPlace() {
  const key = "samples-at";
  const kept = JSON.parse(sessionStorage.getItem(key) ?? "null");
  sessionStorage.removeItem(key);
  if (kept?.path === location.pathname + location.search.replace(/&did=.*/, "")) {
    addEventListener("load", () => scrollTo(0, kept.top)); // after the browser went to the address's own place
  }
  document.getElementById("pictures").addEventListener("submit", ({ target }) => {
    const path = `${location.pathname}?${new URL(target.action).searchParams}`;
    sessionStorage.setItem(key, JSON.stringify({ path, top: scrollY }));
  });
}

// How far a collection is

const collecting = () => document.querySelector(".collecting");
let seen = collecting()?.querySelector("progress").value; // how many it had taken as the page is
let notBefore = 0;

async function look(place) {
  const query = new URLSearchParams({ station: place.dataset.station });
  const answer = await get(`/samples/progress?${query}`, { accept: "application/json", ...BY_ITSELF });
  if (answer.status === 401) location.reload(); // the session has ended
  stale(answer.ok ? null : "away");
  if (!answer.ok) return;
  const now = await answer.json();
  const over = !now.running || now.id !== place.dataset.run;
  if (!over) {
    place.querySelector("progress").value = now.taken;
    document.getElementById("said").textContent = now.said;
    const trouble = document.getElementById("trouble");
    if (trouble.textContent !== (now.trouble ?? "")) trouble.textContent = now.trouble ?? "";
    trouble.hidden = !now.trouble;
  }
  if (over || (now.taken !== seen && performance.now() > notBefore)) await renew(over, now.taken);
}

async function renew(over, taken) {
  const begin = performance.now();
  const answer = await get(location.href, { accept: "text/html", ...BY_ITSELF });
  if (answer.redirected) location.reload(); // the session has ended
  stale(answer.ok ? null : "away");
  if (!answer.ok || answer.redirected) return;
  take(new DOMParser().parseFromString(await answer.text(), "text/html"), over);
  seen = over ? collecting()?.querySelector("progress").value : taken;
  notBefore = performance.now() + SHARE * (performance.now() - begin);
}

async function watch() {
  while (collecting()) {
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
    try {
      await look(collecting());
    } catch {
      stale("offline"); // the next look tells
    }
  }
}

watch();
keepPlace();
