// @ts-check
// What a labeller answered: shown at once, confirmed in the background, taken back and done again step by step.
import { t } from "../core/texts.js";
import { toast, toastError } from "../core/toast.js";
import { requestKey } from "./outbox.js";

/** @typedef {import("./deck.js").Item} Item */
/** @typedef {{said: string, turn: number, small: boolean}} Look */
/** @typedef {{action_id?: number, action_key?: string}} Act */
/**
 * @typedef {object} Entry one answer
 * @property {Item} item
 * @property {Look} before
 * @property {Look} after
 * @property {string} path
 * @property {Record<string, any>} body
 * @property {boolean} stays whether its image stays in front
 * @property {boolean} counts whether it settles the image
 * @property {import("./outbox.js").Job | null} job the last request of it
 * @property {Act | null} last the act to take back next; null: the server knows of none
 * @property {Act | null} previous what `last` was before the last request
 */
/**
 * @typedef {object} AnswersOptions
 * @property {string} base address of the project
 * @property {import("./deck.js").Deck} deck
 * @property {import("./outbox.js").Outbox} outbox
 * @property {import("./pace.js").Pace} pace
 * @property {(words?: string) => void} onChange the deck or the figures changed; words are to be said aloud
 */

/** @type {(item: Item) => Look} */
const lookOf = ({ said, turn, small }) => ({ said, turn, small });

export class Answers {
  /** @param {AnswersOptions} options */
  constructor(options) {
    this.options = options;
    /** @type {Entry[]} */
    this.entries = [];
    /** @type {Entry[]} */
    this.undone = [];
    this.saved = 0;
  }

  /**
   * @param {Record<string, any>} body what the server is to do with the current image
   * @param {string} words what was answered
   * @param {{after?: Partial<Look>, stays?: boolean, path?: string}} [options] stays: the image stays in front; path: not an act on labels
   */
  give(body, words, { after = { said: words }, stays = false, path = "labels" } = {}) {
    const item = this.options.deck.current;
    if (!item) return;
    const before = lookOf(item);
    const counts = !stays && path === "labels";
    /** @type {Entry} */
    const entry = { item, before, after: { ...before, ...after }, path, body: { image_ids: [item.id], ...body }, stays, counts, job: null, last: null, previous: null };
    this.undone = [];
    this.post(entry, path, entry.body, 1);
    this.put(entry, words);
  }

  /**
   * @param {Entry} entry
   * @param {string} words
   */
  put(entry, words) {
    const { deck, pace, onChange } = this.options;
    Object.assign(entry.item, entry.after);
    this.entries.push(entry);
    if (entry.counts) pace.count();
    if (!entry.stays && deck.current === entry.item) deck.forward();
    onChange(words);
  }

  /**
   * @param {Entry} entry
   * @param {string} path
   * @param {Record<string, any>} body
   * @param {1 | -1} sign of what it adds to the day's count
   */
  post(entry, path, body, sign) {
    const { base, outbox } = this.options;
    const { item } = entry;
    const key = requestKey();
    const versions = path === "labels" ? { versions: { [item.id]: item.version } } : {};
    const keyed = path === "label/skip" ? {} : { request_key: key };
    const sent = { key, path, image: item.id, name: item.name, at: performance.timeOrigin + performance.now(), body: { ...body, ...versions, ...keyed } };
    const isUndo = sign < 0;
    entry.job = outbox.add({
      sent,
      url: () => `${base}/${path}`,
      body: () => sent.body,
      done: (result) => this.settle(entry, result, sign),
      failed: (error) => {
        if (!isUndo) this.takeBack(entry);
        toastError(new Error(`${item.name}: ${error.message}`));
      },
    });
    entry.previous = entry.last;
    entry.last = path === "label/skip" ? null : { action_key: key };
  }

  /**
   * @param {Entry} entry
   * @param {any} result
   * @param {1 | -1} sign
   */
  settle(entry, result, sign) {
    const { item } = entry;
    const { outbox, pace, onChange } = this.options;
    const skipped = result.skipped?.[0];
    this.saved += 1;
    if (skipped?.why) {
      item.version = skipped.version ?? item.version;
      if (sign > 0) this.takeBack(entry);
      this.tellSkipped(item, skipped);
      return;
    }
    const version = result.versions?.[item.id];
    if (version !== undefined) {
      item.version = version;
      outbox.takeVersion(item.id, version);
    }
    if (entry.counts && result.changed) pace.today += sign;
    onChange();
  }

  /**
   * @param {Item} item
   * @param {any} skipped
   */
  tellSkipped(item, { why, by, now }) {
    const values = { name: item.name, why, by: by ?? "", now: now ?? t("gone") };
    const words = by ? t("{name} stays as it is: {why} by {by}, now {now}", values) : t("{name} stays as it is: {why}, now {now}", values);
    toast(words, { kind: "warn", action: { label: t("Go to it"), run: () => this.goTo(item) } });
  }

  /** @param {Item} item */
  goTo(item) {
    this.options.deck.goTo(item);
    this.options.onChange();
  }

  /** @param {Entry} entry that was not taken: its image is as before, unless it was answered again since */
  takeBack(entry) {
    const newest = this.entries.findLast((one) => one.item === entry.item);
    if (newest === entry) Object.assign(entry.item, entry.before);
    this.entries = this.entries.filter((one) => one !== entry);
    if (entry.counts) this.options.pace.uncount();
    this.options.onChange();
  }

  /** Takes the last answer back and brings its image to the front; again and again, back to the day's beginning. */
  undo() {
    const entry = this.entries.pop();
    if (!entry) {
      toast(t("Nothing more to undo here. History lists earlier acts."));
      return;
    }
    const { deck, outbox, pace, onChange } = this.options;
    const { item, job, last } = entry;
    Object.assign(item, entry.before);
    this.undone.push(entry);
    if (entry.counts) pace.uncount();
    if (job && outbox.withdraw(job)) entry.last = entry.previous;
    else if (last) this.post(entry, "label/undo", last, -1);
    deck.goTo(item);
    onChange(t("Undone"));
  }

  /** Does again what was undone last. */
  redo() {
    const entry = this.undone.pop();
    if (!entry) {
      toast(t("Nothing to do again."));
      return;
    }
    const { deck, outbox } = this.options;
    deck.goTo(entry.item);
    // An undo that never left is not sent at all, and the act stands.
    if (entry.job && outbox.withdraw(entry.job)) entry.last = entry.previous;
    else this.post(entry, entry.path, entry.body, 1);
    this.put(entry, t("Done again"));
  }
}
