// @ts-check
// Labelling on the light table, by the keys of the labelling screen: shown at once, confirmed in the background.
import { bind, keyWords } from "../core/keys.js";
import { t } from "../core/texts.js";
import { toast, toastError } from "../core/toast.js";
import { ClassList } from "../labelling/class_list.js";
import { NoteBox } from "../labelling/note_box.js";
import { ClassPicker } from "../labelling/picker.js";
import { Suggestions } from "../labelling/suggestions.js";
import { LightAnswers } from "./light_answers.js";


const REASONS = "#reasons button";
const STATES = { unknown: "unknown", none: "none", pool: "pool", remove: "removed" };

export class LightActs {
  /**
   * @param {HTMLElement} root
   * @param {{base: string, role: string, list: import("./light_list.js").LightList, onChange: (words: string) => void}} options
   */
  constructor(root, options) {
    this.root = root;
    this.options = options;
    this.answers = new LightAnswers(options);
    this.suggestions = new Suggestions(options.base);
    this.classes = new ClassList(options.base);
    this.buttons = /** @type {HTMLButtonElement[]} */ ([...root.querySelectorAll(".suggestion")]);
    this.reasons = /** @type {HTMLElement} */ (root.querySelector("#reasons"));
    const input = /** @type {HTMLInputElement} */ (root.querySelector("#class-input"));
    const focusBack = () => input.blur();
    /** @returns {any} the image in front, with the notes written here */
    const current = () => Object.assign(options.list.current, { notes: [] });
    this.notes = new NoteBox({ base: options.base, outbox: this.answers.outbox, current, onDone: () => options.onChange(""), onRefused: toastError });
    const onPick = (/** @type {any} */ label) => (focusBack(), this.label(label));
    this.picker = new ClassPicker(input, { list: this.classes, mayMake: options.role !== "labeller", onPick, onCancel: focusBack });
    this.classes.load().then(() => this.picker.refresh(), toastError);
    this.wire();
    root.hidden = false;
  }

  wire() {
    this.buttons.forEach((button, at) => button.addEventListener("click", () => this.choose(at)));
    for (const [at, button] of [...this.root.querySelectorAll(REASONS)].entries()) button.addEventListener("click", () => this.judge(at));
    for (const button of this.acts) button.addEventListener("click", () => this.press(button.dataset.act ?? ""));
  }

  /** Gives every act its key: this labeller's own where there is one. To be called once they are known. */
  bindKeys() {
    const group = { group: t("Label") };
    const { keys } = this.suggestions;
    for (let digit = 1; digit <= 6; digit++) bind(String(digit), t("Choose answer {digit}", { digit }), () => this.choose(digit - 1), group);
    bind(keys.accept ?? "Space", t("Accept the first suggestion"), () => this.choose(0), group);
    bind(keys.find ?? "/", t("Find a class by name"), () => this.picker.open(), group);
    for (const button of this.acts) {
      const key = keys[button.dataset.command ?? ""] ?? button.getAttribute("aria-keyshortcuts") ?? "";
      button.setAttribute("aria-keyshortcuts", key);
      const cap = button.querySelector("kbd");
      if (cap) cap.textContent = keyWords(key);
      bind(key, `${button.firstChild?.textContent?.trim()}: ${button.title}`, () => this.press(button.dataset.act ?? ""), group);
    }
    bind("Ctrl+z", t("Undo"), () => this.answers.undo(), group);
  }

  /** @returns {HTMLElement[]} */
  get acts() {
    return [...this.root.querySelectorAll("[data-act]")].map((one) => /** @type {HTMLElement} */ (one));
  }

  /** Shows what can be done with the current image. */
  show() {
    const { current } = this.options.list;
    this.askReason(false);
    const found = this.suggestions.of(current.id);
    this.buttons.forEach((button, at) => {
      const suggestion = found[at];
      button.hidden = !suggestion;
      if (!suggestion) return;
      const [name, confidence] = [button.querySelector(".suggestion-name"), button.querySelector(".confidence")];
      if (name) name.textContent = suggestion.name;
      if (confidence) confidence.textContent = suggestion.confidence.toFixed(2);
      button.setAttribute("aria-pressed", String(current.label === suggestion.name));
    });
    const [isRemoved, isOut] = [current.state === "removed", ["removed", "quarantined"].includes(current.state)];
    for (const button of this.acts) {
      const act = button.dataset.act ?? "";
      button.hidden = act === "restore" ? !isRemoved : isOut && !["undo", "note"].includes(act);
      if (act === "small_subject") button.setAttribute("aria-pressed", String(current.is_small));
    }
  }

  /** Fetches what is suggested for the images around the current one. */
  async fetchSuggestions() {
    const { list } = this.options;
    const near = list.frames.slice(Math.max(0, list.at - 5), list.at + 15).map((frame) => frame.id);
    const hasNews = await this.suggestions.fetch(list.current.id, near).catch(toastError);
    if (hasNews) this.show();
  }

  /** @param {boolean} asks */
  askReason(asks) {
    this.reasons.hidden = !asks;
    const verdicts = this.root.querySelector("#verdicts");
    if (verdicts) /** @type {HTMLElement} */ (verdicts).hidden = asks;
  }

  /** @param {number} at */
  choose(at) {
    if (!this.reasons.hidden) return this.judge(at);
    const suggestion = this.suggestions.of(this.options.list.current.id)[at];
    if (!suggestion) return toast(t("There is no such suggestion for this image. / finds a class by name."));
    const { class_id, name, confidence } = suggestion;
    const used = { version_id: this.suggestions.versionId, confidences: { [this.options.list.current.id]: confidence } };
    return this.answers.give({ act: "label", class_id, how: "accepted_suggestion", suggestion: used }, { label: name, state: "labelled" }, name);
  }

  /** @param {number} at */
  judge(at) {
    const reason = /** @type {HTMLElement | undefined} */ (this.root.querySelectorAll(REASONS)[at])?.dataset.reason;
    this.askReason(false);
    if (reason) this.answers.give({ act: "not_good", reason }, { quality: reason }, t("Not good: {reason}", { reason: reason.replaceAll("_", " ") }));
  }

  /** @param {import("../labelling/class_list.js").Label} label */
  label(label) {
    this.classes.use(label);
    const fine = label.sub_class_id === undefined ? {} : { sub_class_id: label.sub_class_id };
    this.answers.give({ act: "label", class_id: label.class_id, ...fine }, { label: label.words, state: "labelled" }, label.words);
  }

  /** @param {string} act */
  press(act) {
    const { current } = this.options.list;
    const words = this.root.querySelector(`[data-act="${act}"]`)?.firstChild?.textContent?.trim() ?? act;
    if (act === "undo") this.answers.undo();
    else if (act === "note") this.notes.open();
    else if (act === "not_good") this.askReason(this.reasons.hidden);
    else if (act === "rotate") this.answers.give({ act }, { turn: (current.turn + 90) % 360, width: current.height, height: current.width }, words);
    else if (act === "good") this.answers.give({ act }, { quality: "good" }, words);
    else if (act === "small_subject") this.answers.give({ act: current.is_small ? "not_small_subject" : act }, { is_small: !current.is_small }, words);
    else if (act === "restore") this.answers.give({ act }, { state: "pool" }, words);
    else this.answers.give({ act }, { state: /** @type {any} */ (STATES)[act], label: null }, words);
  }
}
