// @ts-check
// An image grid: cells are chosen by press, range, rubber band, touch and keys (WAI-ARIA APG: listbox, several choices).
//
// Markup: `[data-grid]` around `.cell[role=option][data-id]`, with `data-href` for Enter and a double press. Optional:
//   data-more     address of further cells: the grid scrolls on without end and keeps few of them in the page (grid_pages.js)
//   data-filter   query of the filter behind the list: all that match can be chosen, with data-total and data-seen-at
//   data-list     words for the way back ("Results"): images open in the light table with this list to walk through
//   data-tap      "toggle": a tap chooses. Else a tap opens, and a long press begins to choose.
//   data-press    "toggle": a press of the mouse adds or takes away one. Else it chooses that one alone.
// For scripts: gridOf(root) → .ids .selected .count .selection .cell(id) .cells .current; .clear() .selectAll()
//   .selectMatching() .remove(ids) .mark(ids, state) .refresh(). `selection` is what requests take (app/library/selection.py).
// Events on the root: "selectionchange" {count}; "open" {id, href}, to be prevented by who opens it otherwise.
import { GridCells } from "./grid_cells.js";
import { Choice } from "./grid_choice.js";
import { startGridKeys } from "./grid_keys.js";
import { withList } from "./grid_lists.js";
import { GridPages } from "./grid_pages.js";
import { GridWindow } from "./grid_window.js";
import { startPointer } from "./grid_pointer.js";

const grids = /** @type {WeakMap<HTMLElement, ImageGrid>} */ (new WeakMap());

export class ImageGrid {
  /** @param {HTMLElement} root */
  constructor(root) {
    grids.set(root, this);
    this.root = root;
    this.isEndless = root.dataset.more !== undefined;
    this.choice = new Choice(root.dataset);
    /** the image that has, or would take, the focus; and the one from which a range is drawn */
    this.held = "";
    this.anchor = "";
    const dress = (/** @type {HTMLElement} */ cell, /** @type {string} */ id) => this.dress(cell, id);
    this.layout = this.isEndless ? new GridWindow(root, dress) : new GridCells(root, dress);
    if (this.isEndless) root.tabIndex = -1;
    root.addEventListener("focusin", (event) => this.hold(this.cellOf(event.target)));
    startGridKeys(this);
    startPointer(this);
    this.refresh();
    if (this.isEndless) this.pages = new GridPages(this, /** @type {GridWindow} */ (this.layout));
  }

  /** @returns {string[]} all that were loaded, in the order of the list */
  get ids() {
    return this.layout.ids;
  }

  /** @returns {HTMLElement[]} those in the page now */
  get cells() {
    return this.layout.shown;
  }

  /** @returns {string[]} those chosen among the loaded, in the order of the list */
  get selected() {
    return this.ids.filter((id) => this.choice.has(id));
  }

  /** @returns {number} how many are chosen, loaded or not */
  get count() {
    return this.choice.count;
  }

  /** What is chosen, for requests; null where nothing is. */
  get selection() {
    return this.choice.isAll ? this.choice.selection : this.count ? { image_ids: this.selected.map(Number) } : null;
  }

  /** @returns {HTMLElement | null} the cell that has, or would take, the focus */
  get current() {
    return this.root.querySelector('.cell[tabindex="0"]');
  }

  /** @type {(id: string) => HTMLElement | null} the cell, also where it is not in the page now */
  cell(id) {
    return this.layout.cell(id);
  }

  /** @param {EventTarget | null} target */
  cellOf(target) {
    return target instanceof Element ? /** @type {HTMLElement | null} */ (target.closest(".cell[data-id]")) : null;
  }

  /** To be called after cells came or went by other hands. */
  refresh() {
    this.layout.read();
    this.choice.keep(new Set(this.ids));
    this.tell();
  }

  /** @type {(cell: HTMLElement, id: string) => void} gives a cell that comes into the page what is known of it */
  dress(cell, id) {
    cell.setAttribute("aria-selected", String(this.choice.has(id)));
    cell.tabIndex = id === this.held ? 0 : -1;
    if (this.isEndless) {
      cell.setAttribute("aria-posinset", String(this.layout.base + this.layout.indexOf(id) + 1));
      cell.setAttribute("aria-setsize", this.root.dataset.total || "-1");
    }
    if (id === this.held && document.activeElement === this.root) requestAnimationFrame(() => cell.focus({ preventScroll: true }));
  }

  selectAll() {
    this.choose(this.ids, true);
  }

  /** Chooses all that match the filter, loaded or not. */
  selectMatching() {
    this.choice.all();
    this.tell();
  }

  clear() {
    this.choice.none();
    this.tell();
  }

  /** @type {(ids: string[], isOn: boolean) => void} */
  choose(ids, isOn) {
    for (const id of ids) this.choice.set(id, isOn);
    this.tell();
  }

  /** @param {string} id */
  only(id) {
    this.choice.none();
    this.anchor = id;
    this.choose([id], true);
  }

  /** @param {string} id */
  toggle(id) {
    this.anchor = id;
    this.choose([id], !this.choice.has(id));
  }

  /** @param {string} id chooses everything between the anchor and it */
  range(id) {
    const [from, to] = [Math.max(0, this.layout.indexOf(this.anchor)), this.layout.indexOf(id)].sort((one, other) => one - other);
    this.choice.none();
    this.choose(this.ids.slice(from, to + 1), true);
  }

  /** @param {string[]} ids images that leave the list; the focus goes to the neighbour */
  remove(ids) {
    const gone = new Set(ids);
    const held = this.root.contains(document.activeElement);
    const at = Math.max(0, this.layout.indexOf(this.held));
    const stays = (/** @type {string} */ id) => !gone.has(id);
    const next = this.ids.slice(at).find(stays) ?? this.ids.slice(0, at).findLast(stays) ?? "";
    this.layout.remove(gone);
    for (const id of gone) this.choice.forget(id);
    this.hold(this.cell(next));
    if (held) (this.cell(next) ?? this.root).focus();
    this.tell();
  }

  /** @type {(ids: string[], state: "" | "busy" | "gone" | "failed") => void} shows where an act on images stands */
  mark(ids, state) {
    this.layout.change(ids, (cell) => {
      if (state) cell.dataset.state = state;
      else delete cell.dataset.state;
    });
  }

  /** @type {(ids: string[]) => HTMLElement[]} the cells of the images that were loaded, in the page or not */
  cellsOf(ids) {
    return ids.map((id) => this.cell(id)).filter((cell) => cell !== null);
  }

  /** @param {HTMLElement | null} cell */
  hold(cell) {
    if (!cell) return;
    this.held = cell.dataset.id ?? "";
    this.anchor ||= this.held;
    if (cell === this.current) return;
    for (const other of this.root.querySelectorAll('.cell[tabindex="0"]')) other.setAttribute("tabindex", "-1");
    cell.tabIndex = 0;
  }

  /** @param {HTMLElement | null} cell */
  open(cell) {
    const { id = "", href } = cell?.dataset ?? {};
    if (!href) return;
    const event = new CustomEvent("open", { bubbles: true, cancelable: true, detail: { id, href } });
    const { list } = this.root.dataset;
    if (this.root.dispatchEvent(event)) location.assign(list ? withList(href, this.ids, id, list) : href);
  }

  tell() {
    for (const cell of this.cells) {
      const isChosen = String(this.choice.has(cell.dataset.id ?? ""));
      if (cell.getAttribute("aria-selected") !== isChosen) cell.setAttribute("aria-selected", isChosen);
    }
    if (!this.current) this.cells[0]?.setAttribute("tabindex", "0");
    this.root.toggleAttribute("data-selecting", this.count > 0);
    this.root.dispatchEvent(new CustomEvent("selectionchange", { bubbles: true, detail: { count: this.count } }));
  }
}

/** @type {(root: HTMLElement) => ImageGrid} the one that wires it; there is never a second */
export const gridOf = (root) => grids.get(root) ?? new ImageGrid(root);
