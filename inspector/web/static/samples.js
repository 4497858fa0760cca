// Good samples: follows a collection. What is ticked, shown large and sent has its own script. Without these the forms work
// alone.

import { askPage } from "./ask.js";
import { say } from "./notice.js";
import { follow } from "./progress.js";
import { take } from "./samples_fresh.js";
import "./samples_sent.js";

const SHARE = 20; // the page is asked for again after so many times as long as the answer took: the line has other work

/** A page that comes back after a form was sent stays where it was. */
function keepPlace() {
  const key = "samples-at";
  const kept = JSON.parse(sessionStorage.getItem(key) ?? "null");
  sessionStorage.removeItem(key);
  const refused = document.querySelector(".fault[role=alert]"); // stands at the head of the page
  if (!refused && kept?.path === location.pathname + location.search.replace(/&did=.*/, "")) {
    addEventListener("load", () => scrollTo(0, kept.top)); // after the browser went to the address's own place
  }
  document.getElementById("pictures").addEventListener("submit", ({ target }) => {
    const path = `${location.pathname}?${new URL(target.action).searchParams}`;
    sessionStorage.setItem(key, JSON.stringify({ path, top: scrollY }));
  });
}

/** What was done is told at the head of the page, which may be out of sight. */
function tellInSight() {
  const told = document.querySelector(".told");
  const bar = document.querySelector(".bar");
  if (!told || told.getBoundingClientRect().top >= bar.getBoundingClientRect().bottom) return;
  told.removeAttribute("role"); // who hears the page is told once
  say(told.textContent.trim());
}

// How far a collection is

const collecting = () => document.querySelector(".collecting");
let seen = collecting()?.querySelector("progress").value; // how many it had taken as the page is
let notBefore = 0;

/** Whether there is none to follow any more. */
async function show(now) {
  const place = collecting();
  const over = !now.running || now.id !== place.dataset.run;
  if (!over) {
    place.querySelector("progress").value = now.taken;
    document.getElementById("said").textContent = now.said;
    const trouble = document.getElementById("trouble");
    if (trouble.textContent !== (now.trouble ?? "")) trouble.textContent = now.trouble ?? "";
    trouble.hidden = !now.trouble;
  }
  if (over || (now.taken !== seen && performance.now() > notBefore)) await renew(over, now.taken);
  return !collecting();
}

async function renew(over, taken) {
  const begin = performance.now();
  const page = await askPage();
  if (!page) return;
  take(page, over);
  seen = over ? collecting()?.querySelector("progress").value : taken;
  notBefore = performance.now() + SHARE * (performance.now() - begin);
}

if (collecting()) follow(`/samples/progress?${new URLSearchParams({ station: collecting().dataset.station })}`, show);
keepPlace();
addEventListener("load", tellInSight);
