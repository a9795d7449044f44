// @ts-check
// What a labeller answers on the light table: on its way to the server, confirmed or left, and taken back in turn.
import { t } from "../core/texts.js";
import { toast, toastError } from "../core/toast.js";
import { Outbox, requestKey } from "../labelling/outbox.js";

/** @typedef {import("./light_list.js").Frame} Frame */
/** @typedef {{frame: Frame, before: Frame, undoUrl: string, job: import("../labelling/outbox.js").Job | null}} Entry */

export class LightAnswers {
  /** @param {{base: string, list: import("./light_list.js").LightList, onChange: (words: string) => void}} options */
  constructor(options) {
    this.options = options;
    /** @type {Entry[]} */
    this.entries = [];
    this.saved = 0;
    this.outbox = new Outbox((waiting) => this.tell(waiting));
    this.tell(0);
  }

  /** @param {number} waiting */
  tell(waiting) {
    Object.assign(document.body.dataset, { saved: String(this.saved), pending: String(waiting) });
  }

  /**
   * @param {Record<string, unknown>} body what the server is to do
   * @param {Partial<Frame>} change how it looks then
   * @param {string} words
   */
  give(body, change, words) {
    const { list, base, onChange } = this.options;
    const frame = list.current;
    /** @type {Entry} */
    const entry = { frame, before: { ...frame }, undoUrl: "", job: null };
    this.entries.push(entry);
    const key = requestKey();
    Object.assign(frame, change);
    entry.job = this.outbox.add({
      url: () => `${base}/labels`,
      body: () => ({ image_ids: [frame.id], versions: { [frame.id]: frame.version }, request_key: key, ...body }),
      done: (answer) => this.settle(entry, answer),
      failed: (error) => {
        Object.assign(frame, entry.before);
        this.entries = this.entries.filter((one) => one !== entry);
        toastError(error, () => this.give(body, change, words));
        onChange("");
      },
    });
    onChange(words);
  }

  /**
   * @param {Entry} entry
   * @param {any} answer
   */
  settle(entry, answer) {
    const { frame, before } = entry;
    const left = answer.skipped?.[0];
    this.saved += 1;
    frame.version = answer.versions?.[frame.id] ?? left?.version ?? frame.version;
    entry.undoUrl = answer.changed ? answer.undo_url : "";
    if (left) {
      Object.assign(frame, { ...before, version: frame.version });
      toast(t("{name} stays as it is: {why}, now {now}", { name: frame.name, why: left.why, now: left.now ?? "" }), { kind: "warn" });
    }
    this.options.onChange("");
  }

  /** Takes the last act back and goes to its image. */
  undo() {
    const entry = this.entries.pop();
    if (!entry) return toast(t("Nothing to undo since this page was opened. History lists earlier acts."));
    const { frame, before } = entry;
    const { list, onChange } = this.options;
    const isUnsent = entry.job !== null && this.outbox.withdraw(entry.job);
    Object.assign(frame, { ...before, version: frame.version });
    const at = list.frames.indexOf(frame);
    if (at !== list.at && at >= 0) list.move(at - list.at);
    onChange(t("Undone"));
    if (isUnsent) return undefined;
    this.outbox.add({
      url: () => (entry.undoUrl ? `${entry.undoUrl}?request_key=${requestKey()}` : null),
      body: () => ({}),
      done: (answer) => this.settle({ ...entry, job: null }, { ...answer, changed: 0 }),
      failed: (error) => toastError(error),
    });
    return undefined;
  }
}
