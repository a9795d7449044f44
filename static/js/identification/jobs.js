// @ts-check
// The form that starts an identification says beforehand which images need embedding and how long it will take.
import { getFragment } from "../core/fetch.js";

const PAUSE_MS = 250;
const form = document.querySelector("form[data-estimate]");
const words = form?.querySelector("[data-estimate-words]");

if (form instanceof HTMLFormElement && words) {
  let asked = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let waiting;

  async function tell() {
    const mine = ++asked;
    const fields = new FormData(form instanceof HTMLFormElement ? form : undefined);
    fields.delete("csrf_token");
    const query = new URLSearchParams([...fields].map(([name, value]) => [name, String(value)]));
    const fresh = document.createElement("div");
    try {
      await getFragment(`${form?.getAttribute("data-estimate")}?${query}`, fresh);
    } catch (error) {
      fresh.textContent = error instanceof Error ? error.message : "";
    }
    if (mine === asked) words?.replaceChildren(...fresh.childNodes);
  }

  form.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(tell, PAUSE_MS);
  });
  tell();
}
