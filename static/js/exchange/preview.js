// @ts-check
// An import before it begins: each choice is kept as it is made, so that the page survives a reload.
import { postJson } from "../core/fetch.js";
import { t } from "../core/texts.js";
import { toastError } from "../core/toast.js";

const PAUSE = 400;

const form = document.querySelector("form[data-choices]");
if (form instanceof HTMLFormElement) start(form);

/** @param {HTMLFormElement} form */
function start(form) {
  const address = form.dataset.choices ?? "";
  const known = new Set([...form.querySelectorAll("#known-classes option")].map((one) => folded(one.getAttribute("value"))));
  let waiting = 0;
  /** @type {Promise<void>} */
  let saving = Promise.resolve();

  async function save() {
    waiting = 0;
    try {
      const answer = await postJson(address, choices(form));
      form.dataset.saved = String(Number(form.dataset.saved ?? 0) + 1);
      if (answer.looks_anew) location.reload();
    } catch (error) {
      toastError(error);
    }
  }

  function saveSoon() {
    if (waiting) window.clearTimeout(waiting);
    waiting = window.setTimeout(() => (saving = saving.then(save)), PAUSE);
  }

  // What was typed before this script had come.
  if ([...form.querySelectorAll("input[data-becomes]")].some((one) => one instanceof HTMLInputElement && one.value !== one.defaultValue)) saveSoon();
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", (event) => {
    if (event.target instanceof HTMLInputElement && event.target.matches("[data-becomes]")) tell(event.target, known);
    saveSoon();
  });
  document.getElementById("start")?.closest("form")?.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (waiting) {
      window.clearTimeout(waiting);
      saving = saving.then(save);
    }
    await saving;
    if (event.target instanceof HTMLFormElement) event.target.submit();
  });
}

/**
 * @param {HTMLFormElement} form
 * @returns {Record<string, unknown>}
 */
function choices(form) {
  const sent = new FormData(form);
  /** @type {Record<string, unknown>} */
  const made = {};
  for (const name of ["format", "origin", "groups", "name"]) if (sent.get(name)) made[name] = sent.get(name);
  const columns = [...form.querySelectorAll("input[name=keep_columns]")].filter((one) => one instanceof HTMLInputElement);
  if (columns.length) made.keep_columns = columns.every((one) => one.checked) ? null : sent.getAll("keep_columns");
  if (form.querySelector("input[name=keep_sub_classes]")) made.keep_sub_classes = sent.has("keep_sub_classes");
  const rows = [...form.querySelectorAll("tr[data-class]")];
  if (rows.length) made.class_map = Object.fromEntries(rows.map(mapping).filter(([name, target]) => target.class_name !== name));
  return made;
}

/**
 * @param {Element} row
 * @returns {[string, {class_name: string | null}]}
 */
function mapping(row) {
  const input = /** @type {HTMLInputElement} */ (row.querySelector("[data-becomes]"));
  return [row.getAttribute("data-class") ?? "", { class_name: input.value.trim() || null }];
}

/**
 * @param {HTMLInputElement} input
 * @param {Set<string>} known
 */
function tell(input, known) {
  const place = input.closest("tr")?.querySelector("[data-is]");
  const name = folded(input.value);
  if (place) place.textContent = !name ? t("unlabelled") : known.has(name) ? t("a class here") : t("a new class");
}

/** @param {string | null} name */
function folded(name) {
  return (name ?? "").trim().toLocaleLowerCase();
}
