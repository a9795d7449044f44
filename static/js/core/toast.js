// @ts-check
// Short messages at the foot of the page, with an Undo where an act can be taken back.
import { t } from "./texts.js";

/** @typedef {{label: string, run: () => unknown}} ToastAction */
/**
 * @typedef {object} ToastOptions
 * @property {"info" | "warn" | "error"} [kind] errors stay until they are closed
 * @property {() => unknown} [undo] adds an Undo button; what it throws is shown
 * @property {ToastAction} [action] another button, such as {label: "Try again", run}
 * @property {number} [seconds] how long it stays: 8, or 15 with a button; it waits under the pointer and under the focus
 */

const MOST = 3;
/** @type {{close: () => void, undo: (() => unknown) | undefined}[]} */
const shown = [];

function region() {
  let found = document.getElementById("toasts");
  if (!found) {
    found = document.createElement("div");
    found.id = "toasts";
    found.className = "toasts";
    found.setAttribute("aria-live", "polite");
    document.body.append(found);
  }
  return found;
}

/**
 * @param {string} className
 * @param {string} label
 * @param {() => void} run
 */
function makeButton(className, label, run) {
  const made = document.createElement("button");
  made.type = "button";
  made.className = className;
  made.textContent = label;
  made.addEventListener("click", run);
  return made;
}

/**
 * Shows a message as text (never as HTML).
 * @param {string} message
 * @param {ToastOptions} [options]
 * @returns {() => void} closes it
 */
export function toast(message, options = {}) {
  const { kind = "info", undo, action, seconds = undo || action ? 15 : 8 } = options;
  const box = document.createElement("div");
  box.className = `toast toast-${kind}`;
  if (kind === "error") box.setAttribute("role", "alert");
  const words = document.createElement("span");
  words.className = "toast-text";
  words.textContent = message;
  box.append(words);

  let timer = 0;
  const entry = { close, undo };
  function close() {
    clearTimeout(timer);
    box.remove();
    const at = shown.indexOf(entry);
    if (at >= 0) shown.splice(at, 1);
  }
  const wait = () => {
    clearTimeout(timer);
    if (kind !== "error") timer = window.setTimeout(close, seconds * 1000);
  };
  /** @param {() => unknown} run */
  const attempt = async (run) => {
    close();
    try {
      await run();
    } catch (error) {
      toastError(error);
    }
  };

  if (undo) box.append(makeButton("toast-action", t("Undo"), () => void attempt(undo)));
  if (action) box.append(makeButton("toast-action", action.label, () => void attempt(action.run)));
  const closing = makeButton("toast-close", "×", close);
  closing.setAttribute("aria-label", t("Close the message"));
  box.append(closing);
  for (const name of ["pointerenter", "focusin"]) box.addEventListener(name, () => clearTimeout(timer));
  for (const name of ["pointerleave", "focusout"]) box.addEventListener(name, wait);

  region().append(box);
  shown.push(entry);
  if (shown.length > MOST) shown[0].close();
  wait();
  return close;
}

/**
 * Shows what went wrong, with a way to repeat it if there is one.
 * @param {unknown} error
 * @param {() => unknown} [again]
 * @returns {(() => void) | undefined} closes it
 */
export function toastError(error, again) {
  if (error instanceof DOMException && error.name === "AbortError") return undefined;
  const message = error instanceof Error ? error.message : String(error);
  return toast(message, { kind: "error", action: again ? { label: t("Try again"), run: again } : undefined });
}

/**
 * Presses the Undo of the newest message that has one, as the key z does.
 * @returns {boolean} whether there was one
 */
export function undoLatest() {
  const entry = shown.findLast((one) => one.undo);
  if (!entry?.undo) return false;
  const { undo } = entry;
  entry.close();
  Promise.resolve()
    .then(undo)
    .catch((error) => toastError(error));
  return true;
}
