// @ts-check
// An endless grid of links, for those who look and change nothing: the pages of grid.js without the choosing.
import { GridPages } from "./grid_pages.js";
import { GridWindow } from "./grid_window.js";

/** @param {HTMLElement} root a `.grid[data-more]` of `a.cell[data-id]` */
export function startReading(root) {
  const layout = new GridWindow(root, () => {});
  root.tabIndex = -1;
  layout.read();
  const choice = { isAll: false };
  const nothing = () => {};
  const cell = (/** @type {string} */ id) => layout.cell(id);
  new GridPages(/** @type {any} */ ({ root, layout, choice, count: 0, selected: [], held: "", cell, hold: nothing, choose: nothing }), layout);
}
