// @ts-check
// A grid's list for the light table, where no filter of the library makes it: kept for this tab, found by `list=` in the
// address. A grid has it with `data-list`, the words for the way back; so has any other element around links to images.

const KEY = "winnow-list:";
const KEPT = 5000;

/** @typedef {{ids: string[], back: string, words: string}} KeptList */

/**
 * @param {string} href of an image
 * @param {string[]} ids
 * @param {string} id the image's own
 * @param {string} words
 * @returns {string} the address with the list
 */
export function withList(href, ids, id, words) {
  const at = Math.max(0, ids.indexOf(id));
  const near = ids.slice(Math.max(0, at - KEPT / 2), at + KEPT / 2);
  const address = new URL(href, location.href);
  const name = String(Date.now());
  try {
    for (const old of Object.keys(sessionStorage).filter((key) => key.startsWith(KEY)).sort().slice(0, -4)) sessionStorage.removeItem(old);
    sessionStorage.setItem(KEY + name, JSON.stringify({ ids: near, back: location.pathname + location.search, words }));
    address.searchParams.set("list", name);
  } catch {
    // Barred or full storage: the light table then walks through the library.
  }
  return address.pathname + address.search;
}

/** @type {(name: string | null) => KeptList | null} */
export function keptList(name) {
  try {
    return name ? JSON.parse(sessionStorage.getItem(KEY + name) ?? "null") : null;
  } catch {
    return null;
  }
}

/** Links to images inside a `[data-list]` that is no grid of cells take their list with them. */
export function startListLinks() {
  document.addEventListener("click", (event) => {
    const link = event.target instanceof Element ? event.target.closest("a[href]") : null;
    const list = link?.closest("[data-list]:not([data-grid])");
    if (!(link instanceof HTMLAnchorElement) || !(list instanceof HTMLElement) || !imageOf(link)) return;
    const ids = [...list.querySelectorAll("a[href]")].map((one) => imageOf(/** @type {HTMLAnchorElement} */ (one))).filter(Boolean);
    link.href = withList(link.href, [...new Set(ids)], imageOf(link), list.dataset.list ?? "");
  });
}

/** @type {(link: HTMLAnchorElement) => string} the id of the image that a link opens, or "" */
const imageOf = (link) => /\/images\/(\d+)$/.exec(link.pathname)?.[1] ?? "";
