// @ts-check
// The form that starts a run: defaults of the chosen start in grey, and what the cutoffs take.
import { getFragment } from "./core/fetch.js";

const PAUSE_MS = 250;

/** @param {HTMLFormElement} form */
function startForm(form) {
  const settings = JSON.parse(form.dataset.settings ?? "{}");
  const preview = form.querySelector("[data-preview]");
  let timer = 0;
  let ongoing = new AbortController();
  let normalLower = "";

  function showDefaults() {
    const chosen = settings[String(new FormData(form).get("start"))] ?? {};
    for (const [name, value] of Object.entries(chosen)) {
      const input = form.elements.namedItem(name);
      if (input instanceof HTMLInputElement && typeof value === "number") input.placeholder = String(value);
    }
  }

  /** @param {string} name */
  function number(name) {
    const input = form.elements.namedItem(name);
    return input instanceof HTMLInputElement ? input.value || input.placeholder : "";
  }

  function showThrowaway() {
    const lower = form.elements.namedItem("lower");
    if (!(lower instanceof HTMLInputElement)) return;
    normalLower ||= lower.placeholder;
    const isThrowaway = new FormData(form).get("purpose") === "throwaway";
    lower.placeholder = isThrowaway ? (lower.dataset.throwaway ?? "") : normalLower;
  }

  async function showTotals() {
    const asked = new URLSearchParams({ lower: number("lower"), upper: number("upper") });
    if (new FormData(form).get("include_small")) asked.set("include_small", "true");
    asked.set("view_id", String(new FormData(form).get("view_id") ?? ""));
    ongoing.abort();
    ongoing = new AbortController();
    const address = `${preview?.getAttribute("data-preview")}?${asked}`;
    await getFragment(address, preview, { signal: ongoing.signal }).catch(() => {});
  }

  form.addEventListener("input", (event) => {
    const name = /** @type {HTMLInputElement} */ (event.target).name;
    if (name === "start") showDefaults();
    if (!["lower", "upper", "include_small", "purpose", "view_id"].includes(name)) return;
    showThrowaway();
    clearTimeout(timer);
    timer = window.setTimeout(showTotals, PAUSE_MS);
  });
  showDefaults();
  showThrowaway();
  showTotals();
}

for (const form of document.querySelectorAll("form[data-training]")) startForm(/** @type {HTMLFormElement} */ (form));
