// @ts-check
// The lines around a page of look-alikes: what it holds, what Enter would do, the acts and their keys.
import { bind } from "../core/keys.js";
import { t, tn } from "../core/texts.js";

/** @typedef {import("./lookalike_page.js").LookalikePage} LookalikePage */

export const part = (/** @type {string} */ id) => /** @type {HTMLElement} */ (document.getElementById(id));

/** @param {LookalikePage} page */
export function showPage(page) {
  const { images, sections } = page;
  const [first] = sections;
  const classes = sections.length === 1 ? (first.name ?? t("Not named yet")) : t("{n} classes", { n: sections.length });
  part("page-words").textContent = images.length ? `${tn("{n} image", "{n} images", images.length)}, ${classes}` : t("No page is left");
  part("empty").hidden = images.length > 0;
  for (const button of document.querySelectorAll("#acts [data-act]:not([data-act=undo])")) button.toggleAttribute("disabled", !images.length);
  document.body.dataset.page = images.map((one) => one.id).join(",");
}

/** @param {number} waiting */
export function showWaiting(waiting) {
  part("waiting").textContent = t("{n} waiting", { n: waiting >= 10_000 ? "10,000+" : waiting });
}

/**
 * @param {number} waiting answers on their way
 * @param {number} saved
 */
export function showSaving(waiting, saved) {
  part("saving").textContent = waiting ? t("Saving …") : "";
  Object.assign(document.body.dataset, { saved: String(saved), pending: String(waiting) });
}

/**
 * @param {LookalikePage} page
 * @param {number} out how many are taken out
 */
export function showCount(page, out) {
  const stays = page.images.length - out;
  const words = page.isNamed ? tn("Label {n} image", "Label {n} images", stays) : t("Name {n} images", { n: stays });
  part("accept-words").textContent = stays ? words : t("None of these");
}

/** @param {boolean} asks */
export function askReason(asks) {
  part("reasons").hidden = !asks;
  part("verdicts").hidden = asks;
}

/**
 * @param {Record<string, () => void>} acts by the names on the buttons
 * @param {(reason: string) => void} onReason
 */
export function startActs(acts, onReason) {
  const group = { group: t("This page") };
  for (const button of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("#acts [data-act]"))) {
    const act = acts[button.dataset.act ?? ""];
    button.addEventListener("click", act);
    if (button.dataset.key) bind(button.dataset.key, button.title, act, group);
  }
  const reasons = /** @type {HTMLElement[]} */ ([...document.querySelectorAll("#reasons [data-reason]")]);
  reasons.forEach((button, at) => {
    const judge = () => onReason(button.dataset.reason ?? "");
    button.addEventListener("click", judge);
    bind(String(at + 1), button.dataset.words ?? "", () => !part("reasons").hidden && judge(), group);
  });
  bind("Enter", t("Label the page as it stands"), acts.accept, group);
  bind("Ctrl+z", t("Undo"), acts.undo, group);
  bind(part("lookalikes").dataset.find ?? "/", t("Another class"), acts.find, group);
}
