// @ts-check
// Which key does what on the labelling screen: the usual ones, one's own, and those of classes.
import { bind, keyWords } from "../core/keys.js";
import { t } from "../core/texts.js";

/** @typedef {import("./class_list.js").LabelClass} LabelClass */

const REPEATING = new Set(["back", "next"]);

/**
 * @param {Record<string, string>} keys by command
 * @param {Record<string, () => unknown>} acts by command
 */
export function bindCommands(keys, acts) {
  /** @type {Record<string, string>} */
  const words = {
    accept: t("Accept the first suggestion"),
    find: t("Find a class by name"),
    unknown: t("Unknown"),
    none: t("None of the classes"),
    not_good: t("Not good, then a digit for the reason"),
    small: t("Small subject, or not"),
    rotate: t("Turn by 90°"),
    skip: t("Skip"),
    note: t("Write a note"),
    remove: t("Remove the image"),
    undo: t("Undo"),
    redo: t("Do it again"),
    back: t("Back to the image before"),
    next: t("On to the next image"),
  };
  const group = t("Labelling");
  for (const [name, key] of Object.entries(keys)) bind(key, words[name] ?? name, acts[name], { group, repeat: REPEATING.has(name) });
  bind("Ctrl+z", words.undo, acts.undo, { group });
  bind("Ctrl+Shift+z", words.redo, acts.redo, { group });
  for (const cap of document.querySelectorAll("[data-key-of]")) cap.textContent = keyWords(keys[/** @type {HTMLElement} */ (cap).dataset.keyOf ?? ""] ?? "");
}

/**
 * Gives classes their keys. One that a command has is reached with Shift.
 * @param {LabelClass[]} classes
 * @param {Record<string, string>} keys of the commands
 * @param {(one: LabelClass) => void} onPick
 */
export function bindClassKeys(classes, keys, onPick) {
  const taken = new Set([...Object.values(keys), "?", ..."123456789"]);
  for (const one of classes) {
    if (!one.key) continue;
    const key = taken.has(one.key) ? `Shift+${one.key}` : one.key;
    if (taken.has(key)) continue;
    taken.add(key);
    bind(key, one.name, () => onPick(one), { group: t("Classes") });
  }
}
