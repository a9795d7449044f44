// @ts-check
// Mouse and touch on a grid. Mouse: press, Shift and Ctrl, a rubber band by dragging. Touch: a tap opens until something
// is chosen; a long press begins to choose, and dragging on draws a range.
import { clamp } from "./grid_cells.js";

/** @typedef {import("./grid.js").ImageGrid} ImageGrid */

const DRAG_PX = 6;
const LONG_MS = 450;
const EDGE_PX = 48;

/** @param {ImageGrid} grid */
export function startPointer(grid) {
  const { root } = grid;
  let pointer = "mouse";
  let isSpent = false;
  root.addEventListener("pointerdown", (event) => {
    pointer = event.pointerType;
    isSpent = false;
    if (event.button !== 0 || event.defaultPrevented) return;
    const spend = () => (isSpent = true);
    if (pointer === "touch") pressLong(grid, event, spend);
    else dragBand(grid, event, spend);
  });
  root.addEventListener("dragstart", (event) => event.preventDefault());
  root.dataset.ready = ""; // The style sheet keeps presses away until here.
  root.addEventListener("contextmenu", (event) => pointer === "touch" && event.preventDefault());
  root.addEventListener("dblclick", (event) => pointer !== "touch" && !event.ctrlKey && !event.shiftKey && grid.open(grid.cellOf(event.target)));
  root.addEventListener("click", (event) => {
    const cell = grid.cellOf(event.target);
    if (!cell || isSpent) return;
    const id = cell.dataset.id ?? "";
    const onCheck = event.target instanceof Element && event.target.closest(".cell-check");
    const isChoosing = root.dataset.tap === "toggle" || grid.count > 0 || !cell.dataset.href;
    if (event.shiftKey) grid.range(id);
    else if (event.ctrlKey || event.metaKey || onCheck || root.dataset.press === "toggle" || (pointer === "touch" && isChoosing)) grid.toggle(id);
    else if (pointer === "touch") grid.open(cell);
    else grid.only(id);
    cell.focus({ preventScroll: true });
  });
}

/**
 * @param {ImageGrid} grid
 * @param {PointerEvent} down
 * @param {() => void} spend the press that ends this is no click
 */
function dragBand(grid, down, spend) {
  const { root } = grid;
  const box = () => root.getBoundingClientRect();
  const start = { x: down.clientX - box().left, y: down.clientY - box().top };
  const adds = down.ctrlKey || down.metaKey || down.shiftKey;
  const before = new Set(adds ? grid.selected : []);
  let at = { x: down.clientX, y: down.clientY };
  /** @type {HTMLElement | null} */
  let band = null;

  const draw = () => {
    if (!band) return;
    const { left, top } = box();
    const [x, y] = [left + start.x, top + start.y];
    const sides = { left: Math.min(x, at.x), top: Math.min(y, at.y), width: Math.abs(x - at.x), height: Math.abs(y - at.y) };
    for (const [side, value] of Object.entries(sides)) band.style.setProperty(side, `${value}px`);
    choose(grid, before, within(grid, sides));
  };
  /** @param {PointerEvent} event */
  const move = (event) => {
    at = { x: event.clientX, y: event.clientY };
    if (!band && Math.hypot(at.x - down.clientX, at.y - down.clientY) < DRAG_PX) return;
    if (!band) {
      band = document.createElement("div");
      band.className = "grid-band";
      document.body.append(band);
      spend();
    }
    draw();
  };
  const stopEdges = scrollAtEdges(() => (band ? at.y : null), draw);
  follow(move, () => {
    stopEdges();
    band?.remove();
  });
}

/**
 * @param {ImageGrid} grid
 * @param {PointerEvent} down
 * @param {() => void} spend
 */
function pressLong(grid, down, spend) {
  const cell = grid.cellOf(down.target);
  if (!cell) return;
  const id = cell.dataset.id ?? "";
  let isLong = false;
  let y = down.clientY;
  /** @type {Set<string>} */
  let before = new Set();
  const timer = window.setTimeout(() => {
    isLong = true;
    spend();
    before = new Set(grid.selected);
    grid.toggle(id);
    navigator.vibrate?.(10);
  }, LONG_MS);
  /** @param {TouchEvent} event */
  const hold = (event) => {
    const touch = event.touches[0];
    if (!isLong) {
      if (Math.hypot(touch.clientX - down.clientX, touch.clientY - down.clientY) > DRAG_PX) clearTimeout(timer);
      return;
    }
    event.preventDefault();
    y = touch.clientY;
    const over = grid.cellOf(document.elementFromPoint(touch.clientX, y));
    if (!over || !grid.root.contains(over)) return;
    const [from, to] = [grid.layout.indexOf(id), grid.layout.indexOf(over.dataset.id ?? "")].sort((one, other) => one - other);
    choose(grid, before, grid.ids.slice(from, to + 1));
  };
  const stopEdges = scrollAtEdges(() => (isLong ? y : null), () => {});
  const end = () => {
    clearTimeout(timer);
    stopEdges();
    grid.root.removeEventListener("touchmove", hold);
    for (const name of ["touchend", "touchcancel"]) grid.root.removeEventListener(name, end);
  };
  grid.root.addEventListener("touchmove", hold, { passive: false });
  for (const name of ["touchend", "touchcancel"]) grid.root.addEventListener(name, end);
}

/** @type {(grid: ImageGrid, before: Set<string>, ids: string[]) => void} those chosen before, and these */
function choose(grid, before, ids) {
  grid.choice.none();
  for (const id of before) grid.choice.set(id, true);
  grid.choose(ids, true);
  if (ids.length) grid.anchor = ids[0];
}

/**
 * @param {ImageGrid} grid
 * @param {{left: number, top: number, width: number, height: number}} sides of the band, in the window
 * @returns {string[]} the images it touches, in the page or not
 */
function within({ root, ids, layout }, { left, top, width, height }) {
  const { columns, pitch } = layout.measure();
  const { left: edge, width: whole } = root.getBoundingClientRect();
  const column = (/** @type {number} */ x) => clamp(Math.floor(((x - edge) / whole) * columns), 0, columns - 1);
  const row = (/** @type {number} */ y) => Math.floor((y - layout.top) / pitch);
  const found = [];
  for (let at = Math.max(0, row(top)); at <= row(top + height); at++) {
    const start = at * columns - layout.base;
    if (start >= ids.length) break;
    found.push(...ids.slice(Math.max(0, start + column(left)), Math.max(0, start + column(left + width) + 1)));
  }
  return found;
}

/**
 * @param {() => number | null} where the pointer is, in the window; null: not dragging
 * @param {() => void} after
 * @returns {() => void} ends it
 */
function scrollAtEdges(where, after) {
  let frame = requestAnimationFrame(function step() {
    const y = where();
    const by = y === null ? 0 : y < EDGE_PX ? y - EDGE_PX : y > window.innerHeight - EDGE_PX ? y - window.innerHeight + EDGE_PX : 0;
    if (by) {
      window.scrollBy({ top: by / 3, behavior: "instant" });
      after();
    }
    frame = requestAnimationFrame(step);
  });
  return () => cancelAnimationFrame(frame);
}

/** @type {(move: (event: PointerEvent) => void, end: () => void) => void} until the press ends */
function follow(move, end) {
  const stop = new AbortController();
  const done = () => {
    stop.abort();
    end();
  };
  window.addEventListener("pointermove", move, { signal: stop.signal });
  for (const name of ["pointerup", "pointercancel"]) window.addEventListener(name, done, { signal: stop.signal });
}
