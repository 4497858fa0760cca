// A note that goes with the next decision about a frame. What is written is kept in the tab until it has gone.

import { read, write } from "./kept.js";
import { user } from "./request.js";
import { n, t } from "./words.js";

const DRAFTS = `inspector.notes.${user}`;
const drafts = new Map(read(DRAFTS));

/** Whether something is written about a frame and not yet sent. */
export function drafted(frame) {
  return drafts.has(frame);
}

/** What is to be said about a frame; an empty text says nothing. */
export function draft(frame, text) {
  if (text) drafts.set(frame, text);
  else drafts.delete(frame);
  write(DRAFTS, [...drafts]);
}

/** As it is recorded: no blanks around it, nothing that no database holds. */
export function clean(text) {
  return text.replace(/\0|\p{Surrogate}/gu, "").trim();
}

function length(text) {
  return [...clean(text)].length;
}

export class Note {
  /** closed: is told when the editor closes. */
  constructor(panel, closed) {
    this.closed = closed;
    this.frame = panel.dataset.frame;
    this.button = panel.querySelector(".note-open");
    this.editor = panel.querySelector(".note-editor");
    this.field = this.editor.querySelector("textarea");
    this.side = this.editor.parentElement;
    this.count = this.editor.querySelector(".note-count");
    this.fault = this.editor.querySelector(".fault");
    this.most = Number(this.field.dataset.most);
    this.before = "";
    this.from = null;
    this.scrolled = 0;
    this.field.addEventListener("input", () => {
      draft(this.frame, this.field.value);
      this.measure();
    });
    this.field.addEventListener("keydown", (event) => this.key(event));
    this.show();
  }

  get text() {
    return clean(drafts.get(this.frame) ?? "");
  }

  get isOpen() {
    return !this.editor.hidden;
  }

  open() {
    if (this.isOpen) return;
    this.before = drafts.get(this.frame) ?? "";
    this.from = document.activeElement;
    this.scrolled = this.side.scrollTop;
    this.field.value = this.before;
    this.editor.hidden = false;
    this.button.hidden = true;
    this.measure();
    this.field.focus();
    this.editor.scrollIntoView({ block: "nearest" });
  }

  /** Takes what is written; false where it is too long, which is told. */
  keep() {
    const over = length(this.isOpen ? this.field.value : this.text) - this.most;
    if (over > 0) {
      this.open();
      this.fault.textContent = n("The note is %(number)s character too long: at most %(most)s are kept.", "The note is %(number)s characters too long: at most %(most)s are kept.", over, { most: this.most });
      this.fault.hidden = false;
      this.field.focus();
      this.editor.scrollIntoView({ block: "nearest" });
      return false;
    }
    if (!this.isOpen) return true;
    draft(this.frame, clean(this.field.value));
    this.close();
    return true;
  }

  /** As if it had not been opened. */
  leave() {
    draft(this.frame, this.before);
    this.close();
  }

  close() {
    this.field.blur();
    this.editor.hidden = true;
    this.show();
    this.side.scrollTop = this.scrolled;
    // The keys are the page's again, from where they were.
    if (this.from !== document.body) (this.from?.isConnected ? this.from : this.button).focus();
    this.closed();
  }

  /** On the button: what goes with the decision. */
  show() {
    this.button.hidden = this.isOpen;
    this.button.classList.toggle("on", Boolean(this.text));
    this.button.querySelector("span").textContent = this.text || t("Note");
    this.button.title = this.text ? t("Goes with what you decide: %(note)s", { note: this.text }) : t("A note that goes with what you decide (M)");
  }

  measure() {
    const used = length(this.field.value);
    this.count.textContent = t("%(used)s of %(most)s", { used, most: this.most });
    if (used <= this.most) this.fault.hidden = true;
  }

  key(event) {
    if (event.isComposing || event.keyCode === 229) return; // 229: Safari, of the Enter that ends a word
    if (event.key === "Escape") this.leave();
    else if (event.key === "Enter" && !event.shiftKey) this.keep();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}
