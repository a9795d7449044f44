// @ts-check
// A study as it goes on: its changing part is fetched anew every few seconds until it has ended.
import { getFragment } from "../core/fetch.js";

const EVERY_MS = 4000;
const part = document.querySelector("[data-study]");

async function look() {
  if (!part || !part.querySelector("[data-under-way]")) return;
  const isRead = part.contains(document.activeElement) && document.activeElement?.closest("table, details, form");
  if (!document.hidden && !isRead) {
    const open = [...part.querySelectorAll("details")].map((one) => one.open);
    await getFragment(part.getAttribute("data-study") ?? "", part).catch(() => null);
    part.querySelectorAll("details").forEach((one, at) => (one.open = open[at] ?? one.open));
  }
  setTimeout(look, EVERY_MS);
}

setTimeout(look, EVERY_MS);
