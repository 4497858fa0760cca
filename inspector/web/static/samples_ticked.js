// What is ticked of a station's samples, on whichever page of them: kept in this tab until it is sent.

const SENT = "samples-ticked-sent";
const met = new WeakSet(); // boxes that were ticked as it is kept

const keyOf = (action) => `samples-ticked ${action.pathname} ${action.searchParams.get("station")}`;
const kept = (key) => new Set(JSON.parse(sessionStorage.getItem(key) ?? "[]"));
const chosen = () => document.getElementById("chosen");
const boxes = () => [...chosen().querySelectorAll(".pick input")];

function keep(key, names) {
  if (names.size) sessionStorage.setItem(key, JSON.stringify([...names]));
  else sessionStorage.removeItem(key);
}

/** Keeps what is ticked on this page, ticks what was ticked before, and gives the names that are ticked on others. */
export function elsewhere() {
  const key = keyOf(new URL(chosen().action));
  const names = kept(key);
  for (const box of boxes()) {
    if (!met.has(box)) box.checked ||= names.has(box.value);
    met.add(box);
    if (box.checked) names.add(box.value);
    else names.delete(box.value);
  }
  keep(key, names);
  for (const box of boxes()) names.delete(box.value);
  return [...names];
}

/** How many are ticked to be left out, wherever one looks. */
export function doubted(station) {
  return kept(keyOf(new URL(`/samples/leave_out?${new URLSearchParams({ station })}`, location))).size;
}

/** Nothing is ticked any more, on no page. */
export function untick() {
  for (const box of boxes()) box.checked = false;
  sessionStorage.removeItem(keyOf(new URL(chosen().action)));
}

/** A page that comes back after it was sent: it is done, unless the page says why not. */
function settle() {
  const key = sessionStorage.getItem(SENT);
  sessionStorage.removeItem(SENT);
  if (key && !document.querySelector(".fault[role=alert]")) sessionStorage.removeItem(key);
}

/** A page that the browser had put aside: others may have been ticked or sent since. */
function resume({ persisted }) {
  if (!persisted || !chosen()) return;
  const names = kept(keyOf(new URL(chosen().action)));
  for (const box of boxes()) box.checked = names.has(box.value);
}

addEventListener("pageshow", resume);
document.addEventListener("submit", ({ target }) => {
  if (target.id === "chosen") sessionStorage.setItem(SENT, keyOf(new URL(target.action)));
});
document.addEventListener("formdata", ({ target, formData }) => {
  if (target.id === "chosen") for (const name of elsewhere()) formData.append("name", name);
});
settle();
