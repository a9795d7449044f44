// @ts-check
// Stacks of near-duplicates: a badge such as +3, or the key d, shows all of a stack.
import { gridOf } from "../core/grid.js";
import { bind } from "../core/keys.js";
import { toast } from "../core/toast.js";

const root = document.getElementById("results");

/** @param {Element | null | undefined} badge */
function open(badge) {
  const address = badge?.getAttribute("data-stack");
  if (address) location.assign(address);
  else toast("Nothing here is a near-duplicate of it.");
}

// Ahead of the grid, which would choose the image.
for (const kind of ["pointerdown", "click"]) {
  const onBadge = (/** @type {Event} */ event) => {
    const badge = event.target instanceof Element ? event.target.closest("[data-stack]") : null;
    if (!badge) return;
    event.preventDefault();
    event.stopPropagation();
    if (kind === "click") open(badge);
  };
  root?.addEventListener(kind, onBadge, { capture: true });
}

if (root?.matches("[data-grid]")) {
  bind("d", "Show the near-duplicates of this image", () => open(gridOf(root).current?.querySelector("[data-stack]")), { group: "Chosen images" });
}
