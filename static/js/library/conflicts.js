// @ts-check
// Label conflicts of arrivals: choose some or all, keep the labels or take the new ones by key; an act can be undone.
import { getFragment, postForm } from "/static/js/core/fetch.js";
import { bind } from "/static/js/core/keys.js";
import { t } from "/static/js/core/texts.js";
import { toast, toastError, undoLatest } from "/static/js/core/toast.js";

const list = /** @type {HTMLElement} */ (document.getElementById("conflicts"));
let acts = 0;
/** @type {HTMLInputElement | null} */
let last = null;

/** @returns {HTMLInputElement[]} */
const boxes = () => [...list.querySelectorAll('input[name="conflict_ids"]')].map((one) => /** @type {HTMLInputElement} */ (one));

async function refresh() {
  await getFragment(`${location.pathname}/list`, list);
  (boxes()[0] ?? list).focus();
  list.dataset.acts = String(++acts);
}

/** @param {"keep" | "take"} act */
async function settle(act) {
  const form = list.querySelector("form[data-conflicts]");
  if (!(form instanceof HTMLFormElement)) return;
  if (!boxes().some((one) => one.checked)) return void toast(t("Choose some first: Space takes the one in focus, All takes all."), { kind: "warn" });
  const address = act === "keep" ? form.getAttribute("action") : form.querySelector("[data-act=take]")?.getAttribute("formaction");
  try {
    const { words, undo_url } = await postForm(address ?? "", form, { accept: "application/json" });
    await refresh();
    toast(words, { undo: () => takeBack(undo_url) });
  } catch (error) {
    toastError(error);
  }
}

/** @param {string} url */
async function takeBack(url) {
  const { words } = await postForm(url, {}, { accept: "application/json" });
  await refresh();
  toast(words);
}

list.tabIndex = -1;
list.addEventListener("submit", (event) => {
  event.preventDefault();
  void settle(event.submitter?.dataset.act === "take" ? "take" : "keep");
});
list.addEventListener("click", (event) => {
  const box = event.target;
  if (!(box instanceof HTMLInputElement)) return;
  const all = boxes();
  if (box.dataset.all !== undefined) for (const one of all) one.checked = box.checked;
  else if (event.shiftKey && last) {
    const [from, to] = [all.indexOf(last), all.indexOf(box)].sort((one, other) => one - other);
    for (const one of all.slice(Math.max(from, 0), to + 1)) one.checked = box.checked;
  }
  last = box;
});
bind("k", t("Keep the labels of the chosen"), () => void settle("keep"));
bind("t", t("Take the new labels of the chosen"), () => void settle("take"));
bind("z", t("Undo the last act"), () => undoLatest());
