// @ts-check
// Second opinions: one image after the other, the first label hidden; the answer is sent while the next image shows.
import { postJson } from "../core/fetch.js";
import { bind } from "../core/keys.js";
import { t } from "../core/texts.js";
import { toastError } from "../core/toast.js";
import { ClassList } from "./class_list.js";
import { ClassPicker } from "./picker.js";

/** @typedef {{id: number, picture: string, turn: number}} Asked */
/** @typedef {{state: string, class_id?: number, sub_class_id?: number | null}} Said */

const AHEAD = 3;
const stage = /** @type {HTMLElement} */ (document.getElementById("review"));
const picture = /** @type {HTMLImageElement} */ (document.getElementById("picture"));
const empty = /** @type {HTMLElement} */ (document.getElementById("empty"));
const said = /** @type {HTMLElement} */ (document.getElementById("said"));
const waiting = /** @type {HTMLElement} */ (document.getElementById("waiting"));
const input = /** @type {HTMLInputElement} */ (document.getElementById("class-input"));
const base = stage.dataset.base ?? "";
const list = new ClassList(base);
/** @type {Asked[]} */
const asked = [];
/** @type {Asked[]} */
const answered = [];
let last = 0;
let pending = 0;
let loading = false;

function show() {
  const [now, next] = asked;
  picture.hidden = !now;
  empty.hidden = Boolean(now) || loading;
  stage.dataset.shown = now ? String(now.id) : "";
  if (now) picture.src = `${now.picture}?r=${now.turn}`;
  if (next) new Image().src = `${next.picture}?r=${next.turn}`;
}

async function load() {
  if (loading || asked.length >= AHEAD) return;
  loading = true;
  try {
    const found = await postJson(`${base}/review/next`, { after: last, count: AHEAD });
    const fresh = found.asked.filter((/** @type {Asked} */ each) => !asked.some((one) => one.id === each.id));
    asked.push(...fresh);
    last = Math.max(last, ...fresh.map((/** @type {Asked} */ each) => each.id));
    waiting.textContent = String(found.waiting);
  } catch (error) {
    toastError(error);
  }
  loading = false;
  show();
}

/** @param {number} change */
function count(change) {
  pending += change;
  stage.dataset.pending = String(pending);
}

/** @param {Said} answer @param {string} words */
async function answer(answer, words) {
  const now = asked.shift();
  if (!now) return;
  said.textContent = t("Said {words}", { words });
  show();
  count(1);
  try {
    await postJson(`${base}/review/${now.id}/answer`, answer, { keepalive: true });
    answered.push(now);
  } catch (error) {
    toastError(error);
  }
  count(-1);
  await load();
}

function skip() {
  if (asked.shift()) {
    said.textContent = t("Skipped");
    show();
    void load();
  }
}

async function takeBack() {
  const before = answered.pop();
  if (!before) return;
  try {
    await postJson(`${base}/review/${before.id}/take-back`, {});
    asked.unshift(before);
    said.textContent = t("Taken back");
  } catch (error) {
    toastError(error);
  }
  show();
}

const picker = new ClassPicker(input, {
  list,
  mayMake: false,
  onPick: (label) => {
    input.blur();
    void answer({ state: "labelled", class_id: label.class_id, sub_class_id: label.sub_class_id ?? null }, label.words);
  },
  onCancel: () => input.blur(),
});

/** @type {Record<string, () => unknown>} */
const acts = {
  unknown: () => answer({ state: "unknown" }, t("unknown")),
  none: () => answer({ state: "none" }, t("none of the classes")),
  skip,
  back: takeBack,
};

document.getElementById("verdicts")?.addEventListener("click", (event) => {
  const button = event.target instanceof Element ? event.target.closest("button") : null;
  if (button) void acts[button.dataset.act ?? ""]?.();
});
bind("u", t("Unknown"), acts.unknown);
bind("n", t("None of these"), acts.none);
bind("s", t("Skip"), skip);
bind("z", t("Take back"), takeBack);
bind("/", t("Name the class"), () => picker.open());

await list.load().catch(toastError);
await load();
