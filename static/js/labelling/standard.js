// @ts-check
// The labelling standard of the first answer, beside the image: fetched once it is open, kept for the page's life.
import { getFragment, swap } from "../core/fetch.js";
import { recall, remember } from "../core/memory.js";

const OPEN = "winnow-standard-open";

/**
 * @param {string} base address of the project
 * @returns {(classId: number | undefined, name: string | undefined) => void} tells which class comes first now
 */
export function watchStandard(base) {
  const panel = /** @type {HTMLDetailsElement} */ (document.getElementById("standard"));
  const body = /** @type {HTMLElement} */ (document.getElementById("standard-body"));
  const title = /** @type {HTMLElement} */ (document.getElementById("standard-of"));
  /** @type {Map<number, Promise<string>>} */
  const kept = new Map();
  /** @type {number | undefined} */
  let wanted;

  async function fill() {
    const id = wanted;
    if (!panel.open || id === undefined) return;
    if (!kept.has(id)) kept.set(id, getFragment(`${base}/classes/${id}/standard`));
    try {
      const html = (await kept.get(id)) ?? "";
      if (id === wanted) swap(body, html);
    } catch {
      kept.delete(id); // It is fetched again with the next image; the image itself is not held up.
    }
  }

  panel.open = recall(OPEN) === "yes";
  panel.addEventListener("toggle", () => {
    remember(OPEN, panel.open ? "yes" : "no");
    void fill();
  });
  return (classId, name) => {
    if (classId === wanted) return;
    wanted = classId;
    panel.hidden = classId === undefined;
    title.textContent = name ?? "";
    void fill();
  };
}
