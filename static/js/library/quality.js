// @ts-check
// Confirming proposals: all shown are checked, a press takes one out, one key judges the page; the next worst come in.
import { getFragment, postForm, postJson } from "/static/js/core/fetch.js";
import { bind } from "/static/js/core/keys.js";
import { t } from "/static/js/core/texts.js";
import { toast, toastError, undoLatest } from "/static/js/core/toast.js";

const list = /** @type {HTMLElement} */ (document.getElementById("proposals"));
let acts = 0;

/** @returns {HTMLInputElement[]} */
const boxes = () => [...list.querySelectorAll('input[name="image_ids"]')].map((one) => /** @type {HTMLInputElement} */ (one));

/** @returns {HTMLFormElement | null} */
const form = () => list.querySelector("form[data-proposals]");

async function refresh() {
  await getFragment(list.dataset.list ?? "", list);
  (boxes()[0] ?? list).focus();
  list.dataset.acts = String(++acts);
}

async function confirm() {
  const sent = form();
  if (!sent || list.ariaBusy === "true") return;
  try {
    const { words, undo_url } = await postForm(sent.action, sent, { accept: "application/json" });
    await refresh();
    toast(words, { undo: () => takeBack(undo_url) });
  } catch (error) {
    toastError(error, confirm);
  }
}

/** @param {string} url */
async function takeBack(url) {
  await postForm(url, {}, { accept: "application/json" });
  await refresh();
  toast(t("Taken back."));
}

/** @param {number} by */
function step(by) {
  const all = boxes();
  const at = all.findIndex((one) => one === document.activeElement);
  all[at < 0 ? 0 : Math.min(Math.max(at + by, 0), all.length - 1)]?.focus();
}

async function turn() {
  const cell = document.activeElement?.closest(".proposal");
  const picture = cell?.querySelector("img");
  if (!(cell instanceof HTMLElement) || !picture) return;
  const id = Number(cell.dataset.id);
  try {
    const done = await postJson(`/projects/${list.dataset.project}/labels`, { image_ids: [id], act: "rotate", how: "grid" });
    const now = (Number(picture.dataset.turn) + 90) % 360;
    picture.dataset.turn = String(now);
    picture.src = picture.src.replace(/r=\d+$/, `r=${now}`);
    const shown = cell.querySelector('input[name="shown"]');
    if (shown instanceof HTMLInputElement) shown.value = `${id}:${done.versions[id]}`;
    toast(t("Turned by 90°."), { undo: () => takeBack(done.undo_url) });
  } catch (error) {
    toastError(error);
  }
}

function toggleAll() {
  const all = boxes();
  const on = !all.every((one) => one.checked);
  for (const one of all) one.checked = on;
}

list.tabIndex = -1;
list.addEventListener("submit", (event) => {
  event.preventDefault();
  void confirm();
});
bind("c", t("Confirm the checked, the others are good"), () => void confirm());
bind("a", t("Check all, or none"), toggleAll);
bind("r", t("Turn the picture by 90°"), () => void turn());
bind("ArrowRight", t("Next picture"), () => step(1), { repeat: true });
bind("ArrowLeft", t("Previous picture"), () => step(-1), { repeat: true });
bind("z", t("Undo the last act"), () => undoLatest());
