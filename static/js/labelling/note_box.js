// @ts-check
// Writing something down about the image in front: the field takes the keys until Enter or Esc.
import { t } from "../core/texts.js";
import { requestKey } from "./outbox.js";
import { byId } from "./stage.js";

/** @typedef {import("./deck.js").Item} Item */
/**
 * @typedef {object} NoteOptions
 * @property {string} base address of the project
 * @property {import("./outbox.js").Outbox} outbox
 * @property {() => Item | undefined} current
 * @property {(words?: string) => void} onDone
 * @property {(error: Error) => void} onRefused
 */

export class NoteBox {
  /** @param {NoteOptions} options */
  constructor(options) {
    this.options = options;
    this.form = /** @type {HTMLFormElement} */ (byId("note-form"));
    this.input = /** @type {HTMLInputElement} */ (byId("note-input"));
    /** @type {Item | undefined} */
    this.item = undefined;
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.keep(this.input.value.trim());
    });
    this.input.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.close();
    });
  }

  open() {
    this.item = this.options.current();
    if (!this.item) return;
    this.form.hidden = false;
    this.input.focus();
  }

  close() {
    this.input.value = "";
    this.input.blur();
    this.form.hidden = true;
    this.options.onDone();
  }

  /** @param {string} text */
  keep(text) {
    const { item } = this;
    if (text && item) {
      const key = requestKey();
      const path = `images/${item.id}/notes`;
      const sent = { key, path, image: item.id, name: item.name, at: performance.timeOrigin + performance.now(), body: { text, request_key: key } };
      const note = { by: t("You"), text };
      item.notes = [note, ...item.notes];
      this.options.outbox.add({
        sent,
        url: () => `${this.options.base}/${path}`,
        body: () => sent.body,
        done: () => this.options.onDone(),
        failed: (error) => {
          item.notes = item.notes.filter((one) => one !== note);
          this.options.onRefused(error);
        },
      });
    }
    this.close();
  }
}
