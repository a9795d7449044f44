// @ts-check
// The bar at the foot of a grid: how many are chosen, and what can be done with them. What a page's template puts inside
// stays, behind the acts: such a button asks `gridOf(grid).selection` for what requests take.
import { t } from "../core/texts.js";
import { moreMenu } from "./selection_menu.js";

/** @typedef {{act: string, word: string, key: string, title: string}} Verdict */

export const REASONS = ["blurred", "dark", "obscured", "several_subjects", "not_upright", "irrelevant"];

/** @type {Record<string, () => string>} what became of the images */
export const DONE = {
  unknown: () => t("set aside as unknown"),
  none: () => t("settled as none"),
  remove: () => t("removed"),
  restore: () => t("restored"),
  rotate: () => t("turned"),
  pool: () => t("back in the pool"),
  good: () => t("judged good"),
  small_subject: () => t("marked as small subjects"),
  not_small_subject: () => t("marked as large enough"),
};

/** @type {() => Verdict[]} */
const verdicts = () => [
  { act: "unknown", word: t("Unknown"), key: "u", title: t("Good images that nobody can name yet") },
  { act: "none", word: t("None"), key: "n", title: t("They show none of the classes, nor will") },
  { act: "not_good", word: t("Not good"), key: "x", title: t("Blurred, dark, obscured …: then a digit for the reason") },
  { act: "good", word: t("Good"), key: "g", title: t("Good images") },
  { act: "rotate", word: t("Turn"), key: "r", title: t("Turn by 90° clockwise") },
  { act: "small_subject", word: t("Small"), key: "l", title: t("The subject is small in the picture") },
  { act: "not_small_subject", word: t("Large enough"), key: "Shift+l", title: t("The subject is not small in the picture") },
  { act: "pool", word: t("To the pool"), key: "p", title: t("Without a label, back to the pool") },
  { act: "remove", word: t("Remove"), key: "Delete", title: t("Out of everything; can be undone") },
];
const RARE = new Set(["small_subject", "not_small_subject", "pool"]);
/** @type {() => Verdict[]} */
const ofRemoved = () => [{ act: "restore", word: t("Restore"), key: "e", title: t("Back, with the label they had") }];

/** @type {Record<string, string>} */
const CAPS = { Delete: "Del", "Shift+l": "⇧L" };

/**
 * @param {string} tag
 * @param {Record<string, string>} attributes
 * @param {(string | Node)[]} children
 * @returns {HTMLElement}
 */
function make(tag, attributes, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** @type {(className: string, word: string, run: () => void, attributes?: Record<string, string>) => HTMLElement} */
function press(className, word, run, attributes = {}) {
  const made = make("button", { class: className, type: "button", ...attributes }, word);
  made.addEventListener("click", run);
  return made;
}

export class SelectionBar {
  /**
   * @param {HTMLElement} root what it holds already stays
   * @param {{base: string, grid: import("../core/grid.js").ImageGrid, isRemoved: boolean, onAct: (act: string) => void, onReason: (reason: string) => void, onMatching: () => void, onClear: () => void}} options
   */
  constructor(root, options) {
    this.root = root;
    this.verdicts = options.isRemoved ? ofRemoved() : verdicts();
    this.count = make("span", { class: "selection-count num", role: "status" });
    this.matching = press("button button-small button-quiet", "", options.onMatching, { "data-matching": "" });
    this.clear = press("button button-small button-quiet", t("Clear"), options.onClear, { title: t("Choose none (Esc)"), "data-clear": "" });
    this.input = /** @type {HTMLInputElement} */ (make("input", { class: "input input-short", placeholder: t("Class: press /"), "aria-label": t("Class for the chosen images") }));
    this.typeahead = make("div", { class: "typeahead typeahead-up" }, this.input);
    this.typeahead.hidden = options.isRemoved;
    const buttons = this.verdicts.map(({ act, word, key, title }) => {
      const look = RARE.has(act) ? "menu-entry" : "button button-small";
      const made = press(look, word, () => options.onAct(act), { title, "aria-keyshortcuts": key, "data-act": act });
      made.append(make("kbd", { "aria-hidden": "true" }, CAPS[key] ?? key.toUpperCase()));
      return made;
    });
    const { base, grid } = options;
    const [rare, usual] = [buttons.filter((one) => RARE.has(one.dataset.act ?? "")), buttons.filter((one) => !RARE.has(one.dataset.act ?? ""))];
    this.main = make("div", { class: "row selection-acts" }, ...usual, moreMenu({ base, role: root.dataset.role ?? "", grid, acts: rare }));
    this.reasons = make("div", { class: "row selection-acts", role: "group", "aria-label": t("Why are they not good?") });
    REASONS.forEach((reason, at) => {
      const made = press("button button-small", reason.replaceAll("_", " "), () => options.onReason(reason), { "data-reason": reason });
      made.append(make("kbd", { "aria-hidden": "true" }, String(at + 1)));
      this.reasons.append(made);
    });
    this.reasons.hidden = true;
    root.prepend(this.count, this.matching, this.clear, this.typeahead, this.main, this.reasons);
  }

  get asksReason() {
    return !this.reasons.hidden;
  }

  /** @param {boolean} asks */
  askReason(asks) {
    this.reasons.hidden = !asks;
    this.main.hidden = asks;
  }

  /** @param {import("../core/grid.js").ImageGrid} grid */
  show({ count, choice, root }) {
    const { totalWords = "" } = root.dataset;
    const n = Number.isFinite(count) ? count : totalWords;
    this.count.textContent = count ? t("{n} chosen", { n }) : t("None chosen");
    this.matching.hidden = !choice.isOffered || !count;
    this.matching.textContent =
      choice.total > choice.offered
        ? t("Choose the newest {n} of {total}", { n: choice.offered, total: totalWords })
        : t("Choose all {n} that match", { n: Number.isFinite(choice.total) ? choice.total : totalWords });
    this.clear.hidden = !count;
    const buttons = this.root.querySelectorAll(".selection-acts button");
    for (const button of buttons) /** @type {HTMLButtonElement} */ (button).disabled = !count;
    this.input.disabled = !count;
    if (!count) this.askReason(false);
  }

  /** @param {boolean} isPicking shows the type-ahead alone, with room for its list */
  pick(isPicking) {
    this.root.toggleAttribute("data-picking", isPicking);
    if (isPicking) this.askReason(false);
  }
}
