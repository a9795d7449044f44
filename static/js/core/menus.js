// @ts-check
// <details data-menu>: one open at a time; Escape and a press elsewhere close it.

/** @returns {HTMLDetailsElement[]} */
const openMenus = () => [...document.querySelectorAll("details[data-menu][open]")].filter((one) => one instanceof HTMLDetailsElement);

/** Wires every menu of the page, those that come later included. */
export function startMenus() {
  document.addEventListener("pointerdown", (event) => {
    for (const menu of openMenus()) if (!menu.contains(/** @type {Node} */ (event.target))) menu.open = false;
  });
  document.addEventListener("focusin", (event) => {
    for (const menu of openMenus()) if (!menu.contains(/** @type {Node} */ (event.target))) menu.open = false;
  });
  document.addEventListener(
    "keydown",
    (event) => {
      const menu = openMenus().at(-1);
      if (event.key !== "Escape" || !menu) return;
      const held = menu.contains(document.activeElement);
      menu.open = false;
      if (held) menu.querySelector("summary")?.focus();
      event.preventDefault();
    },
    true,
  );
}
