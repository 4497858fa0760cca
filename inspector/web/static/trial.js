// What two thresholds would have done to the frames of a station, asked of the server: one question at a time, the newest
// values first.

import { tellAloud } from "./aloud.js";
import { stale } from "./notice.js";
import { get } from "./request.js";

const REST_MS = 500; // once no key and no finger moves a handle for so long, what has changed is said aloud

export class Trial {
  constructor(station) {
    this.station = station;
    this.shown = document.getElementById("trial");
    this.heard = this.spoken(); // what who hears the page knows
    this.resting = 0; // a timer
    this.wanted = null; // {ok, ng} that are to be asked for next
    this.asking = false;
  }

  /** Shows what {ok, ng} would have done, as soon as the question before is answered. */
  async ask(values) {
    this.wanted = values;
    clearTimeout(this.resting);
    if (this.asking) return;
    this.asking = true;
    while (this.wanted) {
      clearTimeout(this.resting);
      const query = new URLSearchParams({ station: this.station, ...this.wanted });
      this.wanted = null;
      await this.fetch(query);
    }
    this.asking = false;
  }

  async fetch(query) {
    try {
      const answer = await get(`/api/v1/thresholds?${query}`, { accept: "application/json" });
      if (answer.status === 401) location.reload();
      if (answer.ok) this.show((await answer.json()).said);
      this.outdated(answer.ok ? null : "away");
    } catch {
      this.outdated("offline"); // the next move asks again
    }
  }

  outdated(why) {
    this.shown.classList.toggle("stale", Boolean(why));
    stale(why);
  }

  show(said) {
    for (const one of said) {
      const tile = this.shown.querySelector(`[data-key="${one.key}"]`);
      tile.classList.toggle("alarm", one.alarm);
      tile.querySelector(".value").textContent = one.value;
      tile.querySelector(".of").textContent = one.meaning;
      tile.querySelector(".now b").textContent = one.now;
      tile.querySelector(".meaning").textContent = one.detail;
    }
    clearTimeout(this.resting);
    this.resting = setTimeout(() => this.tellChanged(), REST_MS);
  }

  /** A text for each tile. */
  spoken() {
    const parts = (tile) => [".value", ".of", ".meaning"].map((part) => tile.querySelector(part).textContent);
    return [...this.shown.querySelectorAll(".tile")].map((tile) => parts(tile).join(" "));
  }

  /** Not tile by tile while a handle moves: its own value would be lost among them. */
  tellChanged() {
    const now = this.spoken();
    const changed = now.filter((text, at) => text !== this.heard[at]);
    if (changed.length) tellAloud(changed.join("; "));
    this.heard = now;
  }
}
