// @ts-check
// What a reviewer may do with a selection besides labelling: ask for second opinions, make a class of it.
import { postJson } from "../core/fetch.js";
import { t, tn } from "../core/texts.js";
import { toast, toastError } from "../core/toast.js";

/** @typedef {import("../core/grid.js").ImageGrid} ImageGrid */

const REVIEWING = ["reviewer", "engineer", "administrator"];

/**
 * @param {{base: string, role: string, grid: ImageGrid}} options
 * @returns {HTMLElement[]} entries of a menu
 */
export function reviewActs({ base, role, grid }) {
  if (!REVIEWING.includes(role)) return [];
  return [
    entry("opinions", t("Ask for second opinions"), () => void ask(base, grid)),
    entry("new-class", t("Make a class of these"), () => askClassName((name) => void split(base, grid, name))),
  ];
}

/** @type {(act: string, words: string, run: () => void) => HTMLElement} */
function entry(act, words, run) {
  const made = Object.assign(document.createElement("button"), { type: "button", className: "menu-entry", textContent: words });
  made.dataset.review = act;
  made.addEventListener("click", run);
  return made;
}

/** @type {(base: string, grid: ImageGrid) => Promise<void>} */
async function ask(base, grid) {
  try {
    const { says } = await postJson(`${base}/review/ask`, { selection: grid.selection });
    toast(says);
    grid.clear();
  } catch (error) {
    toastError(error);
  }
}

/** @type {(base: string, grid: ImageGrid, name: string) => Promise<void>} */
async function split(base, grid, name) {
  try {
    const { selected } = grid;
    const made = await postJson(`${base}/classes/split`, { name, selection: grid.selection });
    const undo = async () => {
      await postJson(made.undo_url, {});
      location.reload();
    };
    toast(tn("{n} image is {name} now", "{n} images are {name} now", made.changed, { name: made.name }), { undo });
    grid.clear();
    grid.remove(selected);
  } catch (error) {
    toastError(error);
  }
}

/** @param {(name: string) => void} run gets the name that was given; it is not called where none was */
export function askClassName(run) {
  const dialog = document.createElement("dialog");
  dialog.className = "dialog";
  dialog.setAttribute("aria-label", t("Make a class of these"));
  const form = Object.assign(document.createElement("form"), { method: "dialog", className: "form dialog-body" });
  const label = Object.assign(document.createElement("label"), { className: "field-label", textContent: t("Name of the new class") });
  const input = Object.assign(document.createElement("input"), { className: "input", id: "new-class-name", maxLength: 120, required: true });
  label.htmlFor = input.id;
  const make = Object.assign(document.createElement("button"), { className: "button button-primary", textContent: t("Make the class") });
  form.append(label, input, make);
  dialog.append(form);
  form.addEventListener("submit", () => run(input.value));
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}
