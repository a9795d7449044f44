// @ts-check
// The cells of a grid, all of them in the page. (grid_window.js keeps only those near the window there.)

const SELECTOR = ".cell[data-id]";

export class GridCells {
  /**
   * @param {HTMLElement} root
   * @param {(cell: HTMLElement, id: string) => void} dress called with every cell that comes into the page
   */
  constructor(root, dress) {
    this.root = root;
    /** @type {(cell: HTMLElement, id: string) => void} */
    this.dress = (cell, id) => {
      this.suit(cell);
      dress(cell, id);
    };
    /** @type {() => void} called when another part of the list is in the page */
    this.onPlace = () => {};
    /** @type {string[]} every image that was loaded, in the order of the list */
    this.ids = [];
    /** @type {Map<string, HTMLElement | string>} by id, the cell or its markup */
    this.kept = new Map();
    /** @type {Map<string, ((cell: HTMLElement) => void)[]>} by id, what is to be done to a cell when it is one again */
    this.later = new Map();
    /** @type {Map<string, number> | null} */
    this.places = null;
    /** how many images of the list come before the first one loaded, as far as is known */
    this.base = 0;
    this.measured = { columns: 1, pitch: 100 };
  }

  /** @param {HTMLElement} cell the largest cells show more than a thumbnail has */
  suit(cell) {
    const image = cell.querySelector(".cell-image");
    const now = image?.getAttribute("src") ?? "";
    const wanted = now.replace(/\/(thumbnail|rendition)\?/, this.root.classList.contains("grid-xl") ? "/rendition?" : "/thumbnail?");
    if (wanted !== now) image?.setAttribute("src", wanted);
  }

  /** @returns {HTMLElement[]} those in the page */
  get shown() {
    return /** @type {HTMLElement[]} */ ([...this.root.querySelectorAll(SELECTOR)]);
  }

  /** Takes what the page holds as the whole list. */
  read() {
    const cells = this.shown;
    this.kept = new Map(cells.map((cell) => [cell.dataset.id ?? "", cell]));
    this.ids = [...this.kept.keys()];
    this.places = null;
    for (const cell of cells) this.dress(cell, cell.dataset.id ?? "");
  }

  /** @type {(id: string) => number} its place among those loaded, or -1 */
  indexOf(id) {
    this.places ??= new Map(this.ids.map((one, at) => [one, at]));
    return this.places.get(id) ?? -1;
  }

  /** @type {(id: string) => HTMLElement | null} the cell, whether or not it is in the page now */
  cell(id) {
    const kept = this.kept.get(id);
    if (typeof kept !== "string") return kept ?? null;
    const made = fromMarkup(kept, this.later.get(id));
    this.kept.set(id, made);
    this.later.delete(id);
    return made;
  }

  /** @type {(ids: string[], change: (cell: HTMLElement) => void) => void} now, or for cells kept as markup when they are made again */
  change(ids, change) {
    for (const id of ids) {
      const kept = this.kept.get(id);
      if (typeof kept === "string") this.later.set(id, [...(this.later.get(id) ?? []), change]);
      else if (kept) change(kept);
    }
  }

  /** @param {Set<string>} gone */
  remove(gone) {
    for (const id of gone) {
      const kept = this.kept.get(id);
      if (kept instanceof HTMLElement) kept.remove();
      this.kept.delete(id);
      this.later.delete(id);
    }
    this.ids = this.ids.filter((id) => !gone.has(id));
    this.places = null;
  }

  /** @returns {{columns: number, pitch: number}} cells in a row, and from one row to the next, as laid out now */
  measure() {
    const cell = this.shown[0];
    if (!cell) return this.measured;
    const { gridTemplateColumns, rowGap } = getComputedStyle(this.root);
    const pitch = cell.getBoundingClientRect().height + (parseFloat(rowGap) || 0);
    this.measured = { columns: Math.max(1, gridTemplateColumns.split(" ").length), pitch: pitch || this.measured.pitch };
    return this.measured;
  }

  /** @returns {number} where the first row begins, from the window's top */
  get top() {
    return this.root.getBoundingClientRect().top;
  }

  /** @type {(at: number) => number} where a cell is, or would be, from the window's top */
  topOf(at) {
    const { columns, pitch } = this.measured;
    return this.top + Math.floor((this.base + at) / columns) * pitch;
  }

  /**
   * Scrolls as little as needed to have a cell in sight.
   * @param {number} at
   * @returns {HTMLElement | null}
   */
  reveal(at) {
    const cell = this.cell(this.ids[at] ?? "");
    cell?.scrollIntoView({ block: "nearest" });
    return cell;
  }
}

/** @type {(value: number, least: number, most: number) => number} */
export const clamp = (value, least, most) => Math.max(least, Math.min(most, value));

/** @type {(markup: string, changes?: ((cell: HTMLElement) => void)[]) => HTMLElement} a cell that was kept as markup */
export function fromMarkup(markup, changes = []) {
  const frame = document.createElement("template");
  frame.innerHTML = markup;
  const made = /** @type {HTMLElement} */ (frame.content.firstElementChild);
  for (const change of changes) change(made);
  return made;
}
