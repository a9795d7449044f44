// @ts-check
// The form that starts a run: defaults of the chosen start in grey, only settings of use to it, and what the cutoffs take.
import { getFragment } from "../core/fetch.js";
import { startChosenClasses } from "./chosen_classes.js";

const PAUSE_MS = 250;
const ASKED_BY_CUTOFFS = ["lower", "upper", "include_small", "purpose", "view_id"];

/** @param {HTMLFormElement} form */
function startForm(form) {
  const preview = form.querySelector("[data-preview]");
  const settings = [...form.querySelectorAll("[data-setting]")].filter((one) => one instanceof HTMLElement);
  const note = form.querySelector("[data-views-note]");
  let timer = 0;
  let ongoing = new AbortController();
  let normalLower = "";

  /** @param {string} name */
  function control(name) {
    const found = form.elements.namedItem(name);
    return found instanceof HTMLInputElement || found instanceof HTMLSelectElement ? found : null;
  }

  /**
   * Placeholders of the start; a switch whose default hangs on the start follows where another start is chosen.
   * @param {boolean} isOther
   */
  function showDefaults(isOther) {
    const start = String(new FormData(form).get("start"));
    for (const setting of settings) {
      const input = control(setting.dataset.setting ?? "");
      if (!input) continue;
      const defaults = JSON.parse(setting.dataset.defaults ?? "{}");
      const value = defaults[start];
      if (input instanceof HTMLInputElement && typeof value === "number") input.placeholder = String(value);
      const hangsOnStart = typeof value === "boolean" && new Set(Object.values(defaults)).size > 1;
      if (isOther && hangsOnStart && input instanceof HTMLInputElement) input.checked = value;
      const isIdle = (setting.dataset.without ?? "").split(" ").includes(start);
      setting.hidden = isIdle;
      input.disabled = isIdle;
    }
    if (note instanceof HTMLElement) note.hidden = start !== "head_only";
  }

  /** @param {string} name */
  function number(name) {
    const input = control(name);
    return input instanceof HTMLInputElement ? input.value || input.placeholder : "";
  }

  function showThrowaway() {
    const lower = control("lower");
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
    if (name === "start") showDefaults(true);
    if (!ASKED_BY_CUTOFFS.includes(name)) return;
    showThrowaway();
    clearTimeout(timer);
    timer = window.setTimeout(showTotals, PAUSE_MS);
  });
  // A field that the browser finds wrong must be seen, also inside a part that is closed.
  form.addEventListener("invalid", (event) => openAround(/** @type {Element} */ (event.target)), true);
  form.querySelector("[aria-invalid=true]")?.scrollIntoView({ block: "center" });
  showDefaults(false);
  showThrowaway();
  showTotals();
}

/** @param {Element} field */
function openAround(field) {
  const closed = field.closest("details:not([open])");
  if (closed instanceof HTMLDetailsElement) closed.open = true;
}

for (const form of document.querySelectorAll("form[data-training]")) startForm(/** @type {HTMLFormElement} */ (form));
for (const part of document.querySelectorAll("[data-chosen-classes]")) startChosenClasses(/** @type {HTMLElement} */ (part));
