// Frames that will be on the screen: their panels, pictures and reasons are here, or on their way, before they are asked for.

import { get, request } from "./request.js";

const fetched = new Map(); // {coming, made}: a panel as it will be, and once it is here

function fragment(text) {
  const holder = document.createElement("template");
  holder.innerHTML = text;
  return holder.content;
}

/** What stands for the panel of a frame that is no longer there. */
export const GONE = "gone";

/** A panel that is here or on its way, or GONE; null where it cannot be had. */
export function panelOf(frame, query) {
  const key = `${frame}?${query}`;
  if (!fetched.has(key)) {
    const one = { made: null };
    one.coming = fetchPanel(frame, query, key).then((made) => (one.made = made));
    fetched.set(key, one);
  }
  return fetched.get(key).coming;
}

/** A panel that is here already, else nothing. */
export function panelHere(frame, query) {
  return fetched.get(`${frame}?${query}`)?.made;
}

/** What stands of frames by now: frame -> {version, reviewer}, reviewer: who decided it, null where nobody has. */
export async function standing(frames) {
  const answer = await request(`/api/v1/versions?${frames.map((frame) => `frame=${frame}`).join("&")}`).catch(() => null);
  const said = answer?.ok && (await answer.json().catch(() => null)); // else told by the outbox, which meets the same trouble
  return new Map((said?.frames ?? []).map(({ id, ...now }) => [String(id), now]));
}

/** It is not to be shown a second time as it is now. */
export function forget(frame, query) {
  fetched.delete(`${frame}?${query}`);
}

async function fetchPanel(frame, query, key) {
  let gone = false;
  try {
    const answer = await get(`/frame/${frame}/panel?${query}`, { accept: "application/json" });
    if (answer.ok) {
      const made = fragment(await answer.text()).querySelector(".panel");
      warm(made);
      return made;
    }
    gone = answer.status === 404 && Boolean((await answer.json()).error); // a proxy's answer is none
  } catch {
    // Told by the outbox, which meets the same trouble; asked again when the frame is wanted.
  }
  fetched.delete(key);
  return gone ? GONE : null;
}

/** The picture and the reasons are in the browser's cache before they are shown. */
function warm(made) {
  for (const image of made.querySelectorAll(".stage image")) load(image.getAttribute("href"));
  nearest(made).then((near) => {
    for (const image of near?.querySelectorAll("image") ?? []) load(image.getAttribute("href"));
    if (near?.dataset.map) load(near.dataset.map);
  });
}

const pictures = new Map();
function load(address) {
  if (pictures.has(address)) return;
  const picture = new Image();
  picture.src = address;
  picture.decode().catch(() => pictures.delete(address));
  pictures.set(address, picture);
  if (pictures.size > 200) pictures.delete(pictures.keys().next().value);
}

const reasons = new Map();
/** The reasons for what the line said of the frame on a panel, a copy to be shown; nothing where they cannot be had. */
export async function nearest({ dataset: { frame, result } }) {
  if (!reasons.has(result)) reasons.set(result, fetchNearest(frame, result));
  if (reasons.size > 60) reasons.delete(reasons.keys().next().value);
  const near = await reasons.get(result);
  return near?.cloneNode(true);
}

async function fetchNearest(frame, result) {
  try {
    const answer = await get(`/frame/${frame}/nearest?of=${result}`, { accept: "application/json" });
    if (answer.ok) return fragment(await answer.text()).firstElementChild;
  } catch {
    // Asked again when the frame is shown again.
  }
  reasons.delete(result);
  return null;
}
