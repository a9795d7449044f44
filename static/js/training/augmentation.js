// @ts-check
// The preview follows the form: a change asks for a new one, which takes the old one's place when it is there. While one is
// being drawn, the newest change waits, so that a slider asks for two previews and not for twenty.
import { getFragment, postForm } from "../core/fetch.js";
import { openStream } from "../core/stream.js";
import { toastError } from "../core/toast.js";
import { startChosenClasses } from "./chosen_classes.js";

const PAUSE_MS = 500;

/** @param {HTMLFormElement} form */
function startPreview(form) {
  const shown = document.querySelector("[data-augmented]");
  const here = form.dataset.augmentation ?? "";
  let timer = 0;
  let isBusy = false;
  let isStale = false;

  async function ask() {
    if (!form.checkValidity()) return;
    if (isBusy) {
      isStale = true;
      return;
    }
    isBusy = true;
    try {
      const { run_id: runId } = await postForm(here, form);
      history.replaceState(null, "", `${here}?run=${runId}`);
      await show(runId);
    } catch (error) {
      toastError(error);
      done();
    }
  }

  /** @param {number} runId */
  async function show(runId) {
    const isDone = () => shown?.querySelector("[data-done], .notice-error");
    if (!shown?.querySelector("[data-done]")) await getFragment(`${here}/${runId}`, shown);
    const end = () => getFragment(`${here}/${runId}`, shown).catch(toastError).finally(done);
    if (isDone() && shown?.querySelector(`img[src^="${here}/${runId}/"]`)) return done();
    shown?.setAttribute("aria-busy", "true");
    openStream(`${form.dataset.runs}/${runId}/events`, { on: { run: progress, end } });
  }

  /** @param {{percent: number | null, note: string}} run */
  function progress(run) {
    const bar = shown?.querySelector("progress");
    const words = shown?.querySelector("[data-progress-words]");
    if (bar && run.percent !== null) bar.value = run.percent;
    if (words && run.note) words.textContent = run.note;
  }

  function done() {
    isBusy = false;
    if (!isStale) return;
    isStale = false;
    ask();
  }

  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = window.setTimeout(ask, PAUSE_MS);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    clearTimeout(timer);
    ask();
  });
  const waits = Number(shown?.getAttribute("data-waits-for"));
  if (waits) {
    isBusy = true;
    show(waits);
  }
}

for (const part of document.querySelectorAll("[data-chosen-classes]")) startChosenClasses(/** @type {HTMLElement} */ (part));
for (const form of document.querySelectorAll("form[data-augmentation]")) startPreview(/** @type {HTMLFormElement} */ (form));
