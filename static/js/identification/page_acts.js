// @ts-check
// Acts on a page of results: accept what is in sight, make a class of what is chosen, retire staged ones for real ones.
import { getFragment, postJson } from "../core/fetch.js";
import { gridOf } from "../core/grid.js";
import { bind } from "../core/keys.js";
import { toast, toastError } from "../core/toast.js";
import { askClassName } from "../labelling/selection_review.js";
import { takeVersionsIn, versionsIn } from "../labelling/cells.js";
import { requestKey } from "../labelling/outbox.js";

/** @typedef {import("../core/grid.js").ImageGrid} ImageGrid */

/**
 * The open cells that are whole on the screen: what one has seen, and nothing else.
 * @param {ImageGrid} grid
 */
function inSight(grid) {
  const floor = document.querySelector("[data-selection-bar]")?.getBoundingClientRect().top ?? innerHeight;
  return grid.cells.filter((cell) => {
    const { top, bottom } = cell.getBoundingClientRect();
    return !cell.dataset.state && top >= 0 && bottom <= Math.max(floor, bottom - top) + 1;
  });
}

/**
 * Chooses what is in sight and accepts it as chosen images are accepted: one act, one undo. Then the next rows come up.
 * @param {ImageGrid} grid
 */
function acceptPage(grid) {
  const cells = inSight(grid);
  if (!cells.length) return toast("No open image is in sight.");
  grid.clear();
  grid.choose(cells.map((cell) => cell.dataset.id ?? ""), true);
  document.getElementById("accept")?.click();
  cells.at(-1)?.scrollIntoView({ block: "start", behavior: "instant" });
}

/** @type {(grid: ImageGrid, base: string, name: string) => Promise<void>} */
async function makeClass(grid, base, name) {
  const ids = grid.selected;
  const body = { name, image_ids: ids.map(Number), versions: versionsIn(grid.layout, ids), request_key: requestKey() };
  const made = await postJson(`${base}/classes/split`, body);
  grid.clear();
  grid.mark(ids, "gone");
  grid.root.dispatchEvent(new CustomEvent("acted", { bubbles: true, detail: { ids, act: "label", isUndone: false } }));
  const count = made.changed === 1 ? "1 image is" : `${made.changed.toLocaleString("en")} images are`;
  const undo = async () => {
    const back = await postJson(`${made.undo_url}?request_key=${requestKey()}`, {});
    takeVersionsIn(grid.layout, ids, back.versions);
    grid.mark(ids, "");
    grid.root.dispatchEvent(new CustomEvent("acted", { bubbles: true, detail: { ids, act: "label", isUndone: true } }));
  };
  toast(`${count} ${made.name} now, a new class.`, { undo });
}

/** @type {(grid: ImageGrid, base: string) => void} */
function nameChosen(grid, base) {
  if (!grid.selected.length) return void toast("Choose images first: a press, Space, or Ctrl+A for all.");
  askClassName((name) => makeClass(grid, base, name).catch(toastError));
}

/** @type {(grid: ImageGrid, base: string) => void} */
function offerRetiring(grid, base) {
  const place = document.getElementById("offers");
  if (!place) return;
  grid.root.addEventListener("accepted", (event) => {
    const { action_id: action } = /** @type {CustomEvent} */ (event).detail;
    getFragment(`${base}/retirements/offers?action=${action}`, place).catch(toastError);
  });
}

const root = document.getElementById("results");
const bar = /** @type {HTMLElement | null} */ (document.querySelector("[data-selection-bar][data-for=results]"));
if (root?.matches("[data-grid]") && bar) {
  const grid = gridOf(root);
  const base = `/projects/${bar.dataset.project}`;
  const page = document.getElementById("accept-page");
  const name = document.getElementById("new-class");
  page?.addEventListener("click", () => acceptPage(grid));
  bind("Shift+a", "Accept all that are in sight", () => acceptPage(grid), { group: "Page" });
  if (name) {
    grid.root.addEventListener("selectionchange", () => name.toggleAttribute("disabled", !grid.count));
    name.addEventListener("click", () => nameChosen(grid, base));
    bind("c", "New class of these", () => nameChosen(grid, base), { group: "Chosen images" });
  }
  offerRetiring(grid, base);
}
