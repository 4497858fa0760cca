// Where to look, drawn over the samples of a station: tools, samples, what counts, and saving it. What can be a region is
// decided by the server.

import { tellAloud } from "./aloud.js";
import { Areas } from "./areas.js";
import { Drawing } from "./drawing.js";
import { element } from "./elements.js";
import { silent } from "./letters.js";
import { endConflict, showConflict } from "./region_conflict.js";
import { request } from "./request.js";
import { Share } from "./share.js";
import { Stage } from "./stage.js";

const page = document.getElementById("region");
const find = (id) => document.getElementById(id);
const station = page.dataset.station;
const names = JSON.parse(page.dataset.names);
const crop = page.dataset.crop?.split(" ").map(Number) ?? null;
const drawing = new Drawing(JSON.parse(page.dataset.drawing));
let seen = page.dataset.seen;
let shown = 0;
let saving = false;

const HINTS = {
  move: "Drag an area, its corners, or the dot in the middle of an edge, which makes a new corner.",
  polygon: "Click or tap corner after corner. Enter, a double click or the first corner closes it, Backspace takes the last corner back, Esc gives it up.",
  rectangle: "Drag from one corner of the rectangle to the other. Esc gives it up.",
};

const maskAddress = ({ kind, mask }) => `/samples/region/mask?${new URLSearchParams({ station, kind, mask })}`;
const share = new Share(maskAddress, crop, () => tellShare());
const stage = new Stage(drawing, { toolChanged: showTools, maskAddress, crop });
const areas = new Areas(drawing, stage);

// ---- what is shown

function showTools() {
  for (const button of page.querySelectorAll("[data-tool]")) button.setAttribute("aria-pressed", String(button.dataset.tool === stage.tool));
  for (const button of page.querySelectorAll(".choice [data-kind]")) button.setAttribute("aria-pressed", String(button.dataset.kind === stage.kind));
  page.querySelector('[data-do="undo"]').disabled = !(drawing.before.length || stage.sketch);
  page.querySelector('[data-do="redo"]').disabled = !drawing.after.length;
  find("hint").textContent = HINTS[stage.tool];
  page.querySelector(".keys").hidden = stage.tool !== "move";
}

let counting = 0;
function tellShare() {
  cancelAnimationFrame(counting);
  counting = requestAnimationFrame(() => {
    const part = share.of(drawing);
    if (part !== null) find("share").textContent = percent(part);
  });
}

function percent(part) {
  return `${(100 * part).toFixed(1).replace(/\.0$/, "")} %`;
}

function showSaving() {
  find("save").disabled = saving || !drawing.dirty;
  page.querySelector('[data-do="everywhere"]').disabled = !drawing.areas.length;
}

drawing.addEventListener("change", () => {
  find("surroundings").checked = drawing.now.surroundings === "seen";
  if (drawing.dirty) find("told").hidden = true;
  showTools();
  tellShare();
  showSaving();
});

function showSample(at) {
  shown = (at + names.length) % names.length;
  const photo = find("photo");
  photo.setAttribute("href", `/samples/picture?${new URLSearchParams({ station, name: names[shown] })}`);
  find("lost").hidden = true;
  const [width, height] = drawing.size;
  find("which").textContent = `Sample ${shown + 1} of ${names.length}: ${names[shown]}, ${width} × ${height} pixels`;
  for (const step of ["previous", "next"]) page.querySelector(`[data-do="${step}"]`).disabled = names.length < 2;
}

find("photo").addEventListener("error", () => {
  find("lost").textContent = `${names[shown]} cannot be shown: it was left out or removed meanwhile, or is no picture any more.`;
  find("lost").hidden = false;
});

// ---- saving

async function save() {
  const drawn = drawing.document();
  saving = true;
  tell("fault", null);
  endConflict();
  showSaving();
  try {
    const answer = await request("/samples/region", { station, seen, ...drawn });
    const said = await answer.json();
    // An answer that was lost: what was saved meanwhile is what was sent.
    if (answer.ok || (said.saved && JSON.stringify(said.saved) === JSON.stringify(drawn))) {
      seen = said.seen;
      drawing.saved(drawn);
      tell("told", `Saved: ${counted(drawn, said.share)} at the next calibration.`, "Back to the samples", document.querySelector(".where a").href);
    } else if (answer.status === 401) {
      tell("fault", "Your login has ended. What you drew is still here:", "log in in another tab", "/login", "_blank");
    } else if (answer.status === 409 && said.saved !== undefined) {
      tell("fault", said.error);
      choose(said);
    } else if (answer.status === 409) {
      tell("fault", said.error, "See what is saved now, in another tab", location.href, "_blank");
    } else {
      tell("fault", said.error);
    }
  } catch {
    tell("fault", "The server cannot be reached. What you drew is still here; save again in a moment.");
  }
  saving = false;
  showSaving();
}

function counted({ include, exclude }, part) {
  return include.length + exclude.length ? `${percent(part)} of the frame counts` : "the whole frame counts";
}

/** Somebody else saved meanwhile. */
function choose(said) {
  const keep = () => {
    seen = said.seen;
    save();
  };
  const load = () => {
    seen = said.seen;
    drawing.load(said.saved);
    tell("fault", null);
    endConflict();
    tell("told", "This is what is saved now. Undo brings back what you drew.");
  };
  const words = said.saved && counted(said.saved, said.share);
  showConflict(said.saved, { words, size: drawing.size, maskAddress, keep, load });
}

function tell(name, text, link = null, href = null, target = "") {
  const place = find(name);
  place.hidden = !text;
  place.textContent = text ?? "";
  if (link) place.append(" ", element("a", { href, target }, link));
}

// ---- buttons, keys

const actions = {
  undo: () => (stage.sketch ? stage.takeLast() : drawing.undo()),
  redo: () => drawing.redo(),
  size: (button) => {
    const whole = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(whole));
    stage.stage.classList.toggle("true-size", whole);
    if (whole) stage.stage.setAttribute("width", drawing.size[0]);
    else stage.stage.removeAttribute("width");
  },
  previous: () => showSample(shown - 1),
  next: () => showSample(shown + 1),
  add: () => stage.addMiddle(),
  everywhere: () => {
    drawing.everywhere();
    tellAloud("All areas are taken away; save to look everywhere.");
  },
};

page.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  const { tool, kind, of, do: act } = button.dataset;
  if (tool) stage.choose(tool);
  if (kind && !of) stage.kind = kind;
  if (act) actions[act](button);
  showTools();
});

find("save").addEventListener("click", save);
find("surroundings").addEventListener("change", ({ target }) => drawing.change({ surroundings: target.checked ? "seen" : "covered" }));

const TOOLS = { m: "move", p: "polygon", r: "rectangle" };

addEventListener("keydown", (event) => {
  if (event.target.matches?.("input:not([type=checkbox])") || event.defaultPrevented) return;
  const key = event.key.toLowerCase();
  if (event.ctrlKey || event.metaKey) {
    if (key === "z") actions[event.shiftKey ? "redo" : "undo"]();
    else if (key === "y") actions.redo();
    else return;
  } else if (event.altKey) {
    return;
  } else if (TOOLS[key] && !silent(event)) {
    stage.choose(TOOLS[key]);
  } else if (event.key === "Enter" && event.target.matches?.("button, a, summary")) {
    return;
  } else if (!stage.pageKey(event.key)) {
    return;
  }
  event.preventDefault();
  showTools();
});

addEventListener("beforeunload", (event) => {
  if (drawing.dirty || stage.sketch) event.preventDefault();
});

stage.choose("move");
showSample(0);
drawing.tell();
areas.show();
