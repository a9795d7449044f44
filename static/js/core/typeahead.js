// @ts-check
// A combobox over a list of names (WAI-ARIA APG: editable combobox with list). While it has the focus it owns every key.
import { rank } from "./ranking.js";
import { t, tn } from "./texts.js";

/** @typedef {import("./ranking.js").Entry} Entry */
/**
 * @typedef {object} TypeaheadOptions
 * @property {Entry[]} entries up to some thousands, in the order in which they are offered
 * @property {(entry: Entry) => void} onPick Enter or a press; the input is emptied before
 * @property {() => void} [onCancel] Esc on an empty or closed list, after which the caller moves the focus
 * @property {(text: string) => void} [onPropose] offered as a last choice when the text is no entry's name
 * @property {(text: string) => string} [proposeWords] what that choice says
 * @property {boolean} [keepText] leaves the picked name in the input (a form's field)
 */

let made = 0;

export class Typeahead {
  /**
   * @param {HTMLInputElement} input inside an element with the class "typeahead"
   * @param {TypeaheadOptions} options
   */
  constructor(input, options) {
    this.input = input;
    this.options = options;
    this.entries = options.entries;
    /** @type {(() => void)[]} */
    this.acts = [];
    this.current = -1;
    this.list = document.createElement("ul");
    this.list.className = "typeahead-list";
    this.list.id = `typeahead-${++made}`;
    this.list.setAttribute("role", "listbox");
    this.list.setAttribute("aria-label", input.getAttribute("aria-label") ?? input.labels?.[0]?.textContent ?? t("Choices"));
    this.list.hidden = true;
    input.setAttribute("role", "combobox");
    input.setAttribute("aria-autocomplete", "list");
    input.setAttribute("aria-expanded", "false");
    input.setAttribute("aria-controls", this.list.id);
    input.autocomplete = "off";
    input.spellcheck = false;
    input.after(this.list);
    input.addEventListener("input", () => this.show());
    input.addEventListener("focus", () => this.show());
    input.addEventListener("click", () => this.show());
    input.addEventListener("blur", () => this.hide());
    input.addEventListener("keydown", (event) => this.onKey(event));
    this.list.addEventListener("pointerdown", (event) => event.preventDefault());
    this.list.addEventListener("click", (event) => this.onPress(event));
  }

  /** @param {Entry[]} entries another list in place of the first */
  setEntries(entries) {
    this.entries = entries;
    if (!this.list.hidden) this.show();
  }

  /** Puts the focus in and opens the list. */
  open() {
    this.input.focus();
    this.input.select();
    this.show();
  }

  hide() {
    this.list.hidden = true;
    this.input.setAttribute("aria-expanded", "false");
    this.input.removeAttribute("aria-activedescendant");
  }

  show() {
    const text = this.input.value.trim();
    const { matches, total } = rank(this.entries, text);
    this.acts = [];
    this.list.replaceChildren();
    for (const match of matches) this.add(nameParts(match), () => this.pick(match.entry));
    const isKnown = matches.some(({ entry }) => entry.name.toLowerCase() === text.toLowerCase());
    const { onPropose } = this.options;
    if (onPropose && text && !isKnown) {
      const words = this.options.proposeWords?.(text) ?? t("Propose the class “{text}”", { text });
      this.add([words], () => this.finish(() => onPropose(text)));
    }
    if (total > matches.length) this.note(tn("{n} more: type on to narrow them", "{n} more: type on to narrow them", total - matches.length));
    if (!this.acts.length) this.note(t("Nothing matches"), "option");
    this.list.hidden = false;
    this.input.setAttribute("aria-expanded", "true");
    this.move(this.acts.length ? 0 : -1);
  }

  /**
   * @param {(string | Node)[]} parts
   * @param {() => void} act
   */
  add(parts, act) {
    const option = document.createElement("li");
    option.className = "typeahead-option";
    option.id = `${this.list.id}-${this.acts.length}`;
    option.setAttribute("role", "option");
    option.append(...parts);
    this.list.append(option);
    this.acts.push(act);
  }

  /**
   * @param {string} words
   * @param {"presentation" | "option"} [role] a list box needs an option, be it one that cannot be taken
   */
  note(words, role = "presentation") {
    const line = document.createElement("li");
    line.className = "typeahead-note";
    line.setAttribute("role", role);
    if (role === "option") line.setAttribute("aria-disabled", "true");
    line.textContent = words;
    this.list.append(line);
  }

  /** @param {number} to */
  move(to) {
    this.list.querySelector('[aria-selected="true"]')?.setAttribute("aria-selected", "false");
    this.current = to;
    const option = to >= 0 ? this.list.children[to] : null;
    option?.setAttribute("aria-selected", "true");
    option?.scrollIntoView({ block: "nearest" });
    if (option) this.input.setAttribute("aria-activedescendant", option.id);
    else this.input.removeAttribute("aria-activedescendant");
  }

  /** @param {Entry} entry */
  pick(entry) {
    this.finish(() => this.options.onPick(entry), entry.name);
  }

  /**
   * @param {() => void} act
   * @param {string} [text]
   */
  finish(act, text = "") {
    this.input.value = this.options.keepText ? text || this.input.value : "";
    this.hide();
    act();
  }

  /** @param {MouseEvent} event */
  onPress(event) {
    const option = event.target instanceof Element ? event.target.closest(".typeahead-option") : null;
    if (option) this.acts[[...this.list.children].indexOf(option)]?.();
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    event.stopPropagation();
    if (event.isComposing) return;
    const isOpen = !this.list.hidden;
    const count = this.acts.length;
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8 }[event.key];
    if (step && !isOpen) this.show();
    else if (step && count) {
      const single = Math.abs(step) === 1;
      this.move(single ? (this.current + step + count) % count : Math.max(0, Math.min(count - 1, this.current + step)));
    } else if (event.key === "Enter" && isOpen && this.current >= 0) this.acts[this.current]();
    else if (event.key === "Escape") this.cancel();
    else if (event.key !== "Enter" || !isOpen) return;
    event.preventDefault();
  }

  cancel() {
    this.hide();
    if (!this.options.keepText) this.input.value = "";
    this.options.onCancel?.();
  }
}

/**
 * @param {import("./ranking.js").Match} match
 * @returns {Node[]}
 */
function nameParts({ entry, from, to, by }) {
  const name = document.createElement("span");
  name.textContent = entry.name;
  if (to > from && entry.name.length === entry.name.normalize("NFD").length) {
    const mark = document.createElement("mark");
    mark.textContent = entry.name.slice(from, to);
    name.replaceChildren(entry.name.slice(0, from), mark, entry.name.slice(to));
  }
  /** @type {Node[]} */
  const parts = [name];
  if (by ?? entry.sub) {
    const sub = document.createElement("span");
    sub.className = "typeahead-sub";
    sub.textContent = by ?? entry.sub ?? "";
    parts.push(sub);
  }
  if (entry.key) {
    const cap = document.createElement("kbd");
    cap.textContent = entry.key.toUpperCase();
    parts.push(cap);
  }
  return parts;
}
