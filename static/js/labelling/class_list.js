// @ts-check
// The project's classes, and those that this labeller used last.
import { getJson } from "../core/fetch.js";
import { recall, remember } from "../core/memory.js";

/**
 * @typedef {object} LabelClass
 * @property {number} id
 * @property {string} name
 * @property {string[]} [aliases] other names
 * @property {string | null} [key] one letter or digit
 * @property {{id: number, name: string}[]} sub_classes
 */
/** @typedef {{class_id: number, sub_class_id?: number | null, words: string}} Label */

const KEPT = 9;

export class ClassList {
  /** @param {string} base address of the project */
  constructor(base) {
    this.base = base;
    /** @type {Map<number, LabelClass>} */
    this.byId = new Map();
    this.isLoaded = false;
    /** @type {import("../core/ranking.js").Entry[] | null} */
    this.ranked = null;
    /** @type {WeakMap<LabelClass, import("../core/ranking.js").Entry>} */
    this.made = new WeakMap();
    /** @type {string} */
    this.memory = `winnow-recent-classes:${base}`;
  }

  /** Fetches them; the order is by name. */
  async load() {
    const { classes } = await getJson(`${this.base}/classes.json`);
    this.byId = new Map(classes.map((/** @type {LabelClass} */ one) => [one.id, one]));
    this.isLoaded = true;
    this.ranked = null;
  }

  /** @param {LabelClass} made */
  add(made) {
    this.byId.set(made.id, made);
    this.ranked = null;
  }

  /** @returns {LabelClass[]} */
  get all() {
    return [...this.byId.values()];
  }

  /** What the type-ahead offers: the classes used last, then all by name. Made once, so that its search stays fast. */
  get entries() {
    if (this.ranked) return this.ranked;
    const used = this.remembered.map(([classId]) => this.byId.get(classId));
    const inOrder = new Set([...used, ...this.all].filter((one) => one !== undefined));
    this.ranked = [...inOrder].map((one) => this.entryOf(one));
    return this.ranked;
  }

  /** @param {LabelClass} one */
  entryOf(one) {
    let known = this.made.get(one);
    if (!known) {
      const sub = one.sub_classes.map(({ name }) => name).join(", ");
      known = { id: one.id, name: one.name, sub, also: one.aliases ?? [], key: one.key ?? undefined };
      this.made.set(one, known);
    }
    return known;
  }

  /**
   * @param {number} classId
   * @param {number | null} [subClassId]
   * @returns {Label | null} null where the class is no longer in use
   */
  label(classId, subClassId) {
    const known = this.byId.get(classId);
    if (!known) return null;
    const sub = known.sub_classes.find((one) => one.id === subClassId);
    const words = sub ? `${known.name} / ${sub.name}` : known.name;
    return sub ? { class_id: classId, sub_class_id: sub.id, words } : { class_id: classId, words };
  }

  /** @returns {Label[]} the last ones first, then by name: always something to choose from */
  get recent() {
    const used = this.remembered.map(([classId, subClassId]) => this.label(classId, subClassId));
    const rest = this.all.slice(0, KEPT).map((one) => this.label(one.id));
    return /** @type {Label[]} */ ([...used, ...rest].filter(Boolean));
  }

  /** @returns {[number, number | null][]} */
  get remembered() {
    try {
      const found = JSON.parse(recall(this.memory) ?? "[]");
      return Array.isArray(found) ? found.filter(Array.isArray) : [];
    } catch {
      return [];
    }
  }

  /** @param {Label} label */
  use(label) {
    this.ranked = null;
    const sub = label.sub_class_id ?? null;
    const others = this.remembered.filter((one) => one[0] !== label.class_id || one[1] !== sub);
    remember(this.memory, JSON.stringify([[label.class_id, sub], ...others].slice(0, KEPT)));
  }
}
