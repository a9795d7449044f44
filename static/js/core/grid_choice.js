// @ts-check
// Which images are chosen: some by id, or all that match the list's filter but a few.

/** Images that one act takes at once (app/library/selection.py); beyond, it goes on as a run. */
export const MOST = 10_000;

export class Choice {
  /** @param {DOMStringMap} list filter, total (empty: not known) and seenAt of the list, as its grid says them */
  constructor(list) {
    this.list = list;
    this.isAll = false;
    /** @type {Set<string>} the chosen, or with `isAll` the left out */
    this.marked = new Set();
  }

  /** @returns {boolean} whether all that match can be chosen, beyond what is */
  get isOffered() {
    return this.list.filter !== undefined && !this.isAll && this.total > this.count;
  }

  /** @returns {number} images that match the filter; Infinity where they were not all counted */
  get total() {
    return this.list.total ? Number(this.list.total) : Infinity;
  }

  /** @returns {number} how many may be taken: who may begin runs takes all (`data-most` is absent), others the newest */
  get offered() {
    return Math.min(this.total, Number(this.list.most) || Infinity);
  }

  /** @returns {number} Infinity where all were taken and not all were counted */
  get count() {
    if (!this.isAll) return this.marked.size;
    return this.total > this.offered ? this.offered : this.total - this.marked.size;
  }

  /** All that match, for requests. */
  get selection() {
    const { filter = "", seenAt } = this.list;
    const most = this.total > this.offered ? { most: this.offered } : {};
    return { filter, except_ids: [...this.marked].map(Number), ...most, ...(seenAt ? { seen_at: seenAt } : {}) };
  }

  /** @type {(id: string) => boolean} */
  has(id) {
    return this.marked.has(id) !== this.isAll;
  }

  /** @type {(id: string, isOn: boolean) => void} */
  set(id, isOn) {
    if (isOn === this.isAll) this.marked.delete(id);
    else this.marked.add(id);
  }

  all() {
    this.isAll = true;
    this.marked.clear();
  }

  none() {
    this.isAll = false;
    this.marked.clear();
  }

  /** @type {(id: string) => void} it is in the list no longer */
  forget(id) {
    this.marked.delete(id);
  }

  /** @param {Set<string>} ids what the list has now */
  keep(ids) {
    for (const id of this.marked) if (!ids.has(id)) this.marked.delete(id);
  }
}
