// @ts-check
// An import's figures while it runs; at its end the whole page is asked for again.
import { getFragment } from "../core/fetch.js";

const SECONDS = 1;

const figures = document.getElementById("figures");

/** @param {HTMLElement} part */
async function refresh(part) {
  try {
    await getFragment(part.dataset.refresh ?? "", part);
  } catch {
    window.setTimeout(() => refresh(part), 5 * SECONDS * 1000);
    return;
  }
  const state = part.querySelector("[data-run-state]")?.getAttribute("data-run-state") ?? "";
  if (["queued", "running"].includes(state)) window.setTimeout(() => refresh(part), SECONDS * 1000);
  else location.reload();
}

if (figures?.dataset.refresh) refresh(figures);
