// @ts-check
// What the production version suggests for images, fetched a few at a time and kept.
import { getJson } from "../core/fetch.js";

/** @typedef {{class_id: number, name: string, confidence: number}} Suggestion */

export class Suggestions {
  /** @param {string} base address of the project */
  constructor(base) {
    this.base = base;
    /** @type {number | null} the version that suggests */
    this.versionId = null;
    /** @type {Record<string, string>} this labeller's keys, by command of the labelling screen */
    this.keys = {};
    /** @type {Map<number, Suggestion[]>} */
    this.byImage = new Map();
  }

  /** @type {(id: number) => Suggestion[]} best first; none until they are fetched */
  of(id) {
    return this.byImage.get(id) ?? [];
  }

  /** @type {(wanted: number, near: number[]) => Promise<boolean>} whether there is news of the wanted image, or of those near it */
  async fetch(wanted, near) {
    if (this.byImage.has(wanted)) return false;
    const ids = [...new Set([wanted, ...near])].filter((id) => !this.byImage.has(id));
    for (const id of ids) this.byImage.set(id, []);
    const answer = await getJson(`${this.base}/suggestions?ids=${ids.join(",")}`);
    this.versionId = answer.version_id;
    this.keys = answer.keys;
    for (const [id, found] of Object.entries(answer.suggestions)) this.byImage.set(Number(id), found);
    return true;
  }
}
