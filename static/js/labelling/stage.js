// @ts-check
// What the labelling screen shows. Its buttons stay in place for ever, so that the focus is never lost.
import { t, tn } from "../core/texts.js";
import { address } from "./deck.js";

/** @typedef {import("./deck.js").Item} Item */
/** @typedef {import("./class_list.js").Label} Label */
/** @typedef {Label & {confidence?: number}} Choice */

const STATES = () => ({ labelled: t("labelled before"), unknown: t("unknown"), none: t("none of the classes"), removed: t("removed") });
const TOLD = 3;

/**
 * @template {Element} T
 * @param {string} id
 * @returns {T}
 */
export const byId = (id) => /** @type {T} */ (/** @type {unknown} */ (document.getElementById(id)));

export class Stage {
  constructor() {
    this.root = /** @type {HTMLElement} */ (byId("stage"));
    this.frame = /** @type {HTMLElement} */ (byId("frame"));
    this.picture = /** @type {HTMLImageElement} */ (byId("picture"));
    this.note = /** @type {HTMLElement} */ (byId("note"));
    this.notes = /** @type {HTMLElement} */ (byId("notes"));
    this.empty = /** @type {HTMLElement} */ (byId("empty"));
    this.said = /** @type {HTMLElement} */ (byId("said"));
    this.reasons = /** @type {HTMLElement} */ (byId("reasons"));
    this.verdicts = /** @type {HTMLElement} */ (byId("verdicts"));
    this.choices = /** @type {HTMLButtonElement[]} */ ([...document.querySelectorAll("#suggestions .suggestion")]);
    this.picture.addEventListener("error", () => this.sayBroken());
    this.states = /** @type {Record<string, string>} */ (STATES());
  }

  /** Puts the focus where the keys work and nothing is pressed by accident. */
  focus() {
    this.root.focus({ preventScroll: true });
  }

  /**
   * @param {Item | undefined} item
   * @param {Choice[]} choices
   * @param {boolean} isWaiting more images are on their way
   */
  show(item, choices, isWaiting) {
    const id = item ? String(item.id) : "";
    // News of the image that is still in front must not take back a question that the next digit answers.
    if (document.body.dataset.image !== id) this.closeReasons();
    document.body.dataset.image = id;
    this.picture.hidden = !item;
    this.note.hidden = !item;
    this.empty.hidden = Boolean(item) || isWaiting;
    if (item) {
      if (this.picture.getAttribute("src") !== address(item)) this.picture.src = address(item);
      this.picture.alt = t("{name}, to be labelled", { name: item.name });
      const words = [item.name, item.said || this.states[item.state], this.quality(item), item.small && t("small subject")];
      this.note.textContent = words.filter(Boolean).join(" · ");
      this.note.classList.toggle("stage-note-said", Boolean(item.said));
    } else this.picture.removeAttribute("src");
    this.choices.forEach((button, at) => fill(button, item ? choices[at] : undefined, item?.said ?? ""));
    this.root.querySelector("[data-act=small]")?.setAttribute("aria-pressed", String(Boolean(item?.small)));
    this.showNotes(item);
  }

  /** @param {Item | undefined} item */
  showNotes(item) {
    const lines = (item?.notes ?? []).map(({ by, text }) => {
      const line = document.createElement("li");
      line.textContent = `${by}: ${text}`;
      return line;
    });
    this.notes.replaceChildren(...lines);
    this.notes.hidden = !lines.length;
  }

  sayBroken() {
    if (this.picture.hasAttribute("src")) this.note.textContent = t("The picture did not load. Its label can still be given, or skip it.");
  }

  /**
   * For those who listen instead of looking: what was done, which image is in front now, and what is suggested.
   * @param {string} words
   * @param {Item | undefined} item
   * @param {Choice[]} choices
   */
  say(words, item, choices) {
    const offered = choices.slice(0, TOLD).map((one, at) => `${at + 1} ${one.words}${one.confidence === undefined ? "" : ` ${Math.round(100 * one.confidence)}%`}`);
    const now = item ? t("Now {name}. {offered}", { name: item.name, offered: offered.join(", ") }) : t("Nothing waits here");
    this.said.textContent = `${words}. ${now}`;
  }

  /** @param {string} words */
  sayVersion(words) {
    byId("suggested-by").textContent = words;
  }

  get asksReason() {
    return !this.reasons.hidden;
  }

  askReason() {
    this.reasons.hidden = false;
    this.verdicts.hidden = true;
    this.said.textContent = t("Not good: why? 1 to 6");
  }

  closeReasons() {
    if (this.reasons.hidden) return;
    const held = this.reasons.contains(document.activeElement);
    this.reasons.hidden = true;
    this.verdicts.hidden = false;
    if (held) this.focus();
  }

  /**
   * @param {number} waiting
   * @param {boolean} isStopped
   * @param {number} saved
   */
  showSaving(waiting, isStopped, saved) {
    Object.assign(document.body.dataset, { saved: String(saved), pending: String(waiting) });
    const words = isStopped ? tn("{n} not saved yet", "{n} not saved yet", waiting) : waiting ? t("Saving {waiting}", { waiting }) : saved ? t("Saved") : "";
    const place = byId("saving");
    if (place.textContent !== words) place.textContent = words;
    place.classList.toggle("bad", isStopped);
  }

  /**
   * @param {number} at
   * @returns {string | undefined}
   */
  reasonAt(at) {
    return this.reasons.querySelectorAll("button")[at]?.dataset.reason;
  }

  /** @param {string} reason */
  reasonWords(reason) {
    return this.reasons.querySelector(`[data-reason="${CSS.escape(reason)}"]`)?.firstChild?.textContent?.toLowerCase() ?? reason;
  }

  /** @param {Item} item */
  quality(item) {
    return item.quality && item.quality !== "good" ? t("not good: {reason}", { reason: this.reasonWords(item.quality) }) : "";
  }

  /**
   * @param {string} selector of buttons on the stage
   * @param {(button: HTMLButtonElement) => void} run
   */
  onPress(selector, run) {
    for (const button of this.root.querySelectorAll(selector)) {
      button.addEventListener("click", () => run(/** @type {HTMLButtonElement} */ (button)));
    }
  }
}

/**
 * @param {HTMLButtonElement} button
 * @param {Choice | undefined} choice
 * @param {string} said
 */
function fill(button, choice, said) {
  button.hidden = !choice;
  if (!choice) return;
  const [name, confidence] = [button.querySelector(".suggestion-name"), button.querySelector(".confidence")];
  if (name) name.textContent = choice.words;
  button.setAttribute("aria-pressed", String(choice.words === said));
  if (!confidence) return;
  /** @type {HTMLElement} */ (confidence).hidden = choice.confidence === undefined;
  if (choice.confidence === undefined) return;
  const figure = confidence.querySelector("[data-figure]");
  if (figure) figure.textContent = choice.confidence.toFixed(2);
  confidence.querySelector(".meter-fill")?.setAttribute("width", `${(100 * choice.confidence).toFixed(1)}%`);
}
