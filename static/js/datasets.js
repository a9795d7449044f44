// @ts-check
// Cutoffs as one moves them: the preview follows, and the address and the link to training keep them.
import { getFragment } from "./core/fetch.js";
import { toastError } from "./core/toast.js";

const PAUSE_MS = 200;

/** @param {HTMLFormElement} form */
function startCutoffs(form) {
  const preview = document.getElementById("preview");
  const link = document.getElementById("train-link");
  let timer = 0;
  let ongoing = new AbortController();

  async function show() {
    if (!form.checkValidity()) return;
    const data = new FormData(form);
    const asked = new URLSearchParams();
    for (const name of ["lower", "upper", "include_small"]) {
      const value = data.get(name);
      if (value) asked.set(name, String(value));
    }
    ongoing.abort();
    ongoing = new AbortController();
    history.replaceState(null, "", `?${asked}`);
    link?.setAttribute("href", `${link.getAttribute("href")?.split("?")[0]}?${asked}`);
    try {
      await getFragment(`${form.dataset.cutoffs}?${asked}`, preview, { signal: ongoing.signal });
    } catch (error) {
      if (!(error instanceof DOMException)) toastError(error);
    }
  }

  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = window.setTimeout(show, PAUSE_MS);
  });
}

for (const form of document.querySelectorAll("form[data-cutoffs]")) startCutoffs(/** @type {HTMLFormElement} */ (form));
