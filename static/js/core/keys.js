// @ts-check
// One registry of keys for the page, and the dialog behind `?` that lists them.
import { recall, remember } from "./memory.js";
import { t } from "./texts.js";

/**
 * @typedef {object} Binding
 * @property {string} key as shown: "u", "?", "Space", "Enter", "ArrowLeft", "Shift+a", "Ctrl+a" (Ctrl is Command on a Mac)
 * @property {string} words what it does, for the dialog
 * @property {(event: KeyboardEvent) => unknown} run
 * @property {string} group heading in the dialog
 * @property {boolean} repeat whether a held key repeats it
 */

const OFF = "winnow-single-keys-off";
/** @type {Binding[]} */
const bindings = [];
/** @type {Record<string, string>} */
const SHOWN = { ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓", Escape: "Esc", Delete: "Del" };

/**
 * Binds a key to an act. A later binding of the same key goes before an earlier one.
 * @param {string} key
 * @param {string} words
 * @param {(event: KeyboardEvent) => unknown} run returning false lets the browser have the key
 * @param {{group?: string, repeat?: boolean}} [options]
 * @returns {() => void} unbinds it
 */
export function bind(key, words, run, options = {}) {
  const binding = { key, words, run, group: options.group ?? t("This page"), repeat: options.repeat ?? false };
  bindings.unshift(binding);
  return () => {
    const at = bindings.indexOf(binding);
    if (at >= 0) bindings.splice(at, 1);
  };
}

/**
 * @param {KeyboardEvent} event
 * @returns {string} the name under which the pressed key is bound
 */
export function keyName(event) {
  const plain = event.key === " " ? "Space" : event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const isLetter = plain.length === 1 && plain.toLowerCase() !== plain.toUpperCase();
  const shift = event.shiftKey && (isLetter || event.key.length > 1 || event.key === " ") ? "Shift+" : "";
  const ctrl = event.ctrlKey || event.metaKey ? "Ctrl+" : "";
  return `${ctrl}${event.altKey ? "Alt+" : ""}${shift}${plain}`;
}

/**
 * @param {EventTarget | null} target
 * @returns {boolean} whether keys there are text or belong to the control
 */
export function isTyping(target) {
  if (!(target instanceof HTMLElement)) return false;
  if (target.isContentEditable || target.matches("textarea, select, [role=combobox]")) return true;
  return target instanceof HTMLInputElement && !["button", "checkbox", "radio", "submit", "reset", "file"].includes(target.type);
}

/**
 * @param {string} name
 * @param {EventTarget | null} target
 * @returns {boolean} whether the focused control answers this key itself
 */
function belongsToControl(name, target) {
  if (!(target instanceof HTMLElement)) return false;
  if (name === "Enter") return target.matches("a[href], button, summary, input");
  return name === "Space" && target.matches("button:not(.suggestion, .verdict), summary, input");
}

/** @param {KeyboardEvent} event */
function onKeydown(event) {
  if (event.defaultPrevented || event.isComposing || isTyping(event.target)) return;
  if (document.querySelector("dialog[open]")) return;
  const name = keyName(event);
  if (belongsToControl(name, event.target)) return;
  const isSingle = !event.ctrlKey && !event.metaKey && !event.altKey && event.key.length === 1 && event.key !== " ";
  if (isSingle && recall(OFF) === "1" && name !== "?") return;
  const binding = bindings.find((one) => one.key === name);
  if (!binding || (event.repeat && !binding.repeat)) return;
  if (binding.run(event) !== false) event.preventDefault();
}

/**
 * @param {string} key
 * @returns {string[]} its parts as they are shown: "Shift", "Z"
 */
function keyParts(key) {
  const parts = key.endsWith("+") ? [...key.slice(0, -1).split("+").filter(Boolean), "+"] : key.split("+");
  return parts.map((part) => SHOWN[part] ?? (part.length === 1 ? part.toUpperCase() : part));
}

/** @type {(key: string) => string} "Shift Z" */
export const keyWords = (key) => keyParts(key).join(" ");

/**
 * @param {string} key
 * @returns {DocumentFragment} one <kbd> per part
 */
function keyCaps(key) {
  const caps = document.createDocumentFragment();
  keyParts(key).forEach((part, at) => {
    const cap = document.createElement("kbd");
    cap.textContent = part;
    caps.append(...(at ? [" "] : []), cap);
  });
  return caps;
}

/** @returns {HTMLElement[]} a heading and a list per group */
function listKeys() {
  const groups = Map.groupBy([...bindings].reverse(), (one) => one.group);
  return [...groups].flatMap(([group, members]) => {
    const heading = document.createElement("h3");
    heading.textContent = group;
    const list = document.createElement("dl");
    list.className = "keys-list";
    for (const { key, words } of members) {
      const [term, description] = [document.createElement("dt"), document.createElement("dd")];
      term.append(keyCaps(key));
      description.textContent = words;
      list.append(term, description);
    }
    return [heading, list];
  });
}

/** Opens the list of keys; it also switches the single keys off, for those whom they disturb. */
export function showKeys() {
  const dialog = document.createElement("dialog");
  dialog.className = "dialog";
  dialog.setAttribute("aria-labelledby", "keys-title");
  dialog.innerHTML =
    '<div class="dialog-head"><h2 id="keys-title"></h2><form method="dialog"><button class="button button-quiet"></button></form></div>' +
    '<div class="dialog-body"><div class="stack" data-keys></div><div class="check"><input type="checkbox" id="keys-single"><label for="keys-single"></label></div></div>';
  for (const [place, words] of [["h2", t("Keys")], ["button", t("Close")], ["label", t("Single keys act")]]) {
    const found = dialog.querySelector(place);
    if (found) found.textContent = words;
  }
  const change = document.querySelector("a[data-keys-change]")?.cloneNode(true);
  dialog.querySelector("[data-keys]")?.append(...listKeys(), ...(change ? [change] : []));
  const single = dialog.querySelector("#keys-single");
  if (single instanceof HTMLInputElement) {
    single.checked = recall(OFF) !== "1";
    single.addEventListener("change", () => remember(OFF, single.checked ? null : "1"));
  }
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) dialog.close();
  });
  document.body.append(dialog);
  dialog.showModal();
}

/** Listens for the page's keys and wires every [data-keys-help]. */
export function startKeys() {
  document.addEventListener("keydown", onKeydown);
  bind("?", t("Show the keys"), () => showKeys(), { group: t("Everywhere") });
  for (const opener of document.querySelectorAll("[data-keys-help]")) opener.addEventListener("click", showKeys);
}
