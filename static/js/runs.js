// @ts-check
// Runs as they go on: every element with data-run-id shows its run's progress; a change of state fetches the part anew.
import { getFragment } from "./core/fetch.js";
import { openStream } from "./core/stream.js";
import { toastError } from "./core/toast.js";

/**
 * @typedef {object} Run
 * @property {number} id
 * @property {string} state
 * @property {number | null} percent
 * @property {string} note
 * @property {Record<string, any>} live
 * @property {number | null} eta_seconds
 * @property {boolean} cancel_requested
 * @property {boolean} stop_requested
 */

const ENDED = ["succeeded", "failed", "cancelled"];
const MINUTE = 60;

/** @param {number} seconds */
function duration(seconds) {
  if (seconds < MINUTE) return `${Math.round(seconds)} s`;
  const minutes = Math.floor(seconds / MINUTE);
  if (minutes < MINUTE) return `${minutes} min ${Math.round(seconds % MINUTE)} s`;
  return `${Math.floor(minutes / MINUTE)} h ${minutes % MINUTE} min`;
}

/** @param {Run} run */
function rate(run) {
  const parts = [];
  const speed = run.live.images_per_second;
  if (speed) parts.push(`${Math.round(speed).toLocaleString("en")} images/s`);
  if (run.eta_seconds !== null && run.eta_seconds >= 1) parts.push(`${duration(run.eta_seconds)} left`);
  return parts.join(" · ");
}

/**
 * @param {Element} part
 * @param {Run} run
 */
function showProgress(part, run) {
  const bar = part.querySelector("progress");
  const words = part.querySelector("[data-progress-words]");
  const figures = part.querySelector("[data-progress-rate]");
  if (bar && run.percent !== null) bar.value = run.percent;
  else bar?.removeAttribute("value");
  if (words && run.note) words.textContent = run.note;
  if (figures) figures.textContent = rate(run);
}

/** @param {Element} part */
async function refresh(part) {
  const address = part.getAttribute("data-refresh") ?? part.getAttribute("data-fragment") ?? "";
  const open = [...part.querySelectorAll("details")].map((one) => one.open);
  await getFragment(address, part).catch(toastError);
  part.querySelectorAll("details").forEach((one, at) => (one.open = open[at] ?? one.open));
}

/** @param {Run} run */
function show(run) {
  for (const part of document.querySelectorAll(`[data-run-id="${run.id}"]`)) {
    const wishes = `${Number(run.cancel_requested)}${Number(run.stop_requested)}`;
    const isNew =
      part.getAttribute("data-run-state") !== run.state ||
      (part.getAttribute("data-run-wishes") ?? wishes) !== wishes;
    const whole = part.closest("[data-refresh]");
    if (!isNew) showProgress(part, run);
    else if (whole) refresh(whole);
    else if (ENDED.includes(run.state) || part.getAttribute("data-run-state") === "queued") location.reload();
  }
  document.dispatchEvent(new CustomEvent("runchange", { detail: run }));
}

/**
 * A part of another domain about a run: fetched at once, and again when an epoch or the run has ended.
 * @param {Element} part
 */
function followFragment(part) {
  let told = "";
  let isBusy = false;
  let isStale = false;

  /** One at a time, so that an older answer never takes the place of a newer one. */
  async function follow() {
    isStale = isBusy;
    if (isBusy) return;
    isBusy = true;
    await refresh(part);
    isBusy = false;
    if (isStale) follow();
  }

  follow();
  document.addEventListener("runchange", (event) => {
    const run = /** @type {CustomEvent<Run>} */ (event).detail;
    const now = `${run.state} ${run.live.epoch ?? ""}`;
    if (String(run.id) !== part.getAttribute("data-follows") || now === told) return;
    if (told) follow();
    told = now;
  });
}

for (const part of document.querySelectorAll("[data-fragment][data-follows]")) followFragment(part);
const source = document.querySelector("[data-run-events]");
if (source) {
  openStream(source.getAttribute("data-run-events") ?? "", {
    on: {
      run: show,
      end: () => document.querySelectorAll("[data-fragment][data-follows]").forEach(refresh),
    },
  });
}
