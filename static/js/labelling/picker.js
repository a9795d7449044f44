// @ts-check
// The type-ahead over classes; a class with sub-classes asks for one of them in a second step.
import { postForm } from "../core/fetch.js";
import { t } from "../core/texts.js";
import { toast, toastError } from "../core/toast.js";
import { Typeahead } from "../core/typeahead.js";

/** @typedef {import("./class_list.js").ClassList} ClassList */
/** @typedef {import("./class_list.js").Label} Label */
/**
 * @typedef {object} PickerOptions
 * @property {ClassList} list
 * @property {boolean} mayMake whether a new class is made here; else it is proposed, and a reviewer decides
 * @property {(label: Label) => void} onPick
 * @property {() => void} onCancel
 * @property {() => number | null} [imageId] the image that a proposal shows
 */

export class ClassPicker {
  /**
   * @param {HTMLInputElement} input inside an element with the class "typeahead"
   * @param {PickerOptions} options
   */
  constructor(input, options) {
    this.input = input;
    this.options = options;
    this.hint = input.placeholder;
    /** @type {number | null} the class whose sub-class is asked for */
    this.within = null;
    /** what was entered before the list had come */
    this.awaited = "";
    this.typeahead = new Typeahead(input, {
      entries: [],
      onPick: (entry) => this.pick(Number(entry.id)),
      onCancel: () => this.cancel(),
      onPropose: (text) => void (!options.list.isLoaded ? this.await(text) : options.mayMake ? this.make(text) : this.propose(text)),
      proposeWords: (text) => (options.mayMake ? t("Make the class “{text}”", { text }) : t("Propose the class “{text}”", { text })),
    });
    input.addEventListener("focus", () => {
      if (this.within === null) this.showClasses();
    });
    input.addEventListener("blur", () => this.reset());
  }

  open() {
    this.showClasses();
    this.typeahead.open();
  }

  showClasses() {
    this.typeahead.setEntries(this.options.list.entries);
  }

  /** To be called when the list has come: what was typed meanwhile is looked up in it. */
  refresh() {
    if (this.within !== null) return;
    this.showClasses();
    const meant = this.awaited && this.options.list.all.find(({ name }) => name.toLowerCase() === this.awaited.toLowerCase());
    if (meant && this.input.value === this.awaited) this.typeahead.finish(() => this.pick(meant.id));
  }

  /** @param {string} text entered before the list had come: no name is new yet */
  await(text) {
    this.awaited = text;
    this.input.value = text;
    this.typeahead.open();
  }

  reset() {
    this.within = null;
    this.input.placeholder = this.hint;
  }

  cancel() {
    this.reset();
    this.options.onCancel();
  }

  /** @param {number} id of a class, or of a sub-class in the second step (0: none) */
  pick(id) {
    const { list, onPick } = this.options;
    const known = list.byId.get(this.within ?? id);
    if (!known) return;
    if (this.within === null && known.sub_classes.length) {
      this.within = id;
      this.input.placeholder = t("{name}: which?", { name: known.name });
      this.typeahead.setEntries([{ id: 0, name: t("{name}, no sub-class", { name: known.name }) }, ...known.sub_classes]);
      this.typeahead.open();
      return;
    }
    const label = list.label(known.id, this.within === null ? null : id);
    if (label && this.within !== null && id === 0) label.sub_class_id = null;
    this.reset();
    if (label) onPick(label);
  }

  /** @param {string} name */
  async make(name) {
    if (this.within !== null) return this.cancel();
    try {
      this.options.list.add(await postForm(`${this.options.list.base}/classes`, { name }));
      const made = this.options.list.all.at(-1);
      if (made) this.pick(made.id);
    } catch (error) {
      toastError(error);
      this.cancel();
    }
  }

  /** @param {string} name */
  async propose(name) {
    const isWithin = this.within !== null;
    const image_id = this.options.imageId?.() ?? "";
    this.cancel();
    if (isWithin) return;
    try {
      const { says } = await postForm(`${this.options.list.base}/classes/propose`, { name, image_id });
      toast(says);
    } catch (error) {
      toastError(error, () => this.propose(name));
    }
  }
}
