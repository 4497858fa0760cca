// Somebody else has decided a frame meanwhile: a dialog tells of both answers, and one of the two is chosen.

import { draft } from "./note.js";
import { conflicts, outbox, settle } from "./outbox.js";
import { user } from "./request.js";
import { answer, plantWord, t } from "./words.js";

const dialog = document.getElementById("conflict");
const part = (name) => document.getElementById(`conflict-${name}`);
const offset = Number(document.getElementById("frame").dataset.offset); // of the plant's clock, seconds

export class Conflict {
  /** waits: whether none may be shown now. lead: to a frame as it is now, to decide it again; false where it does not come. */
  constructor({ waits, lead }) {
    this.waits = waits;
    this.lead = lead;
    this.facing = null; // what is on the screen, until the dialog has told of its end
    this.together = []; // its key, and those of the ones behind it that the same answer may be given to: nothing was written there
    dialog.addEventListener("close", () => this.settle());
    dialog.addEventListener("keydown", (event) => event.repeat && event.preventDefault()); // a key that is held answers nothing
    outbox.addEventListener("conflict", ({ detail }) => detail.elsewhere || this.show());
  }

  /** The first that waits for an answer, if there is one. */
  show() {
    const [first] = conflicts();
    if (!first || this.facing || this.waits()) return;
    this.facing = first;
    const { conflict, entry } = first;
    const own = conflict.reviewer === user; // from another browser
    const write = (name, text) => { part(name).textContent = text; };
    write("title", own ? t("Another decision of yours was recorded meanwhile") : t("Somebody else was quicker"));
    const name = own ? t("Recorded") : (conflict.reviewer ?? t("Somebody"));
    write("theirs", t("%(name)s: %(what)s, %(time)s.", { name, what: words(conflict, entry.passed), time: conflict.at ? clock(conflict.at) : "" }));
    write("yours", entry.undo || entry.back ? t("You: took it back.") : t("You: %(what)s (%(label)s).", { what: words(entry.body, entry.passed), label: entry.name ?? entry.label }));
    write("keep", own ? t("Keep the recorded one") : t("Keep theirs"));
    const like = (one) => one.key === first.key || (one.conflict.reviewer !== user && !one.entry.body.note);
    this.together = own ? [] : conflicts().filter(like).map(({ key }) => key);
    write("all", t("Keep all %(number)s of theirs", { number: this.together.length }));
    part("all").hidden = this.together.length < 2;
    dialog.returnValue = own ? "again" : "keep";
    dialog.showModal();
    for (const name of ["again", "keep"]) {
      const main = name === dialog.returnValue;
      part(name).classList.toggle("main", main);
      if (main) part(name).focus();
    }
  }

  async settle() {
    const { conflict, entry, key } = this.facing;
    const frame = String(conflict.frame);
    const again = dialog.returnValue === "again";
    if (again && entry.body.note) draft(frame, entry.body.note);
    const done = !again || (await this.lead(frame));
    this.facing = null; // not before: the frame that comes would show it once more
    if (!done) return; // the strip tells of it
    settle(...(dialog.returnValue === "all" ? this.together : [key]));
    this.show();
  }
}

function words(said, passed) {
  if ("disposition" in said && !said.disposition) return t("took it back");
  return t("“%(word)s”", { word: said.defect_type ? plantWord(said.defect_type) : answer(said.disposition ?? said.to ?? "escape", passed) });
}

/** A time by the plant's clock. */
function clock(at) {
  const local = new Date(Date.parse(at) + offset * 1000);
  return local.toISOString().slice(0, 19).replace("T", " ");
}
