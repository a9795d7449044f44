// @ts-check
// The keys of a grid: arrows move, Shift draws a range, Space chooses, Enter opens, Ctrl+A takes all (twice: all that match).

/** @typedef {import("./grid.js").ImageGrid} ImageGrid */

/** @param {ImageGrid} grid */
export function startGridKeys(grid) {
  grid.root.addEventListener("keydown", (event) => {
    if (event.altKey || event.defaultPrevented || !grid.ids.length) return;
    if (press(grid, event)) event.preventDefault();
  });
}

/** @type {(grid: ImageGrid, event: KeyboardEvent) => boolean} whether the key was one of the grid's */
function press(grid, event) {
  const isCtrl = event.ctrlKey || event.metaKey;
  const at = Math.max(0, grid.layout.indexOf(grid.held));
  const to = target(grid, event.key, at);
  if (to !== null) moveTo(grid, to, event.shiftKey, at);
  else if (event.key === " " && event.shiftKey) grid.range(grid.ids[at]);
  else if (event.key === " ") grid.toggle(grid.ids[at]);
  else if (isCtrl && event.key.toLowerCase() === "a") chooseAll(grid);
  else if (event.key === "Escape" && grid.count) grid.clear();
  else if (event.key === "Enter" && !isCtrl && grid.cell(grid.held)?.dataset.href) grid.open(grid.cell(grid.held));
  else return false;
  return true;
}

/** @type {(grid: ImageGrid, to: number, draws: boolean, at: number) => void} */
function moveTo(grid, to, draws, at) {
  if (draws && grid.layout.indexOf(grid.anchor) < 0) grid.anchor = grid.ids[at];
  grid.layout.reveal(to)?.focus({ preventScroll: true });
  if (draws) grid.range(grid.ids[to]);
}

/** @param {ImageGrid} grid */
export function chooseAll(grid) {
  if (grid.selected.length === grid.ids.length && grid.choice.isOffered) grid.selectMatching();
  else grid.selectAll();
}

/** @type {(grid: ImageGrid, key: string, at: number) => number | null} where the focus goes */
function target({ layout, ids }, key, at) {
  const { columns, pitch } = layout.measure();
  const page = columns * Math.max(1, Math.floor(window.innerHeight / pitch) - 1);
  const last = ids.length - 1;
  if (key === "Home") return 0;
  if (key === "End") return last;
  if (key === "PageDown") return Math.min(last, at + page);
  if (key === "PageUp") return Math.max(0, at - page);
  const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[key];
  if (step === undefined) return null;
  return at + step >= 0 && at + step <= last ? at + step : at;
}
