// @ts-check
// What scrolls and holds nothing to focus can be reached and scrolled by keyboard; what fits is no stop on the way.

const FOCUSABLE = "a[href], button:enabled, input:enabled, select:enabled, summary, [tabindex]";

/** @param {HTMLElement} part */
const nameOf = (part) =>
  part.querySelector("caption")?.textContent || part.closest("section")?.querySelector("h2, h3")?.textContent || "Table";

function look() {
  for (const part of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll(".table-wrap"))) {
    const scrolls = part.scrollWidth > part.clientWidth || part.scrollHeight > part.clientHeight;
    if (!scrolls || part.hasAttribute("tabindex") || part.querySelector(FOCUSABLE)) continue;
    part.tabIndex = 0;
    part.setAttribute("role", "group");
    part.setAttribute("aria-label", nameOf(part).trim());
  }
}

/** Looks now, and whenever the page changes its size: parts that come later make it higher. */
export function startScrollers() {
  new ResizeObserver(look).observe(document.body);
}
