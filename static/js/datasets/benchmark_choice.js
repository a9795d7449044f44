// @ts-check
// "Benchmark set…" in the selection bar of a grid: the chosen images with their truth go into a set, new or known.
import { getFragment, postJson } from "../core/fetch.js";
import { gridOf } from "../core/grid.js";
import { toast, toastError } from "../core/toast.js";

const ROLES = ["reviewer", "engineer", "administrator"];

/**
 * @param {HTMLElement} bar
 * @param {HTMLElement} grid
 */
function offer(bar, grid) {
  const address = `/projects/${bar.dataset.project}/benchmarks`;
  const button = document.createElement("button");
  button.className = "button button-small";
  button.type = "button";
  button.textContent = "Benchmark set …";
  button.disabled = true;
  button.addEventListener("click", () => ask(address, gridOf(grid)).catch(toastError));
  grid.addEventListener("selectionchange", () => {
    button.disabled = !gridOf(grid).count;
    if (!bar.contains(button)) bar.append(button);
  });
  bar.append(button);
}

/**
 * @param {string} address
 * @param {import("../core/grid.js").ImageGrid} grid
 */
async function ask(address, { selection, count }) {
  const dialog = document.createElement("dialog");
  dialog.className = "dialog";
  document.body.append(dialog);
  await getFragment(`${address}/choice`, dialog);
  const words = dialog.querySelector("[data-chosen]");
  if (words) words.textContent = count === 1 ? "1 image" : Number.isFinite(count) ? `${count.toLocaleString("en")} images` : "all that match";
  const form = dialog.querySelector("form");
  if (form) askWhatIsNeeded(form);
  dialog.addEventListener("close", () => {
    dialog.remove();
    if (dialog.returnValue === "put" && form) put(address, selection, new FormData(form)).catch(toastError);
  });
  dialog.showModal();
}

/**
 * The name and use of a new set, and the class of a chosen truth, are asked for only where they are needed.
 * @param {HTMLFormElement} form
 */
function askWhatIsNeeded(form) {
  const fit = () => {
    const chosen = new FormData(form);
    for (const [name, isNeeded] of [["name", !chosen.get("set_id")], ["is_tuning", !chosen.get("set_id")], ["class_id", chosen.get("truth") === "class"]]) {
      const field = /** @type {HTMLInputElement} */ (form.elements.namedItem(String(name)));
      field.disabled = !isNeeded;
      field.required = Boolean(isNeeded) && name !== "is_tuning";
      field.closest(".field, .check")?.toggleAttribute("hidden", !isNeeded);
    }
  };
  form.addEventListener("change", fit);
  form.querySelector("[value=leave]")?.setAttribute("formnovalidate", "");
  fit();
}

/**
 * @param {string} address
 * @param {unknown} selection
 * @param {FormData} form
 */
async function put(address, selection, form) {
  const made = await postJson(address, {
    selection,
    set_id: Number(form.get("set_id")) || null,
    name: form.get("name") ?? "",
    truth: form.get("truth"),
    class_id: Number(form.get("class_id")) || null,
    is_tuning: form.get("is_tuning") === "true",
  });
  toast(`In ${made.name}, version ${made.version}: out of training for ever.`, {
    action: { label: "Open the set", run: () => location.assign(made.url) },
  });
}

for (const bar of document.querySelectorAll("[data-selection-bar]")) {
  if (!(bar instanceof HTMLElement) || !ROLES.includes(bar.dataset.role ?? "")) continue;
  const grid = document.getElementById(bar.dataset.for ?? "");
  if (grid) offer(bar, grid);
}
