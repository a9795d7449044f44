// @ts-check
// Results of an identification: the classes beside the grid, and accepting what was predicted.
import { getFragment, postJson } from "../core/fetch.js";
import { gridOf } from "../core/grid.js";
import { bind } from "../core/keys.js";
import { toast, toastError } from "../core/toast.js";
import { takeVersions, versionsOf } from "../labelling/cells.js";
import { requestKey } from "../labelling/outbox.js";

/** @typedef {import("../core/grid.js").ImageGrid} ImageGrid */
/** @typedef {{changed: number, skipped: {image_id: number, why: string}[], versions: Record<string, number>, undo_url: string}} Accepted */

function countClasses() {
  for (const part of document.querySelectorAll(".results-side[data-fragment]")) {
    getFragment(part.getAttribute("data-fragment") ?? "", part).catch(toastError);
  }
}

/** @param {HTMLElement[]} cells */
const idsOf = (cells) => cells.map((cell) => cell.dataset.id ?? "");

/**
 * Labels the chosen images with what stands under them: one act, one undo.
 * @param {ImageGrid} grid
 */
function accept(grid) {
  const cells = grid.cellsOf(grid.selected);
  if (!cells.length) return toast("Choose images first: a press, Space, or Ctrl+A for all.");
  const key = requestKey();
  grid.mark(idsOf(cells), "busy");
  grid.clear();
  grid.current?.focus({ preventScroll: true });
  const send = async () => {
    const body = { image_ids: idsOf(cells).map(Number), versions: versionsOf(cells), request_key: key };
    try {
      settle(grid, cells, await postJson(`${location.pathname}/accept`, body));
    } catch (error) {
      grid.mark(idsOf(cells), "failed");
      toastError(error, send);
    }
  };
  send();
}

/**
 * @param {ImageGrid} grid
 * @param {HTMLElement[]} cells
 * @param {Accepted} answer
 */
function settle(grid, cells, answer) {
  const skipped = new Set(answer.skipped.map((one) => String(one.image_id)));
  const done = cells.filter((cell) => !skipped.has(cell.dataset.id ?? ""));
  takeVersions(done, answer.versions);
  grid.mark([...skipped], "failed");
  grid.mark(idsOf(done), "gone");
  countClasses();
  const count = answer.changed === 1 ? "1 image" : `${answer.changed.toLocaleString("en")} images`;
  const rest = skipped.size ? ` ${skipped.size} left as they were: ${answer.skipped[0].why}.` : "";
  toast(`${count} labelled as predicted.${rest}`, {
    kind: skipped.size ? "warn" : "info",
    undo: answer.changed ? () => undo(grid, done, answer.undo_url) : undefined,
  });
}

/**
 * @param {ImageGrid} grid
 * @param {HTMLElement[]} cells
 * @param {string} url
 */
async function undo(grid, cells, url) {
  const answer = await postJson(`${url}?request_key=${requestKey()}`, {});
  const kept = new Set(answer.skipped.map((/** @type {any} */ one) => String(one.image_id)));
  const back = cells.filter((cell) => !kept.has(cell.dataset.id ?? ""));
  takeVersions(back, answer.versions);
  grid.mark(idsOf(back), "");
  if (kept.size) toast(`${kept.size} were changed since and stay as they are.`, { kind: "warn" });
  countClasses();
}

/** @param {ImageGrid} grid */
function start(grid) {
  const button = document.getElementById("accept");
  grid.root.addEventListener("selectionchange", () => button?.toggleAttribute("disabled", !grid.selected.length));
  grid.root.addEventListener("acted", countClasses);
  button?.addEventListener("click", () => accept(grid));
  bind("a", "Accept what was predicted", () => accept(grid), { group: "Chosen images" });
  // Enter opens an image, as in every grid, unless images are chosen.
  const onEnter = (/** @type {KeyboardEvent} */ event) => {
    if (event.key !== "Enter" || event.ctrlKey || event.altKey || event.shiftKey || !grid.selected.length) return;
    event.preventDefault();
    event.stopPropagation();
    accept(grid);
  };
  grid.root.addEventListener("keydown", onEnter, { capture: true });
}

countClasses();
const root = document.getElementById("results");
if (root?.matches("[data-grid]")) start(gridOf(root));
