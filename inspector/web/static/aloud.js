// For who hears the page: what else is only seen.

export function tellAloud(text) {
  document.getElementById("aloud").textContent = text;
}
