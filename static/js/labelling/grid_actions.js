// @ts-check
// Labelling in a grid: choose images, then a key or a button. Wires every [data-selection-bar][data-for][data-project].
// After an act the grid fires "acted" with {ids, act, isUndone}, for pages that show more than the grid.
import { postJson } from "../core/fetch.js";
import { gridOf } from "../core/grid.js";
import { MOST } from "../core/grid_choice.js";
import { bind } from "../core/keys.js";
import { t, tn } from "../core/texts.js";
import { toast, toastError, undoLatest } from "../core/toast.js";
import { caption, keepLook, reasonOf, takeVersionsIn, turn, versionsIn } from "./cells.js";
import { ClassList } from "./class_list.js";
import { beginLarge } from "./large_act.js";
import { Outbox, requestKey } from "./outbox.js";
import { ClassPicker } from "./picker.js";
import { DONE, REASONS, SelectionBar } from "./selection_bar.js";

/** @typedef {{act: string, class_id?: number, sub_class_id?: number | null, reason?: string}} Act */
/** @typedef {Map<string, () => void>} Looks by image id, what makes its cell look as before */

const IN_PLACE = new Set(["rotate", "not_good", "good", "small_subject", "not_small_subject"]);

class GridActions {
  /** @param {HTMLElement} root the bar */
  constructor(root) {
    const grid = document.getElementById(root.dataset.for ?? "");
    if (!grid) throw new Error(`no grid #${root.dataset.for}`);
    this.grid = gridOf(grid);
    this.base = `/projects/${root.dataset.project}`;
    this.saved = 0;
    this.outbox = new Outbox((waiting) => this.tell(waiting));
    const isRemoved = new URLSearchParams(location.search).get("state") === "removed";
    this.bar = new SelectionBar(root, {
      base: this.base,
      grid: this.grid,
      isRemoved,
      onAct: (act) => this.press(act),
      onReason: (reason) => this.judge(reason),
      onMatching: () => this.grid.selectMatching(),
      onClear: () => this.grid.clear(),
    });
    this.list = new ClassList(this.base);
    this.picker = new ClassPicker(this.bar.input, {
      list: this.list,
      mayMake: root.dataset.role !== "labeller",
      onPick: (label) => this.label(label),
      onCancel: () => this.leavePicker(),
    });
    this.bar.input.addEventListener("focus", () => this.bar.pick(true));
    this.bar.input.addEventListener("blur", () => this.bar.pick(false));
    grid.addEventListener("selectionchange", () => this.bar.show(this.grid));
    this.bindKeys();
    this.bar.show(this.grid);
    this.tell(0);
    this.list.load().then(() => this.picker.refresh(), toastError);
  }

  bindKeys() {
    const group = { group: t("Chosen images") };
    for (const { act, key, word } of this.bar.verdicts) bind(key, word, () => this.press(act), group);
    REASONS.forEach((_, at) => bind(String(at + 1), t("Reason {n} for not good", { n: at + 1 }), () => this.bar.asksReason && this.judge(REASONS[at]), group));
    bind("/", t("Label with a class"), () => this.openPicker(), group);
    bind("z", t("Undo"), () => undoLatest(), group);
    bind("Ctrl+z", t("Undo"), () => undoLatest(), group);
  }

  /** @param {number} waiting */
  tell(waiting) {
    Object.assign(document.body.dataset, { saved: String(this.saved), pending: String(waiting) });
  }

  /** @returns {boolean} whether something is chosen, and no more by hand than one act takes; else says so */
  get isReady() {
    const { count, choice } = this.grid;
    const isTooMuch = count > MOST && !choice.isAll;
    if (!count) toast(t("Choose images first: a press, Space, or Ctrl+A for all."));
    else if (isTooMuch) toast(t("One act takes at most {most} images chosen by hand.", { most: MOST }), { kind: "warn" });
    return count > 0 && !isTooMuch;
  }

  openPicker() {
    if (!this.isReady) return;
    this.bar.pick(true);
    this.picker.open();
  }

  leavePicker() {
    this.bar.pick(false);
    this.focusGrid();
  }

  focusGrid() {
    this.grid.current?.focus({ preventScroll: true });
  }

  /** @param {import("./class_list.js").Label} label */
  label(label) {
    this.leavePicker();
    this.list.use(label);
    const { class_id, sub_class_id, words } = label;
    const fine = sub_class_id === undefined ? {} : { sub_class_id };
    this.perform({ act: "label", class_id, ...fine }, t("labelled {label}", { label: words }), (cell) => caption(cell, words));
  }

  /** @param {string} act */
  press(act) {
    if (!this.isReady) return;
    if (act === "not_good") this.bar.askReason(!this.bar.asksReason);
    else this.perform({ act }, DONE[act]?.() ?? act, act === "rotate" ? turn : () => {});
  }

  /** @param {string} reason */
  judge(reason) {
    this.bar.askReason(false);
    this.perform({ act: "not_good", reason }, t("judged not good: {reason}", { reason: reason.replaceAll("_", " ") }), () => {});
  }

  /**
   * Shows the act at once and sends it; what the server left as it was comes back marked.
   * @param {Act} act
   * @param {string} words
   * @param {(cell: HTMLElement) => void} show
   */
  perform(act, words, show) {
    const { grid } = this;
    if (grid.count > MOST) {
      void beginLarge(this.base, act, grid.choice);
      return grid.clear();
    }
    const [ids, chosen] = [grid.selected, grid.choice.isAll ? { selection: grid.choice.selection } : { image_ids: grid.selected.map(Number) }];
    /** @type {Looks} */
    const before = new Map(ids.map((id) => [id, keepLook(grid.layout, id)]));
    const key = requestKey();
    const send = () => {
      grid.layout.change(ids, show);
      grid.mark(ids, "busy");
      this.outbox.add({
        url: () => `${this.base}/labels`,
        body: () => ({ ...act, ...chosen, versions: versionsIn(grid.layout, ids), how: "grid", request_key: key }),
        done: (answer) => this.settle(act, words, before, answer),
        failed: (error) => {
          for (const restore of before.values()) restore();
          toastError(error, send);
        },
      });
    };
    send();
    grid.clear();
    this.focusGrid();
  }

  /** @type {(act: Act, words: string, before: Looks, answer: any) => void} */
  settle({ act }, words, before, answer) {
    this.saved += 1;
    const skipped = new Map(answer.skipped.map((/** @type {any} */ one) => [String(one.image_id), one]));
    const done = [...before.keys()].filter((id) => !skipped.has(id));
    for (const [id, left] of skipped) this.leave(id, before.get(id), left);
    takeVersionsIn(this.grid.layout, done, answer.versions);
    this.grid.mark(done, IN_PLACE.has(act) ? "" : "gone");
    const rest = answer.skipped_count ? ` ${t("{n} left as they were: {why}.", { n: answer.skipped_count, why: reasonOf(answer.skipped[0]) })}` : "";
    toast(`${tn("{n} image {done}.", "{n} images {done}.", answer.changed, { done: words })}${rest}`, {
      kind: answer.skipped_count ? "warn" : "info",
      undo: answer.changed ? () => this.undo(act, before, done, answer.undo_url) : undefined,
    });
    this.say(done, act, false);
  }

  /** @type {(id: string, restore: (() => void) | undefined, left: any) => void} */
  leave(id, restore, left) {
    restore?.();
    this.grid.layout.change([id], (cell) => {
      if (left.now) caption(cell, left.now);
      cell.dataset.state = "failed";
      cell.title = reasonOf(left);
      if (left.version !== null) cell.dataset.version = String(left.version);
    });
  }

  /** @type {(act: string, before: Looks, done: string[], url: string) => Promise<void>} */
  async undo(act, before, done, url) {
    const answer = await postJson(`${url}?request_key=${requestKey()}`, {});
    this.saved += 1;
    const kept = new Set(answer.skipped.map((/** @type {any} */ one) => String(one.image_id)));
    const back = done.filter((id) => !kept.has(id));
    for (const id of back) before.get(id)?.();
    takeVersionsIn(this.grid.layout, back, answer.versions);
    if (answer.skipped_count) toast(tn("{n} was changed since and stays as it is.", "{n} were changed since and stay as they are.", answer.skipped_count), { kind: "warn" });
    this.tell(this.outbox.waiting);
    this.say(back, act, true);
  }

  /** @type {(ids: string[], act: string, isUndone: boolean) => void} */
  say(ids, act, isUndone) {
    this.grid.root.dispatchEvent(new CustomEvent("acted", { bubbles: true, detail: { ids, act, isUndone } }));
  }
}

for (const bar of document.querySelectorAll("[data-selection-bar]")) new GridActions(/** @type {HTMLElement} */ (bar));
