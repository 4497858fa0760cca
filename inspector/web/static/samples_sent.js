// Sends pictures from this computer, one after another, each as it is; tells how far it is and what was refused.

import { element } from "./elements.js";
import { sendFile } from "./request.js";

const MOST_REFUSED = 50;
const form = document.getElementById("adding");
const files = document.getElementById("files");
const sent = document.getElementById("sent");
const bar = sent.querySelector("progress");
const refused = document.getElementById("refused");
const show = document.getElementById("show-sent");
const enough = document.getElementById("enough");
let stopped = false;

const natural = new Intl.Collator(undefined, { numeric: true });

/** What ends it, in words; null: the next one may be sent. */
function over(status) {
  if (status === 401) return "Your session has ended; log in again.";
  if (status === 403) return "This login may not add pictures.";
  return status === 409 || status >= 500 ? "" : null;
}

function refuse(file, why) {
  if (refused.children.length >= MOST_REFUSED) return;
  refused.append(element("li", {}, `${file.name}: ${why}`));
}

async function errorOf(answer) {
  try {
    return (await answer.json()).error;
  } catch {
    return `the server answered ${answer.status}`;
  }
}

/** Sends them; null where all were sent, else why not. */
async function sendAll(chosen, tally) {
  for (const [at, file] of chosen.entries()) {
    if (stopped) return "Stopped.";
    say(chosen.length, at, tally, file.name);
    const query = new URLSearchParams({ station: form.dataset.station, name: file.name.slice(0, 200) });
    let answer;
    try {
      answer = await sendFile(`/samples/pictures?${query}`, file);
    } catch {
      return `${file.name} did not reach the server. Choose them again later: none is taken twice.`;
    }
    if (answer.ok) {
      tally[(await answer.json()).taken ? "added" : "there"] += 1;
      continue;
    }
    const why = await errorOf(answer);
    const end = over(answer.status);
    if (end !== null) return end || why;
    tally.refused += 1;
    refuse(file, why);
  }
  return null;
}

function say(of, done, tally, now) {
  bar.max = of;
  bar.value = done;
  const parts = [`${done} of ${of}`, `${tally.added} added`];
  if (tally.there) parts.push(`${tally.there} there already`);
  if (tally.refused) parts.push(`${tally.refused} refused`);
  document.getElementById("sent-said").textContent = `${parts.join(", ")}${now ? `: ${now}` : ""}`;
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const chosen = [...files.files].sort((one, other) => natural.compare(one.name, other.name));
  if (!chosen.length) {
    files.focus();
    return;
  }
  const tally = { added: 0, there: 0, refused: 0 };
  stopped = false;
  sent.hidden = false;
  refused.replaceChildren();
  busy(true);
  const why = await sendAll(chosen, tally);
  busy(false);
  say(chosen.length, tally.added + tally.there + tally.refused, tally, why);
  show.hidden = !tally.added;
  files.value = "";
});

document.getElementById("send").disabled = false; // before, a press would send the form without the pictures

function busy(on) {
  document.getElementById("send").disabled = on;
  files.disabled = on;
  enough.hidden = !on;
  show.hidden = true;
}

enough.addEventListener("click", () => { stopped = true; });
addEventListener("beforeunload", (event) => { if (files.disabled) event.preventDefault(); });
