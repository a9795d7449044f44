// @ts-check
// The library's grid: scrolls on without end, and remembers how large this browser wants its pictures.
import { gridOf } from "../core/grid.js";
import { chooseAll } from "../core/grid_keys.js";
import { startReading } from "../core/grid_reading.js";
import { bind } from "../core/keys.js";
import { t } from "../core/texts.js";

const YEAR_S = 31_536_000;
const grid = document.getElementById("images");

if (grid) {
  startSizes(grid);
  if (grid.matches("[data-grid]")) startKeys(gridOf(grid));
  else startReading(grid);
  // Page links are for browsers without scripts.
  for (const pager of document.querySelectorAll(".pager")) pager.remove();
}

/** @param {import("../core/grid.js").ImageGrid} images the grid has its keys itself: here they work from elsewhere too, and are told */
function startKeys(images) {
  const group = { group: t("Grid") };
  const enter = () => images.current?.focus();
  bind("Enter", t("Look at an image closely, on the light table"), () => false, group);
  bind("Escape", t("Choose none"), () => images.clear(), group);
  bind("Ctrl+a", t("Choose all that are loaded; again: all that match"), () => (enter(), chooseAll(images)), group);
  bind("Space", t("Choose an image, or leave it out"), () => false, group);
  bind("ArrowDown", t("Into the grid, and on by arrows; with Shift a range"), () => (document.activeElement === document.body ? enter() : false), group);
}

/** @param {HTMLElement} root */
function startSizes(root) {
  const links = /** @type {HTMLElement[]} */ ([...document.querySelectorAll("[data-sizes] [data-size]")]);
  for (const link of links) {
    link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      const size = link.dataset.size ?? "m";
      document.cookie = `winnow_size=${size}; path=/; max-age=${YEAR_S}; samesite=lax`;
      for (const other of links) {
        root.classList.toggle(`grid-${other.dataset.size}`, other === link);
        other.toggleAttribute("aria-current", false);
      }
      link.setAttribute("aria-current", "true");
      window.dispatchEvent(new Event("resize"));
    });
  }
}
