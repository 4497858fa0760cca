// The strip under the bar, on every page: what waits to be sent and why; conflicts that nobody has looked at; what was not
// recorded, until somebody has read it.

import { element } from "./elements.js";
import { condition, conflicts, outbox, refusals, send, settle, waiting } from "./outbox.js";
import { request, user } from "./request.js";
import "./steps.js"; // what is sent from here may meet somebody else's word
import { n, t } from "./words.js";

const strip = document.getElementById("notice");
const MOST_REFUSALS = 3;
const SLOW_MS = 1500;
const PASSING_MS = 8000;
let passing = []; // {message, undo, of}, the newest last
let since = 0;
let drawn = "";
let old = null; // why what is shown may be old: offline or away

const KEPT = {
  login: (number) => n("Your session has ended. %(number)s decision is kept here and will be sent after you log in.", "Your session has ended. %(number)s decisions are kept here and will be sent after you log in.", number),
  offline: (number) => n("The server cannot be reached. %(number)s decision is kept here and will be sent when it is back.", "The server cannot be reached. %(number)s decisions are kept here and will be sent when it is back.", number),
  away: (number) => n("The database does not answer. %(number)s decision is kept here and will be sent when it is back.", "The database does not answer. %(number)s decisions are kept here and will be sent when it is back.", number),
};

function text() {
  const mine = waiting().filter((entry) => entry.user === user).length;
  const names = [...new Set(waiting().map((entry) => entry.user).filter((name) => name !== user))].join(", ");
  const total = waiting().length;
  if (!user) return total ? n("%(number)s decision waits in this browser and will be sent after %(names)s logs in.", "%(number)s decisions wait in this browser and will be sent after %(names)s logs in.", total, { names }) : "";
  switch (condition()) {
    case "login":
      return mine ? KEPT.login(mine) : t("Your session has ended.");
    case "offline":
    case "away":
      return KEPT[condition()](mine);
    case "sending":
      return Date.now() - since > SLOW_MS ? n("Sending %(number)s decision…", "Sending %(number)s decisions…", mine) : "";
    default:
      if (old) return old === "away" ? t("The database does not answer. What is shown may be old.") : t("The server cannot be reached. What is shown may be old.");
      return names ? t("Decisions of %(names)s wait in this browser; they will be sent when %(names)s logs in.", { names }) : "";
  }
}

function show() {
  if (condition() !== "sending") since = Date.now();
  const said = text();
  const open = conflicts().length;
  const refused = refusals();
  const now = JSON.stringify([said, open, condition(), refused, ...passing]);
  if (now === drawn) return; // a link that is exchanged each second can be neither pressed nor kept in focus
  drawn = now;
  strip.replaceChildren();
  if (said) strip.append(element("span", {}, said));
  if (condition() === "login" && user) {
    const href = `/login?next=${encodeURIComponent(location.pathname + location.search)}`;
    strip.append(element("a", { class: "button main", href }, t("Log in")));
  }
  if (open) {
    const link = element("a", { class: "button", href: `/frame/${conflicts()[0].conflict.frame}`, "data-conflicts": open }, n("%(number)s decision of yours met somebody else's", "%(number)s decisions of yours met somebody else's", open));
    link.addEventListener("click", face);
    strip.append(link);
  }
  if (refused.length) showRefused(refused);
  for (const { message } of passing) strip.append(element("span", {}, message));
  const undo = passing.at(-1)?.undo; // of what was done last: an older one takes nothing else back
  if (undo) strip.append(pressed(t("Undo"), undo));
  strip.classList.toggle("calm", !open && !refused.length && !old && (condition() === "idle" || condition() === "sending"));
  strip.classList.toggle("brief", !said && !open && !refused.length); // goes by itself
  strip.hidden = !strip.childNodes.length;
}

/** To the frame of a conflict; where that is no longer there, there is nothing to decide. */
async function face(event) {
  event.preventDefault();
  const { href } = event.currentTarget;
  const [{ key, conflict }] = conflicts();
  const answer = await request(`/api/v1/frames/${conflict.frame}`).catch(() => null);
  const said = answer?.status === 404 ? await answer.json().catch(() => null) : null;
  if (!answer) return say(t("The server cannot be reached. Try again in a moment."));
  if (!said?.error) return location.assign(href);
  settle(key);
  return say(t("That frame is no longer there."));
}

function showRefused(refused) {
  for (const { text } of refused.slice(0, MOST_REFUSALS)) strip.append(element("span", {}, text));
  if (refused.length > MOST_REFUSALS) strip.append(element("span", {}, t("And %(number)s more.", { number: refused.length - MOST_REFUSALS })));
  strip.append(pressed(t("OK"), () => settle(...refused.map(({ key }) => key))));
}

function pressed(name, act) {
  const made = element("button", {}, name);
  made.addEventListener("click", act);
  return made;
}

/** Why the page is not kept up to date: offline (the server cannot be reached), away (its database cannot); null: it is. */
export function stale(why) {
  old = why;
  show();
}

/** Shows for a while that something was done, the same once; undo: takes it back, once; of: the step that it tells of. */
export function say(message, { undo = null, of = null } = {}) {
  const told = { message, undo: undo && (() => { keep((one) => one !== told); undo(); }), of };
  keep((one) => one.message !== message || one.of !== of);
  passing.push(told);
  show();
  setTimeout(() => keep((one) => one !== told), PASSING_MS);
}

/** What was said of a step holds no more: it is taken back. */
export function unsay(of) {
  keep((one) => one.of !== of);
}

function keep(wanted) {
  passing = passing.filter(wanted);
  show();
}

outbox.addEventListener("change", show);
outbox.addEventListener("agreed", ({ detail: { entry, conflict } }) => {
  if (!entry.batch && conflict.reviewer !== user) say(t("%(name)s said so too.", { name: conflict.reviewer })); // the queue tells how many of a selection were left
});
since = Date.now();
setInterval(show, 1000);
for (const [name, part] of [["--notice", strip], ["--bar", document.querySelector(".bar")]]) {
  new ResizeObserver(() => document.documentElement.style.setProperty(name, `${part.getBoundingClientRect().height}px`)).observe(part);
}
show();
send();
