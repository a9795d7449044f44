// @ts-check
// How cells of a grid look after an act, and as they were before it.
import { fromMarkup } from "../core/grid_cells.js";

/** @typedef {{caption: string, src: string, state: string | undefined}} Look */

/**
 * @param {HTMLElement} cell
 * @returns {Look}
 */
export function lookOf(cell) {
  const image = cell.querySelector("img");
  return {
    caption: cell.querySelector(".cell-name")?.textContent ?? "",
    src: image?.getAttribute("src") ?? "",
    state: cell.dataset.state,
  };
}

/**
 * @param {HTMLElement} cell
 * @param {Look} look
 */
export function setLook(cell, look) {
  caption(cell, look.caption);
  const image = cell.querySelector("img");
  if (image && image.getAttribute("src") !== look.src) image.src = look.src;
  if (look.state) cell.dataset.state = look.state;
  else delete cell.dataset.state;
}

/**
 * @param {HTMLElement} cell
 * @param {string} words
 */
export function caption(cell, words) {
  const name = cell.querySelector(".cell-name");
  if (name) name.textContent = words;
}

/** @param {HTMLElement} cell a quarter further: thumbnails are addressed with their turn */
export function turn(cell) {
  const image = cell.querySelector("img");
  if (!image) return;
  const url = new URL(image.src);
  url.searchParams.set("r", String((Number(url.searchParams.get("r") ?? 0) + 90) % 360));
  image.src = url.pathname + url.search;
}

const MOST_TOLD = 200;

/**
 * The label versions after an act; beyond those that the server tells, the next act goes unchecked.
 * @param {HTMLElement[]} cells
 * @param {Record<string, number>} versions
 */
function takeVersions(cells, versions, isCut = Object.keys(versions).length >= MOST_TOLD) {
  for (const cell of cells) {
    const told = versions[cell.dataset.id ?? ""];
    if (told !== undefined) cell.dataset.version = String(told);
    else if (isCut) delete cell.dataset.version;
  }
}

/**
 * The same for images of a grid of any length, most of which may be out of the page.
 * @param {import("../core/grid_cells.js").GridCells} layout
 * @param {string[]} ids
 * @returns {Record<string, number>}
 */
export function versionsIn(layout, ids) {
  /** @type {Record<string, number>} */
  const versions = {};
  for (const id of ids) {
    const kept = layout.kept.get(id);
    const isPending = layout.later.has(id);
    if (isPending && ids.length > MOST_TOLD) continue; // What an act before this one changed is told of so many only.
    const found = typeof kept === "string" && !isPending ? / data-version="(\d+)"/.exec(kept)?.[1] : layout.cell(id)?.dataset.version;
    if (found) versions[id] = Number(found);
  }
  return versions;
}

/** @type {(layout: import("../core/grid_cells.js").GridCells, ids: string[], versions: Record<string, number>) => void} */
export const takeVersionsIn = (layout, ids, versions) => layout.change(ids, (cell) => takeVersions([cell], versions, Object.keys(versions).length >= MOST_TOLD));

/**
 * Remembers how an image's cell looks.
 * @param {import("../core/grid_cells.js").GridCells} layout
 * @param {string} id
 * @returns {() => void} makes it look so again
 */
export function keepLook(layout, id) {
  const [kept, later] = [layout.kept.get(id), layout.later.get(id) ?? []];
  if (typeof kept !== "string") {
    const look = kept && lookOf(kept);
    return () => layout.change([id], (cell) => look && setLook(cell, look));
  }
  return () => {
    const now = layout.kept.get(id);
    if (now instanceof HTMLElement) setLook(now, lookOf(fromMarkup(kept, later)));
    else if (later.length) layout.later.set(id, later);
    else layout.later.delete(id);
  };
}

/**
 * @param {{why: string, by: string | null, now: string | null}} left
 * @returns {string} why an image was left as it was
 */
export const reasonOf = ({ why, by, now }) => `${why}${by ? ` by ${by}` : ""}${now ? `, now ${now}` : ""}`;
