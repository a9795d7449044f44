// @ts-check
// Parts of a snapshot's page that another domain tells: fetched once, left out where they do not come.
import { getFragment } from "../core/fetch.js";

for (const part of document.querySelectorAll("[data-fragment]")) {
  getFragment(part.getAttribute("data-fragment") ?? "", part).catch(() => part.remove());
}
