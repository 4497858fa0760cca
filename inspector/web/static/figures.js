// Keeps the figures fresh while somebody looks: the same page is asked for again, and what has changed is exchanged.
// Without this script the page shows the figures of the moment at which it was opened.

const EVERY_MS = 10_000;
const shown = document.getElementById("figures");

function openTables(root) {
  return [...root.querySelectorAll("section")].filter((part) => part.querySelector("details[open]")).map((part) => part.id);
}

async function refresh() {
  if (document.hidden || shown.contains(document.activeElement)) return;
  const answer = await fetch(location.href, { headers: { accept: "text/html" } });
  if (!answer.ok || answer.redirected) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.getElementById("figures");
  if (!fresh || fresh.innerHTML === shown.innerHTML) return;
  for (const id of openTables(shown)) {
    fresh.querySelector(`#${CSS.escape(id)} details`)?.setAttribute("open", "");
  }
  shown.replaceChildren(...fresh.childNodes);
}

if (shown.dataset.live === "yes") {
  setInterval(() => refresh().catch(() => {}), EVERY_MS); // the network is away: the next turn tries again
  document.addEventListener("visibilitychange", () => refresh().catch(() => {}));
}
