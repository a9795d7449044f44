// @ts-check
// A grid of any length with a bounded page: only the cells within a screen of the window are in it. What leaves is kept
// as markup and comes back as it was; paddings stand for the rows that are not there. Rows are all of one height.
import { clamp, GridCells } from "./grid_cells.js";

export class GridWindow extends GridCells {
  /**
   * @param {HTMLElement} root
   * @param {(cell: HTMLElement, id: string) => void} dress
   */
  constructor(root, dress) {
    super(root, dress);
    /** whether the list goes on after the last one loaded */
    this.goesOn = false;
    this.first = 0;
    this.last = 0;
    /** @type {Set<string>} those that are elements now */
    this.live = new Set();
    /** @type {{id: string, top: number} | null} what was first in sight */
    this.seen = null;
    this.awaits = 0;
    const soon = () => (this.awaits ||= requestAnimationFrame(() => this.update()));
    document.addEventListener("scroll", soon, { capture: true, passive: true });
    new ResizeObserver(soon).observe(document.documentElement);
    window.addEventListener("resize", soon);
  }

  read() {
    super.read();
    this.live = new Set(this.ids);
    [this.first, this.last] = [0, this.ids.length];
  }

  /** @type {(id: string) => HTMLElement | null} */
  cell(id) {
    const found = super.cell(id);
    if (found) this.live.add(id);
    return found;
  }

  /** @param {Set<string>} gone */
  remove(gone) {
    for (const id of gone) this.live.delete(id);
    this.keepPlace(() => super.remove(gone));
  }

  /**
   * Adds cells that are not known yet at one end of the list; what is in sight stays where it is.
   * @param {HTMLElement[]} cells
   * @param {"newer" | "older"} side
   * @param {boolean} goesOn whether more come after them, on that side
   */
  add(cells, side, goesOn) {
    const fresh = cells.filter((cell) => !this.kept.has(cell.dataset.id ?? ""));
    const ids = fresh.map((cell) => cell.dataset.id ?? "");
    fresh.forEach((cell, at) => this.kept.set(ids[at], cell));
    for (const id of ids) this.live.add(id);
    this.keepPlace(() => {
      this.places = null;
      if (side === "older") {
        this.ids.push(...ids);
        this.goesOn = goesOn;
      } else {
        this.ids.unshift(...ids);
        this.base = goesOn ? Math.max(0, this.base - ids.length) : 0;
      }
    });
  }

  /** @param {() => void} change to the list, after which the first cell in sight is where it was */
  keepPlace(change) {
    const { id, top } = this.anchor();
    change();
    this.update();
    const at = this.indexOf(id);
    if (at < 0 || Math.abs(this.topOf(at) - top) < 1) return;
    window.scrollBy({ top: this.topOf(at) - top, behavior: "instant" });
    this.update();
  }

  /** @returns {{id: string, top: number}} the first cell that is wholly in sight, and how far from the window's top */
  anchor() {
    const { columns, pitch } = this.measure();
    const row = Math.max(0, Math.ceil(-this.top / pitch));
    const at = clamp(row * columns - this.base, 0, Math.max(0, this.ids.length - 1));
    return { id: this.ids[at] ?? "", top: this.topOf(at) };
  }

  /** Brings into the page what is near the window, and takes out what is far. @returns {void} */
  update() {
    cancelAnimationFrame(this.awaits);
    this.awaits = 0;
    const count = this.ids.length;
    if (!count || !this.root.clientWidth) return;
    const [before, wasBare] = [this.measured, !this.root.firstElementChild];
    const { columns, pitch } = this.measure();
    if (this.seen && (before.columns !== columns || Math.abs(before.pitch - pitch) > 1)) {
      for (const cell of this.shown) this.suit(cell);
      this.follow(this.seen);
    }
    const screen = Math.ceil(window.innerHeight / pitch) + 1;
    const row = Math.floor(-this.top / pitch);
    const startOfLast = Math.max(0, count - 1 - ((this.base + count - 1) % columns));
    const from = clamp((row - screen) * columns - this.base, 0, startOfLast);
    const to = clamp((row + 2 * screen) * columns - this.base, Math.min(from + columns, count), count);
    this.place(from, to);
    const rows = Math.ceil((this.base + count) / columns) + (this.goesOn ? screen : 0);
    this.root.style.paddingTop = `${Math.floor((this.base + from) / columns) * pitch}px`;
    this.root.style.paddingBottom = `${Math.max(0, rows - Math.ceil((this.base + to) / columns)) * pitch}px`;
    if (wasBare) return this.update(); // Only now there is a cell to measure by.
    this.seen = this.anchor();
    return this.onPlace();
  }

  /** @param {{id: string, top: number}} seen the layout changed: what was first in sight stays there */
  follow({ id, top }) {
    const at = this.indexOf(id);
    if (at < 0) return;
    this.root.style.paddingBottom = `${(this.ids.length / this.measured.columns + 1) * this.measured.pitch}px`;
    window.scrollBy({ top: this.topOf(at) - top, behavior: "instant" });
  }

  /** @type {(from: number, to: number) => void} */
  place(from, to) {
    const wanted = new Set(this.ids.slice(from, to));
    for (const id of this.live) if (!wanted.has(id)) this.park(id);
    /** @type {Element | null} */
    let next = null;
    for (const id of [...wanted].reverse()) {
      const cell = /** @type {HTMLElement} */ (this.cell(id));
      if (cell.parentElement !== this.root || cell.nextElementSibling !== next) {
        this.root.insertBefore(cell, next);
        this.dress(cell, id);
      }
      if (cell.style.gridColumnStart) cell.style.gridColumnStart = "";
      next = cell;
    }
    [this.first, this.last] = [from, to];
    const lead = (this.base + from) % this.measured.columns;
    if (lead && next) /** @type {HTMLElement} */ (next).style.gridColumnStart = String(lead + 1);
  }

  /** @param {string} id leaves the page; the focus stays with the grid */
  park(id) {
    const cell = /** @type {HTMLElement} */ (this.kept.get(id));
    if (cell.contains(document.activeElement)) this.root.focus({ preventScroll: true });
    cell.remove();
    this.kept.set(id, cell.outerHTML);
    this.live.delete(id);
  }

  /**
   * @param {number} at
   * @returns {HTMLElement | null}
   */
  reveal(at) {
    const [top, room] = [this.topOf(at), window.innerHeight];
    if (top < -this.measured.pitch || top > room) window.scrollBy({ top: top - room / 3, behavior: "instant" });
    this.update();
    return super.reveal(at);
  }
}
