// @ts-check
// Settling duplicates: one key per verdict on the group that has the focus; the list follows, and every act has its undo.
import { getFragment, postForm } from "/static/js/core/fetch.js";
import { bind } from "/static/js/core/keys.js";
import { t } from "/static/js/core/texts.js";
import { toast, toastError, undoLatest } from "/static/js/core/toast.js";

const list = /** @type {HTMLElement} */ (document.getElementById("bundles"));
const NEEDS_ONE = { representative: t("Choose the one image that shall stand for the group."), label: t("Choose the one image whose label is right.") };
let acts = 0;

/** @returns {HTMLFormElement[]} */
const bundles = () => [...list.querySelectorAll("form[data-bundle]")].map((one) => /** @type {HTMLFormElement} */ (one));

/** @returns {HTMLFormElement | undefined} the group that has the focus, or else the first */
function current() {
  const held = document.activeElement?.closest("form[data-bundle]");
  return held instanceof HTMLFormElement ? held : bundles()[0];
}

/** @param {HTMLElement | null | undefined} bundle */
function show(bundle) {
  bundle?.focus({ preventScroll: true });
  bundle?.scrollIntoView({ block: "nearest" });
}

/** @param {number} by */
function step(by) {
  const all = bundles();
  const held = document.activeElement?.closest("form[data-bundle]");
  show(all[held ? all.findIndex((one) => one === held) + by : 0]);
}

/** @param {string} wanted the element that should have the focus then, if it is still there */
async function refresh(wanted) {
  await getFragment(list.dataset.list ?? "", list);
  const counts = list.querySelector("[data-counts]")?.getAttribute("data-counts")?.split(" ") ?? [];
  document.querySelectorAll(".tab-count").forEach((shown, at) => (shown.textContent = counts[at]));
  show(document.getElementById(wanted) ?? bundles()[0] ?? list);
  list.dataset.acts = String(++acts);
}

/** @param {HTMLFormElement} form @param {string} act @param {string} address */
async function settle(form, act, address) {
  const chosen = new FormData(form).getAll("image_ids").length;
  if (act in NEEDS_ONE && chosen !== 1) return toast(NEEDS_ONE[/** @type {keyof typeof NEEDS_ONE} */ (act)], { kind: "warn" });
  const all = bundles();
  const next = all[all.indexOf(form) + 1] ?? all[all.indexOf(form) - 1];
  form.dataset.state = "busy";
  try {
    const { words, undo_url } = await postForm(address, form, { accept: "application/json" });
    await refresh(act === "representative" || act === "label" ? form.id : (next?.id ?? ""));
    toast(words, { undo: () => takeBack(undo_url, form.id) });
  } catch (error) {
    delete form.dataset.state;
    toastError(error);
  }
}

/** @param {string} url @param {string} id */
async function takeBack(url, id) {
  const { words } = await postForm(url, {}, { accept: "application/json" });
  await refresh(id);
  toast(words ?? t("Taken back."));
}

list.tabIndex = -1;
list.addEventListener("submit", (event) => {
  const form = /** @type {HTMLFormElement} */ (event.target);
  if (!form.matches("[data-bundle]")) return;
  event.preventDefault();
  const by = event.submitter;
  const act = by?.dataset.act ?? "keep";
  void settle(form, act, by?.getAttribute("formaction") ?? form.getAttribute("action") ?? "");
});

/** @param {string} key @param {string} words @param {string} act */
function bindAct(key, words, act) {
  bind(key, words, () => {
    const form = current();
    const address = act === "keep" ? form?.getAttribute("action") : form?.querySelector(`[data-act="${act}"]`)?.getAttribute("formaction");
    if (form && address) void settle(form, act, address);
  });
}

bindAct("k", t("They show the same: keep as one group"), "keep");
bindAct("s", t("Not the same: the chosen leave, or all are parted"), "split");
bindAct("e", t("Let the chosen image stand for the group"), "representative");
bindAct("m", t("Give all the label of the chosen image"), "label");
bind("n", t("Next group"), () => step(1), { repeat: true });
bind("p", t("Previous group"), () => step(-1), { repeat: true });
bind("z", t("Undo the last act"), () => undoLatest());
