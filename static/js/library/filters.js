// @ts-check
// The library's filters: the form of all fields in a dialog, the menu of saved views, the exact count after the page.
import { getFragment, getJson } from "../core/fetch.js";
import { tn } from "../core/texts.js";
import { toastError } from "../core/toast.js";

startForm();
startMenu();
void startCount();
for (const form of document.querySelectorAll("[data-filters] form, [data-filter-fields]")) skipEmpty(form);

function startForm() {
  const dialog = document.getElementById("filter-dialog");
  const body = dialog?.querySelector("[data-dialog-body]");
  const link = document.querySelector("[data-filter-form]");
  if (!(dialog instanceof HTMLDialogElement) || !body || !(link instanceof HTMLAnchorElement)) return;
  link.addEventListener("click", async (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    try {
      await getFragment(link.href, body);
    } catch (error) {
      toastError(error);
      return;
    }
    const form = body.querySelector("form");
    if (form) skipEmpty(form);
    dialog.showModal();
  });
}

/**
 * What is left empty does not stand in the address.
 * @param {Element} form
 */
function skipEmpty(form) {
  form.addEventListener("formdata", (event) => {
    const data = /** @type {FormDataEvent} */ (event).formData;
    for (const name of new Set(data.keys())) {
      const values = data.getAll(name).filter((value) => value !== "");
      data.delete(name);
      if (values.length) data.set(name, values.join(","));
    }
  });
}

function startMenu() {
  for (const menu of document.querySelectorAll("details[data-load]")) {
    const load = () => {
      const target = menu.querySelector("[data-loaded]");
      const address = menu.getAttribute("data-load");
      if (!(menu instanceof HTMLDetailsElement) || !menu.open || !target || !address) return;
      menu.removeAttribute("data-load");
      getFragment(address, target).catch(toastError);
    };
    menu.addEventListener("toggle", load);
    load(); // It may have been opened before this script had come.
  }
}

async function startCount() {
  const mark = document.querySelector("[data-exact-count]");
  const shown = document.querySelector(".chips-count");
  const address = mark?.getAttribute("data-exact-count");
  if (!address || !shown) return;
  const { images } = await getJson(address).catch(() => ({ images: null }));
  if (images === null) return;
  shown.textContent = tn("{n} image matches", "{n} images match", images);
  document.dispatchEvent(new CustomEvent("counted", { detail: { images } }));
}
