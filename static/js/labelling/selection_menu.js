// @ts-check
// "More" in the selection bar: the rarer acts, and where one can go with what is chosen. Links are made when it opens.
import { t } from "../core/texts.js";
import { identifyActs } from "./selection_identify.js";
import { reviewActs } from "./selection_review.js";

/** @typedef {import("../core/grid.js").ImageGrid} ImageGrid */
/** @typedef {{act: string, word: string, key: string, title: string}} Verdict */

const MOST_EXAMPLES = 100;
const LEADING = ["engineer", "administrator"];

/**
 * Places to go with a selection: an address, or "" where it cannot be said in one.
 * @type {{word: () => string, roles?: string[], address: (base: string, grid: ImageGrid) => string}[]}
 */
const PLACES = [
  {
    word: () => t("Find similar"),
    address: (base, { count, selected }) => (count && count <= MOST_EXAMPLES ? `${base}/similar?ids=${selected.join(",")}` : ""),
  },
  { word: () => t("Identify all that match"), roles: LEADING, address: (base, grid) => ofList(grid, (query) => `${base}/identify?query=${encodeURIComponent(query)}`) },
  { word: () => t("Export all that match"), roles: LEADING, address: (base, grid) => ofList(grid, (query) => `${base}/exports?${query}`) },
];

/** @type {(grid: ImageGrid, address: (query: string) => string) => string} */
const ofList = ({ root }, address) => (root.dataset.filter === undefined ? "" : address(root.dataset.filter));

/**
 * @param {{base: string, role: string, grid: ImageGrid, acts: HTMLElement[]}} options acts: buttons of the rarer acts
 * @returns {HTMLDetailsElement}
 */
export function moreMenu({ base, role, grid, acts }) {
  const menu = document.createElement("details");
  menu.className = "menu menu-up";
  menu.dataset.menu = "";
  const summary = document.createElement("summary");
  summary.className = "menu-button";
  summary.textContent = t("More");
  const list = document.createElement("div");
  list.className = "menu-list";
  const further = [...reviewActs({ base, role, grid }), ...identifyActs({ base, role, grid })];
  list.append(...acts, ...further);
  const links = PLACES.filter(({ roles }) => !roles || roles.includes(role)).map((place) => {
    const link = Object.assign(document.createElement("a"), { className: "menu-entry", textContent: place.word() });
    list.append(link);
    return { link, place };
  });
  for (const act of [...acts, ...further]) act.addEventListener("click", () => (menu.open = false));
  menu.append(summary, list);
  menu.addEventListener("toggle", () => {
    for (const act of further) act.toggleAttribute("disabled", !grid.count);
    for (const { link, place } of links) {
      const address = menu.open ? place.address(base, grid) : "";
      link.hidden = !address;
      if (address) link.href = address;
      else link.removeAttribute("href");
    }
  });
  return menu;
}
