// @ts-check
// Import by browser: choose or drop files, send them with progress, then look at what they are. An upload that a reload
// or a lost connection cut short goes on when the same files are chosen again.
import { t, tn } from "../core/texts.js";
import { toastError } from "../core/toast.js";
import { filesOfDrop, filesOfInput } from "./chosen_files.js";
import { findUpload, openUpload, sendAll } from "./sending.js";

/** @typedef {import("./chosen_files.js").Chosen} Chosen */
/** @typedef {import("./sending.js").Upload} Upload */

const form = document.querySelector("form[data-upload]");
if (form instanceof HTMLFormElement) start(form);

/** @param {HTMLFormElement} form */
async function start(form) {
  /** @type {Chosen[]} */
  let chosen = [];
  /** @type {Upload | null} */
  let upload = null;
  const url = form.dataset.uploadsUrl ?? "";
  const memory = `winnow-upload-${form.dataset.project}`;
  const button = /** @type {HTMLButtonElement} */ (form.querySelector("#start-upload"));

  /** @param {Chosen[]} files */
  function take(files) {
    const { sendable, refused } = sorted(form, files);
    chosen = sendable;
    button.disabled = !chosen.length;
    const bytes = chosen.reduce((sum, { file }) => sum + file.size, 0);
    say(form, "[data-chosen]", chosen.length ? `${tn("{n} file", "{n} files", chosen.length)}, ${size(bytes)}` : t("No files to send."));
    form.querySelector("[data-refused]")?.replaceChildren(...refused.slice(0, 20).map(line));
  }

  listen(form, take);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    try {
      upload = (upload && (await findUpload(`${url}/${upload.upload_id}`))) ?? (await openUpload(url));
      localStorage.setItem(memory, upload.upload_id);
      await sendAll(upload, chosen, progress(form, chosen, upload));
      /** @type {HTMLInputElement} */ (form.querySelector("input[name=path]")).value = upload.upload_id;
      localStorage.removeItem(memory);
      form.submit();
    } catch (error) {
      button.disabled = false;
      toastError(error);
    }
  });

  const earlier = localStorage.getItem(memory);
  upload = earlier ? await findUpload(`${url}/${encodeURIComponent(earlier)}`) : null;
  if (!upload?.files?.length) return;
  const notice = /** @type {HTMLElement} */ (form.querySelector("[data-interrupted]"));
  say(notice, "span", tn("An upload was interrupted; {n} file has begun to arrive. Choose the same files again to go on.", "An upload was interrupted; {n} files have begun to arrive. Choose the same files again to go on.", upload.files.length));
  notice.hidden = false;
  notice.querySelector("[data-forget]")?.addEventListener("click", () => {
    localStorage.removeItem(memory);
    upload = null;
    notice.hidden = true;
  });
}

/**
 * @param {HTMLFormElement} form
 * @param {(files: Chosen[]) => void} take
 */
function listen(form, take) {
  const zone = /** @type {HTMLElement} */ (form.querySelector("[data-dropzone]"));
  for (const input of form.querySelectorAll("input[data-files]")) {
    input.addEventListener("change", () => input instanceof HTMLInputElement && input.files && take(filesOfInput(input.files)));
  }
  for (const name of ["dragenter", "dragover"]) {
    zone.addEventListener(name, (event) => {
      event.preventDefault();
      zone.dataset.over = "";
    });
  }
  zone.addEventListener("dragleave", () => delete zone.dataset.over);
  zone.addEventListener("drop", async (event) => {
    event.preventDefault();
    delete zone.dataset.over;
    if (event.dataTransfer) take(await filesOfDrop(event.dataTransfer).catch(() => []));
  });
}

/**
 * @param {HTMLFormElement} form
 * @param {Chosen[]} files
 * @returns {{sendable: Chosen[], refused: string[]}}
 */
function sorted(form, files) {
  const { maxFile, maxArchive } = form.dataset;
  /** @type {string[]} */
  const refused = [];
  const sendable = files.filter(({ name, file }) => {
    const isArchive = name.toLowerCase().endsWith(".zip");
    if (isArchive && files.length > 1) refused.push(t("{name}: send a zip archive by itself", { name }));
    else if (file.size > Number(isArchive ? maxArchive : maxFile)) refused.push(t("{name}: {size} is too large", { name, size: size(file.size) }));
    else return true;
    return false;
  });
  return { sendable, refused };
}

/**
 * Shows how much has arrived, how fast, and how long it will take.
 * @param {HTMLFormElement} form
 * @param {Chosen[]} files
 * @param {Upload} upload
 * @returns {(name: string, bytes: number) => void}
 */
function progress(form, files, upload) {
  const total = files.reduce((sum, { file }) => sum + file.size, 0) || 1;
  const sizes = new Map(files.map(({ name, file }) => [name, file.size]));
  const arrived = new Map((upload.files ?? []).filter(({ name }) => sizes.has(name)).map(({ name, offset }) => [name, offset]));
  /** @type {Set<string>} */
  const whole = new Set();
  const bar = form.querySelector("#sending progress");
  form.querySelector("[data-sending]")?.removeAttribute("hidden");
  const started = performance.now();
  const earlier = [...arrived.values()].reduce((sum, one) => sum + one, 0);
  let bytes = earlier;
  return (name, now) => {
    const after = Math.min(now, sizes.get(name) ?? 0);
    bytes += after - (arrived.get(name) ?? 0);
    arrived.set(name, after);
    if (after === sizes.get(name)) whole.add(name);
    const pace = Math.max(bytes - earlier, 1) / Math.max((performance.now() - started) / 1000, 0.1);
    if (bar instanceof HTMLProgressElement) bar.value = (100 * bytes) / total;
    say(form, "[data-progress-words]", t("{sent} of {total} sent, {whole} of {files} files", { sent: size(bytes), total: size(total), whole: whole.size, files: files.length }));
    say(form, "[data-progress-rate]", t("{rate}/s, {time} left", { rate: size(pace), time: duration((total - bytes) / pace) }));
  };
}

/** @param {number} seconds */
function duration(seconds) {
  if (seconds < 90) return t("{n} s", { n: Math.ceil(seconds) });
  return seconds < 5400 ? t("{n} min", { n: Math.round(seconds / 60) }) : t("{n} h", { n: Math.round(seconds / 3600) });
}

/**
 * @param {Element} within
 * @param {string} selector
 * @param {string} words
 */
function say(within, selector, words) {
  const place = within.querySelector(selector);
  if (place) place.textContent = words;
}

/** @param {string} words */
function line(words) {
  const made = document.createElement("li");
  made.textContent = words;
  return made;
}

/** @param {number} bytes */
function size(bytes) {
  const units = ["B", "KiB", "MiB", "GiB"];
  let at = 0;
  while (bytes >= 1024 && at < units.length - 1) {
    bytes /= 1024;
    at += 1;
  }
  return `${at ? bytes.toFixed(1) : bytes} ${units[at]}`;
}
