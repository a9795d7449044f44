// @ts-check
// The theme: the system's, or a remembered choice. The button goes round: system, light, dark.
import { recall, remember } from "./memory.js";

const KEY = "winnow-theme";
const ORDER = /** @type {const} */ (["system", "light", "dark"]);

/** @returns {"system" | "light" | "dark"} */
export function currentTheme() {
  const stored = recall(KEY);
  return stored === "light" || stored === "dark" ? stored : "system";
}

/** @param {"system" | "light" | "dark"} theme */
export function setTheme(theme) {
  remember(KEY, theme === "system" ? null : theme);
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  for (const button of document.querySelectorAll("[data-theme-toggle]")) describe(button);
}

/** @param {Element} button */
function describe(button) {
  const words = `Theme: ${currentTheme()}`;
  button.setAttribute("title", words);
  const word = button.querySelector("[data-theme-word]");
  if (word) word.textContent = words;
}

/** Wires every [data-theme-toggle] of the page. */
export function startTheme() {
  for (const button of document.querySelectorAll("[data-theme-toggle]")) {
    describe(button);
    button.addEventListener("click", () => {
      setTheme(ORDER[(ORDER.indexOf(currentTheme()) + 1) % ORDER.length]);
    });
  }
}
