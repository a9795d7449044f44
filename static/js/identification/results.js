// @ts-check
// Results of an identification: the classes beside the grid, and accepting what was predicted.
import { getFragment, postJson } from "../core/fetch.js";
import { gridOf } from "../core/grid.js";
import { startReading } from "../core/grid_reading.js";
import { bind } from "../core/keys.js";
import { toast, toastError } from "../core/toast.js";
import { takeVersionsIn, versionsIn } from "../labelling/cells.js";
import { requestKey } from "../labelling/outbox.js";

/** @typedef {import("../core/grid.js").ImageGrid} ImageGrid */
/** @typedef {{changed: number, skipped: {image_id: number, why: string}[], skipped_count: number, versions: Record<string, number>, undo_url: string}} Accepted */

function countClasses() {
  for (const part of document.querySelectorAll(".results [data-fragment]")) {
    getFragment(part.getAttribute("data-fragment") ?? "", part).catch(toastError);
  }
}

/**
 * Labels the chosen images with what stands under them: one act, one undo.
 * @param {ImageGrid} grid
 */
function accept(grid) {
  const ids = grid.selected;
  if (!ids.length) return toast("Choose images first: a press, Space, or Ctrl+A for all.");
  // Candidates are for the class of the page, whatever the model alone would say first.
  const forClass = grid.root.dataset.classId;
  const what = forClass ? { class_id: Number(forClass) } : {};
  const body = { image_ids: ids.map(Number), versions: versionsIn(grid.layout, ids), request_key: requestKey(), ...what };
  grid.clear();
  grid.current?.focus({ preventScroll: true });
  const send = async () => {
    grid.mark(ids, "busy");
    try {
      settle(grid, ids, await postJson(`${location.pathname}/accept`, body));
    } catch (error) {
      grid.mark(ids, "failed");
      toastError(error, send);
    }
  };
  send();
}

/**
 * @param {ImageGrid} grid
 * @param {string[]} ids
 * @param {Accepted} answer
 */
function settle(grid, ids, answer) {
  const skipped = new Set(answer.skipped.map((one) => String(one.image_id)));
  const done = ids.filter((id) => !skipped.has(id));
  takeVersionsIn(grid.layout, done, answer.versions);
  grid.mark([...skipped], "failed");
  grid.mark(done, "gone");
  countClasses();
  grid.root.dispatchEvent(new CustomEvent("accepted", { bubbles: true, detail: answer }));
  const count = answer.changed === 1 ? "1 image" : `${answer.changed.toLocaleString("en")} images`;
  const rest = answer.skipped_count ? ` ${answer.skipped_count} left as they were: ${answer.skipped[0].why}.` : "";
  toast(`${count} labelled as predicted.${rest}`, {
    kind: answer.skipped_count ? "warn" : "info",
    undo: answer.changed ? () => undo(grid, done, answer.undo_url) : undefined,
  });
}

/**
 * @param {ImageGrid} grid
 * @param {string[]} ids
 * @param {string} url
 */
async function undo(grid, ids, url) {
  const answer = await postJson(`${url}?request_key=${requestKey()}`, {});
  const kept = new Set(answer.skipped.map((/** @type {any} */ one) => String(one.image_id)));
  const back = ids.filter((id) => !kept.has(id));
  takeVersionsIn(grid.layout, back, answer.versions);
  grid.mark(back, "");
  if (answer.skipped_count) toast(`${answer.skipped_count} were changed since and stay as they are.`, { kind: "warn" });
  countClasses();
}

/** @param {ImageGrid} grid */
function start(grid) {
  const button = document.getElementById("accept");
  grid.root.addEventListener("selectionchange", () => button?.toggleAttribute("disabled", !grid.count));
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
if (root) {
  if (root.matches("[data-grid]")) start(gridOf(root));
  else startReading(root);
  // Page links are for browsers without scripts.
  for (const pager of document.querySelectorAll(".pager")) pager.remove();
}
