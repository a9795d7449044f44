// @ts-check
// What every page has: theme, menus and keys; of tabs that do not fit, the current one is in sight.
import { startListLinks } from "./grid_lists.js";
import { startKeys } from "./keys.js";
import { startMenus } from "./menus.js";
import { startScrollers } from "./scrollers.js";
import { startTheme } from "./theme.js";

startTheme();
startMenus();
startKeys();
startScrollers();
startListLinks();
for (const tab of document.querySelectorAll(".tabs [aria-current]")) {
  const [bar, { offsetLeft, offsetWidth }] = [tab.parentElement, /** @type {HTMLElement} */ (tab)];
  if (bar) bar.scrollLeft = offsetLeft - bar.offsetLeft - (bar.clientWidth - offsetWidth) / 2;
}
