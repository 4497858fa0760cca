// Somebody else saved where to look while it was drawn here: what was saved is shown over it, and one of the two is chosen.

import { areasOf } from "./drawing.js";
import { shape } from "./elements.js";

const place = document.getElementById("conflict");
const layer = document.getElementById("saved");
const save = document.getElementById("save");
const [mine, theirs] = ["mine", "theirs"].map((name) => document.getElementById(name));

/**
 * saved: the drawing; null where it cannot be shown on these frames. words: what of the frame counts by it.
 * keep: saves what is drawn here; load: takes what was saved.
 */
export function showConflict(saved, { words, size: [width, height], maskAddress, keep, load }) {
  const areas = saved ? areasOf(saved) : [];
  layer.replaceChildren(...areas.flatMap((area) => {
    if (area.mask) return [shape("image", { href: maskAddress(area), width, height, preserveAspectRatio: "none" })];
    const points = area.corners.join(" ");
    return [shape("polygon", { class: "ground", points }), shape("polygon", { class: "line", points })];
  }));
  document.getElementById("conflict-said").textContent = saved ? `What was saved${kindsOf(saved)}: ${words}.` : "";
  theirs.hidden = !saved;
  mine.onclick = keep;
  theirs.onclick = load;
  place.hidden = false;
  save.hidden = true;
}

function kindsOf({ include, exclude }) {
  const kinds = [[include, "to look at"], [exclude, "to leave out"]].filter(([areas]) => areas.length);
  return kinds.length ? `, dotted on the picture, ${kinds.map(([areas, what]) => `${areas.length} ${what}`).join(" and ")}` : "";
}

export function endConflict() {
  layer.replaceChildren();
  place.hidden = true;
  save.hidden = false;
}
