// @ts-check
// The dialogs of the screen: the mix of queues, and what one did today, which also stands under "Nothing waits here".
import { getFragment } from "../core/fetch.js";
import { toastError } from "../core/toast.js";
import { byId } from "./stage.js";

/** Wires the buttons that open a dialog of the page; a press beside a dialog closes it. */
export function watchDialogs() {
  for (const dialog of document.querySelectorAll("dialog")) {
    dialog.addEventListener("click", (event) => {
      if (event.target === dialog) dialog.close();
    });
  }
  for (const opener of document.querySelectorAll("[data-opens]")) {
    const dialog = document.getElementById(/** @type {HTMLElement} */ (opener).dataset.opens ?? "");
    if (dialog instanceof HTMLDialogElement) opener.addEventListener("click", () => dialog.showModal());
  }
}

/** @param {string} base address of the project */
export function watchDay(base) {
  const dialog = /** @type {HTMLDialogElement} */ (byId("day"));
  const midnight = new Date();
  midnight.setHours(0, 0, 0, 0);
  const address = `${base}/label/summary?since=${encodeURIComponent(midnight.toISOString())}`;
  byId("pace").addEventListener("click", async () => {
    try {
      await getFragment(address, byId("day-summary"));
      dialog.showModal();
    } catch (error) {
      toastError(error);
    }
  });
  return () => void getFragment(address, byId("empty-summary")).catch(toastError);
}
