// The strip under the bar, on every page: what waits to be sent and why; conflicts that nobody has looked at; what was not
// recorded, until somebody has read it.

import { condition, conflicts, outbox, refusals, send, settle, waiting } from "./outbox.js";
import { user } from "./request.js";

const strip = document.getElementById("notice");
const MOST_REFUSALS = 3;
const SLOW_MS = 1500;
const PASSING_MS = 8000;
const passing = new Set(); // of {message, undo}
let since = 0;
let drawn = "";
let old = null; // why what is shown may be old: offline or away

function counted(number, one, many) {
  return `${number} ${number === 1 ? one : many}`;
}

function text() {
  const mine = waiting().filter((entry) => entry.user === user).length;
  const others = [...new Set(waiting().map((entry) => entry.user).filter((name) => name !== user))];
  const total = counted(waiting().length, "decision waits", "decisions wait");
  if (!user) return waiting().length ? `${total} in this browser and will be sent after ${others.join(", ")} logs in.` : "";
  switch (condition()) {
    case "login":
      return mine ? `Your session has ended. ${counted(mine, "decision is", "decisions are")} kept here and will be sent after you log in.` : "Your session has ended.";
    case "offline":
      return `The server cannot be reached. ${counted(mine, "decision is", "decisions are")} kept here and will be sent when it is back.`;
    case "away":
      return `The database does not answer. ${counted(mine, "decision is", "decisions are")} kept here and will be sent when it is back.`;
    case "sending":
      return Date.now() - since > SLOW_MS ? `Sending ${counted(mine, "decision", "decisions")}…` : "";
    default:
      if (old) return `${old === "away" ? "The database does not answer" : "The server cannot be reached"}. What is shown may be old.`;
      return others.length ? `Decisions of ${others.join(", ")} wait in this browser; they will be sent when ${others.join(", ")} logs in.` : "";
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
  if (said) strip.append(element("span", said));
  if (condition() === "login" && user) {
    const link = element("a", "Log in");
    link.className = "button main";
    link.href = `/login?next=${encodeURIComponent(location.pathname + location.search)}`;
    strip.append(link);
  }
  if (open) {
    const link = element("a", `${counted(open, "decision of yours met", "decisions of yours met")} somebody else's`);
    link.href = `/frame/${conflicts()[0].conflict.frame}`;
    link.className = "button";
    link.dataset.conflicts = open;
    strip.append(link);
  }
  if (refused.length) showRefused(refused);
  for (const { message } of passing) strip.append(element("span", message));
  const undo = [...passing].at(-1)?.undo; // of what was done last: an older one takes nothing else back
  if (undo) strip.append(pressed("Undo", undo));
  strip.classList.toggle("calm", !open && !refused.length && !old && (condition() === "idle" || condition() === "sending"));
  strip.hidden = !strip.childNodes.length;
}

function showRefused(refused) {
  for (const { text } of refused.slice(0, MOST_REFUSALS)) strip.append(element("span", text));
  if (refused.length > MOST_REFUSALS) strip.append(element("span", `And ${refused.length - MOST_REFUSALS} more.`));
  strip.append(pressed("OK", () => settle(...refused.map(({ key }) => key))));
}

function pressed(name, act) {
  const made = element("button", name);
  made.addEventListener("click", act);
  return made;
}

function element(name, text) {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}

/** Why the page is not kept up to date: offline (the server cannot be reached), away (its database cannot); null: it is. */
export function stale(why) {
  old = why;
  show();
}

/** Shows for a while that something was done; undo: takes it back, once. */
export function say(message, undo = null) {
  const told = { message, undo: undo && (() => { drop(); undo(); }) };
  function drop() {
    passing.delete(told);
    show();
  }
  passing.add(told);
  show();
  setTimeout(drop, PASSING_MS);
}

outbox.addEventListener("change", show);
since = Date.now();
setInterval(show, 1000);
show();
send();
