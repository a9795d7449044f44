// @ts-check
// Labelling by pages of look-alikes: take out the exceptions, Enter labels the rest, the next page is already here.
import { postJson } from "../core/fetch.js";
import { gridOf } from "../core/grid.js";
import { t } from "../core/texts.js";
import { toast, toastError } from "../core/toast.js";
import { ClassList } from "./class_list.js";
import { askReason, part, showCount, showPage, showSaving, showWaiting, startActs } from "./lookalike_bar.js";
import { LookalikePage } from "./lookalike_page.js";
import { Outbox, requestKey } from "./outbox.js";
import { Pace } from "./pace.js";
import { ClassPicker } from "./picker.js";

/** @typedef {{key: string, page: LookalikePage, job: import("./outbox.js").Job | null, changed: number}} Given */

const root = part("lookalikes");
const grid = gridOf(root);
const base = `/projects/${root.dataset.project}`;
const view = root.dataset.target ? { kind: root.dataset.kind, target: Number(root.dataset.target) } : {};
const outbox = new Outbox(tellSaving);
const pace = new Pace();
const list = new ClassList(base);
const began = new Date();
began.setHours(0, 0, 0, 0);
let page = new LookalikePage({ sections: [], version_id: null });
let saved = 0;
/** @type {Given[]} */
const given = [];
/** @type {Promise<any> | null} the page after this one, as if all of this one stayed */
let ahead = null;

const picker = new ClassPicker(/** @type {HTMLInputElement} */ (part("class-input")), { list, mayMake: root.dataset.role !== "labeller", onPick: name, onCancel: focusGrid });

/** @type {(more?: object) => Promise<any>} */
const ask = (more = {}) => postJson(`${base}/label/grid/next`, { view, one_class: root.dataset.one === "1", since: began.toISOString(), ...more });

const isBusy = () => root.getAttribute("aria-busy") === "true";

async function fetchPage() {
  ahead = null;
  root.setAttribute("aria-busy", "true");
  try {
    show(await ask());
  } catch (error) {
    toastError(error, fetchPage);
  }
}

/** @param {any} told the server's next page */
function show(told) {
  if (!given.length) pace.today = told.today;
  showWaiting(told.waiting);
  draw(new LookalikePage(told));
}

/** @param {LookalikePage} next */
function draw(next) {
  page = next;
  page.draw(root);
  grid.clear();
  grid.refresh();
  grid.choose(page.out, true);
  showPage(page);
  root.hidden = page.images.length === 0;
  root.removeAttribute("aria-busy");
  tellPace();
  window.scrollTo(0, 0);
  if (!(document.activeElement instanceof HTMLInputElement)) focusGrid();
  if (!outbox.waiting) lookAhead();
}

function lookAhead() {
  ahead = page.images.length && page.isNamed ? ask({ have: page.images.map((one) => one.id), supposed: page.supposed }) : null;
  ahead?.then((told) => new LookalikePage(told).preload()).catch(() => (ahead = null));
}

function accept() {
  if (!page.images.length || isBusy()) return;
  if (!page.isNamed) return void picker.open();
  const out = grid.selected;
  const isAsExpected = !out.length && page.isAsProposed && ahead !== null;
  const next = ahead;
  page.out = out;
  send("label/grid/accept", page.answer(out, requestKey()), () => (isAsExpected ? lookAhead() : fetchPage()));
  root.setAttribute("aria-busy", "true");
  if (isAsExpected) next?.then(show).catch(fetchPage);
}

/** @type {(path: string, body: any, then: () => void) => void} */
function send(path, body, then) {
  /** @type {Given} */
  const entry = { key: body.request_key, page, job: null, changed: 0 };
  given.push(entry);
  ahead = null;
  entry.job = outbox.add({
    url: () => `${base}/${path}`,
    body: () => body,
    done: (answer) => {
      saved += 1;
      entry.job = null;
      entry.changed = answer.changed ?? 0;
      for (let one = 0; one < entry.changed; one++) pace.count();
      pace.today += entry.changed;
      if (answer.skipped_count) toast(t("{n} stay as they are: somebody changed them meanwhile.", { n: answer.skipped_count }), { kind: "warn" });
      then();
      tellSaving();
      tellPace();
    },
    failed: (error) => {
      given.splice(given.indexOf(entry), 1);
      toastError(error);
      draw(entry.page);
    },
  });
}

/** @param {string} act */
function judge(act, reason = "") {
  const ids = grid.selected.length ? grid.selected : [grid.current?.dataset.id ?? ""].filter(Boolean);
  askReason(false);
  if (!ids.length) return;
  const rest = page.without(ids);
  const body = { image_ids: ids.map(Number), act, versions: page.versionsOf(ids), how: "grid", request_key: requestKey(), ...(reason ? { reason } : {}) };
  send("labels", body, () => (rest.images.length ? lookAhead() : fetchPage()));
  draw(rest);
}

/** @param {import("./class_list.js").Label} label for what is taken out; else for the section that has the focus */
function name(label) {
  list.use(label);
  const section = page.sectionOf(grid.current?.dataset.id) ?? page.sections[0];
  const ids = grid.selected.length ? grid.selected : (section?.images ?? []).map((one) => String(one.id));
  page.name(ids, label);
  page.out = [];
  draw(page);
  focusGrid();
}

async function skip() {
  if (!page.images.length || isBusy()) return;
  try {
    await postJson(`${base}/label/skip`, { image_ids: page.images.map((one) => one.id) });
    await fetchPage();
  } catch (error) {
    toastError(error);
  }
}

async function undo() {
  const last = given.pop();
  if (!last) return toast(t("Nothing to undo"));
  root.setAttribute("aria-busy", "true");
  try {
    if (!last.job || !outbox.withdraw(last.job)) {
      const answer = await postJson(`${base}/label/undo`, { action_key: last.key, request_key: requestKey() });
      last.page.takeVersions(answer.versions);
    }
    pace.today -= last.changed;
    for (let one = 0; one < last.changed; one++) pace.uncount();
    ahead = null;
    saved += 1;
    draw(last.page);
    tellSaving();
  } catch (error) {
    given.push(last);
    toastError(error);
  } finally {
    root.removeAttribute("aria-busy");
  }
}

function focusGrid() {
  (grid.current ?? root).focus({ preventScroll: true });
}

function tellPace() {
  part("pace").textContent = pace.words();
}

function tellSaving() {
  showSaving(outbox.waiting, saved);
}

/** @type {Record<string, () => void>} */
const ACTS = {
  accept,
  skip: () => void skip(),
  undo: () => void undo(),
  unknown: () => judge("unknown"),
  none: () => judge("none"),
  not_good: () => askReason(part("reasons").hidden),
  find: () => picker.open(),
};
root.addEventListener("selectionchange", () => showCount(page, grid.selected.length));
startActs(ACTS, (reason) => judge("not_good", reason));
list.load().catch(toastError);
tellSaving();
void fetchPage();
