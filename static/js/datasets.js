// @ts-check
// Cutoffs as one moves them: what they would include follows, and the address and the link to training keep them.
import { getFragment } from "./core/fetch.js";
import { toastError } from "./core/toast.js";

const PAUSE_MS = 120;
const TOP = 10_000; // the end of a slider; larger cutoffs are typed
const KEPT = ["lower", "upper", "include_small", "seed", "view_id"];
const STANDARD = { seed: "0" };

/** @param {string} value */
const toSlider = (value) => Math.round((1000 * Math.log(Math.max(1, Math.min(TOP, Number(value))))) / Math.log(TOP));
/** @param {string} place */
const fromSlider = (place) => Math.round(TOP ** (Number(place) / 1000));

/** @param {HTMLFormElement} form */
function startCutoffs(form) {
  const preview = document.getElementById("preview");
  const link = document.getElementById("train-link");
  const refused = document.getElementById("cutoffs-refused");
  const here = new URLSearchParams(location.search);
  let listed = new URLSearchParams([...here].filter(([name]) => ["show", "sort", "down"].includes(name)));
  let timer = 0;
  let ongoing = new AbortController();

  /** @param {string} name @returns {HTMLInputElement} */
  const numberOf = (name) => /** @type {HTMLInputElement} */ (form.elements.namedItem(name));
  const sliders = /** @type {HTMLInputElement[]} */ ([...form.querySelectorAll("input[type=range]")]);

  function placeSliders() {
    for (const slider of sliders) {
      const { value } = numberOf(slider.dataset.for ?? "");
      slider.value = String(toSlider(value));
      slider.setAttribute("aria-valuetext", value);
    }
  }

  /** The lower cutoff pushes the upper one, and the other way round. @param {string} moved */
  function keepInOrder(moved) {
    const [lower, upper] = [numberOf("lower"), numberOf("upper")];
    if (!lower.value || !upper.value || Number(lower.value) <= Number(upper.value)) return;
    if (moved === "lower") upper.value = lower.value;
    else lower.value = upper.value;
  }

  /** @param {Iterable<string>} names */
  function chosen(names) {
    const data = new FormData(form);
    const asked = new URLSearchParams();
    for (const name of names) {
      const value = String(data.get(name) ?? "");
      if (value && value !== STANDARD[/** @type {"seed"} */ (name)]) asked.set(name, value);
    }
    return asked;
  }

  /** @param {string} [page] */
  async function show(page = "") {
    if (!form.checkValidity() || Number(numberOf("lower").value) > Number(numberOf("upper").value)) return;
    link?.setAttribute("href", `${link.getAttribute("href")?.split("?")[0]}?${chosen(KEPT)}`);
    const asked = chosen([...KEPT, "find"]);
    for (const [name, value] of listed) asked.set(name, value);
    if (page) asked.set("page", page);
    ongoing.abort();
    ongoing = new AbortController();
    history.replaceState(null, "", `?${asked}`);
    try {
      await getFragment(`${form.dataset.cutoffs}/preview?${asked}`, preview, { signal: ongoing.signal });
      refused?.setAttribute("hidden", "");
    } catch (error) {
      if (error instanceof DOMException) return;
      if (refused && error instanceof Error) {
        refused.textContent = error.message;
        refused.removeAttribute("hidden");
      } else toastError(error);
    }
  }

  form.addEventListener("input", (event) => {
    const moved = /** @type {HTMLInputElement} */ (event.target);
    if (moved.type === "range") {
      const number = numberOf(moved.dataset.for ?? "");
      number.value = String(fromSlider(moved.value));
      keepInOrder(number.name);
    }
    placeSliders();
    clearTimeout(timer);
    timer = window.setTimeout(show, PAUSE_MS);
  });
  form.addEventListener("change", (event) => {
    keepInOrder(/** @type {HTMLInputElement} */ (event.target).name);
    placeSliders();
    clearTimeout(timer);
    timer = window.setTimeout(show, PAUSE_MS);
  });

  // Tabs, heads and pages inside what is shown change the list in place; as links they work in any other way.
  preview?.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    const followed = /** @type {Element} */ (event.target).closest("a[href]");
    const address = new URL(followed?.getAttribute("href") ?? "", location.href);
    if (!followed || address.pathname !== form.dataset.cutoffs) return;
    event.preventDefault();
    listed = new URLSearchParams([...address.searchParams].filter(([name]) => ["show", "sort", "down"].includes(name)));
    show(address.searchParams.get("page") ?? "").catch(toastError);
  });

  for (const slider of sliders) slider.hidden = false;
  placeSliders();
  if (preview?.querySelector("[data-cold]")) show(here.get("page") ?? "").catch(toastError);
}

for (const form of document.querySelectorAll("form[data-cutoffs]")) startCutoffs(/** @type {HTMLFormElement} */ (form));
