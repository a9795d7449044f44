// @ts-check
// Further cells of an endless grid: fetched ahead of the scroll in both directions; leaving and coming back finds the
// same place. The first cells come with the page; `data-older` and `data-newer` say where it goes on (empty: nowhere).
// `data-more` answers ?before=, ?after= and ?at= with an element that has both again and holds the cells.
import { getFragment } from "./fetch.js";
import { t } from "./texts.js";
import { toastError } from "./toast.js";

/** @typedef {"newer" | "older"} Side */

const KEPT = 2000;
const SETTLED_MS = 150;
const PARAMETER = { newer: "after", older: "before" };

export class GridPages {
  /**
   * @param {import("./grid.js").ImageGrid} grid
   * @param {import("./grid_window.js").GridWindow} layout
   */
  constructor(grid, layout) {
    this.grid = grid;
    this.layout = layout;
    /** @type {Set<Side>} */
    this.fetching = new Set();
    this.ends = endsOf(grid.root);
    layout.goesOn = Boolean(this.ends.older);
    layout.onPlace = () => this.look();
    grid.root.dataset.loaded = String(layout.ids.length);
    history.scrollRestoration = "manual";
    let timer = 0;
    const save = () => {
      clearTimeout(timer);
      timer = window.setTimeout(() => this.save(), SETTLED_MS);
    };
    document.addEventListener("scroll", save, { capture: true, passive: true });
    for (const name of ["selectionchange", "focusin"]) grid.root.addEventListener(name, save);
    window.addEventListener("pagehide", () => this.save());
    void this.restore();
  }

  /** Fetches on where less than three screens are left. */
  look() {
    const { layout } = this;
    const ahead = 3 * layout.measured.columns * Math.ceil(window.innerHeight / layout.measured.pitch);
    if (this.ends.older && layout.ids.length - layout.last < ahead) void this.fetch("older");
    if (this.ends.newer && layout.first < ahead) void this.fetch("newer");
  }

  /** @param {Side} side */
  async fetch(side) {
    if (this.fetching.has(side)) return;
    this.fetching.add(side);
    this.grid.root.setAttribute("aria-busy", "true");
    try {
      const page = await this.ask(PARAMETER[side], this.ends[side]);
      this.ends[side] = page.ends[side];
      this.layout.add(page.cells, side, Boolean(page.ends[side]));
      this.fetching.delete(side);
      if (!this.layout.ids.length && !this.ends.older) this.sayNone();
      this.look();
    } catch (error) {
      toastError(error, () => {
        this.fetching.delete(side);
        return this.fetch(side);
      });
    } finally {
      if (!this.fetching.size) this.grid.root.removeAttribute("aria-busy");
      this.grid.root.dataset.loaded = String(this.layout.ids.length);
    }
  }

  /** The list was looked through to its end: nothing is in it. */
  sayNone() {
    const words = Object.assign(document.createElement("p"), { className: "empty-text inset", textContent: t("Nothing matches") });
    this.grid.root.after(words);
  }

  /**
   * @param {string} name
   * @param {string} cursor
   */
  async ask(name, cursor) {
    const address = new URL(this.grid.root.dataset.more ?? "", location.href);
    address.searchParams.set(name, cursor);
    const frame = document.createElement("template");
    frame.innerHTML = await getFragment(address.href);
    const page = /** @type {HTMLElement} */ (frame.content.firstElementChild);
    return { ends: endsOf(page), cells: /** @type {HTMLElement[]} */ ([...page.children]) };
  }

  /** Notes the place in the history's entry of this page. */
  save() {
    if (this.isRestoring) return;
    const { grid, layout } = this;
    const { id, top } = layout.anchor();
    const place = layout.base + layout.indexOf(id);
    const chosen = grid.choice.isAll || grid.count > KEPT ? [] : grid.selected;
    const hasFocus = grid.root.contains(document.activeElement);
    history.replaceState({ ...history.state, grid: { id, top, place, chosen, held: grid.held, hasFocus } }, "");
  }

  /** Goes back to where one was when this entry of the history was left. */
  async restore() {
    const saved = history.state?.grid;
    if (!saved) {
      this.layout.update();
      this.look();
      return;
    }
    const { grid, layout } = this;
    this.isRestoring = true;
    try {
      if (layout.indexOf(saved.id) < 0) {
        const page = await this.ask("at", saved.id);
        if (page.cells.length) this.begin(page, saved.place);
      }
      const at = layout.indexOf(saved.id);
      const looked = sessionStorage.getItem("winnow-last-image") ?? "";
      layout.update();
      if (at >= 0) window.scrollBy({ top: layout.topOf(at) - saved.top, behavior: "instant" });
      layout.update();
      grid.held = layout.indexOf(looked) >= 0 && saved.hasFocus ? looked : saved.held;
      grid.choose(saved.chosen.filter((/** @type {string} */ id) => layout.indexOf(id) >= 0), true);
      const held = saved.hasFocus && layout.indexOf(grid.held) >= 0 ? layout.reveal(layout.indexOf(grid.held)) : null;
      grid.hold(held);
      held?.focus({ preventScroll: true });
    } catch (error) {
      toastError(error);
    } finally {
      this.isRestoring = false;
      grid.root.dataset.restored = saved.id;
    }
  }

  /**
   * @param {{ends: Record<Side, string>, cells: HTMLElement[]}} page in place of what the page came with
   * @param {number} place of its first image in the list, as it was
   */
  begin(page, place) {
    const { layout } = this;
    layout.root.replaceChildren(...page.cells);
    layout.read();
    this.ends = page.ends;
    layout.base = page.ends.newer ? place : 0;
    layout.goesOn = Boolean(page.ends.older);
  }
}

/** @type {(element: HTMLElement) => Record<Side, string>} */
const endsOf = ({ dataset }) => ({ newer: dataset.newer ?? "", older: dataset.older ?? "" });
