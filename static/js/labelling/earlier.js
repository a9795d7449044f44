// @ts-check
// The day's last answers, told by the server when the page opens: one can walk back to them and undo them.
import { t } from "../core/texts.js";

/** @typedef {import("./deck.js").Item} Item */
/** @typedef {{action_id: number, image_id: number, kind: string, class_id: number | null, sub_class_id: number | null, label: string, reason: string | null}} Told */

const SETTLING = new Set(["label", "unknown", "none", "not_good", "good", "remove"]);

/**
 * @param {Told} told
 * @param {(reason: string) => string} reasonWords
 * @returns {string} what was said, "" where the image stayed in front
 */
function saidBy({ kind, label, reason }, reasonWords) {
  if (!SETTLING.has(kind)) return "";
  if (kind === "not_good") return t("Not good: {reason}", { reason: reasonWords(reason ?? "") });
  if (kind === "unknown") return t("Unknown");
  if (kind === "none") return t("None of the classes");
  if (kind === "remove") return t("Removed");
  if (kind === "good") return t("Good");
  return label;
}

/**
 * @param {Told} told
 * @returns {Record<string, any>} what asks for it again
 */
function bodyOf({ image_id, kind, class_id, sub_class_id, reason }) {
  const act = { image_ids: [image_id], act: kind };
  if (kind === "label") return { ...act, class_id, sub_class_id };
  return kind === "not_good" ? { ...act, reason } : act;
}

/**
 * @param {Told[]} told the oldest first
 * @param {Map<number, Item>} items
 * @param {(reason: string) => string} reasonWords
 * @returns {import("./answers.js").Entry[]} the items then look as they were left
 */
export function earlierEntries(told, items, reasonWords) {
  const known = told.filter((one) => items.has(one.image_id));
  const entries = known.map((one) => {
    const item = /** @type {Item} */ (items.get(one.image_id));
    const before = { said: item.said, turn: item.turn, small: item.small };
    item.said = saidBy(one, reasonWords) || item.said;
    const counts = SETTLING.has(one.kind);
    const after = { ...before, said: item.said };
    return { item, before, after, path: "labels", body: bodyOf(one), stays: !counts, counts, job: null, last: { action_id: one.action_id }, previous: null, kind: one.kind };
  });
  // Turns and flags were told as they are now: the steps before follow from the last one backwards.
  for (const item of items.values()) {
    let { turn, small } = item;
    for (const entry of entries.filter((one) => one.item === item).reverse()) {
      Object.assign(entry.after, { turn, small });
      if (entry.kind === "rotate") turn = (turn + 270) % 360;
      if (entry.kind.endsWith("small_subject")) small = entry.kind !== "small_subject";
      Object.assign(entry.before, { turn, small });
    }
  }
  return entries;
}
