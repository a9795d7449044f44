// @ts-check
// The list that the light table walks through: the library under a filter, or the images of the grid one came from.
import { getJson } from "../core/fetch.js";
import { toastError } from "../core/toast.js";

/**
 * @typedef {object} Frame
 * @property {number} id
 * @property {string} name
 * @property {string | null} label
 * @property {string} state
 * @property {string | null} quality
 * @property {boolean} is_small
 * @property {number} version
 * @property {number} turn
 * @property {number | null} width
 * @property {number | null} height
 * @property {string} address
 * @property {boolean} has_picture
 */
/** @typedef {{images: Frame[], has_newer: boolean, has_older: boolean, place?: number | null, total?: string}} Around */
/** @typedef {{ids: string[], back: string, words: string}} Kept a grid's list, kept by core/grid_lists.js */

const AT_ONCE = 25;
const NEAR = 12;
const LOADED = 4;
const PICTURES = 16;

export class LightList {
  /**
   * @param {{base: string, query: string, first: Frame, kept: Kept | null, onChange: () => void}} options
   */
  constructor(options) {
    this.options = options;
    /** @type {Frame[]} newest first, or in the order of the grid */
    this.frames = [options.first];
    this.at = 0;
    this.hasNewer = true;
    this.hasOlder = true;
    /** @type {number | null} place of the first frame known, from 1 */
    this.start = null;
    this.total = "";
    this.step = 1;
    this.isFetching = false;
    /** @type {Map<string, HTMLImageElement>} */
    this.pictures = new Map();
  }

  get current() {
    return this.frames[this.at];
  }

  /** @returns {number | null} where in the list the current image stands, from 1 */
  get place() {
    return this.start === null ? null : this.start + this.at;
  }

  /** @type {(step: number) => boolean} whether there was one to go to */
  move(step) {
    if (!this.frames[this.at + step]) return false;
    this.at += step;
    this.step = Math.sign(step) || 1;
    this.prepare();
    this.options.onChange();
    return true;
  }

  /** Fetches on where few are left, and the pictures that come next. */
  prepare() {
    if (this.at < NEAR && this.hasNewer) void this.extend(0);
    else if (this.frames.length - 1 - this.at < NEAR && this.hasOlder) void this.extend(this.frames.length - 1);
    for (let ahead = 1; ahead <= LOADED; ahead++) {
      this.load(this.frames[this.at + ahead * this.step]);
      if (ahead <= 2) this.load(this.frames[this.at - ahead * this.step]);
    }
  }

  /** @param {Frame | undefined} frame keeps the last pictures at hand, so that the next is there in the same frame */
  load(frame) {
    if (!frame?.has_picture) return;
    const url = pictureOf(frame);
    if (this.pictures.has(url)) return;
    const picture = new Image();
    picture.src = url;
    this.pictures.set(url, picture);
    const oldest = this.pictures.keys().next().value;
    if (this.pictures.size > PICTURES && oldest) this.pictures.delete(oldest);
  }

  /** @param {number} end index of the frame from which the list is looked up */
  async extend(end) {
    if (this.isFetching) return;
    this.isFetching = true;
    try {
      this.take(await this.ask(this.frames[end]));
    } catch (error) {
      toastError(error);
      return;
    } finally {
      this.isFetching = false;
    }
    this.options.onChange();
    this.prepare();
  }

  /** @type {(frame: Frame) => Promise<Around>} */
  async ask({ id }) {
    const { base, query, kept } = this.options;
    if (!kept) {
      const place = this.frames.length === 1 ? "&place=true" : "";
      return getJson(`${base}/library/around?${query ? `${query}&` : ""}image=${id}&count=${AT_ONCE}${place}`);
    }
    const at = kept.ids.indexOf(String(id));
    const [from, to] = [Math.max(0, at - AT_ONCE), at + AT_ONCE + 1];
    const { images } = await getJson(`${base}/library/frames?ids=${kept.ids.slice(from, to).join(",")}`);
    return { images, has_newer: from > 0, has_older: to < kept.ids.length, place: at + 1, total: String(kept.ids.length) };
  }

  /** @param {Around} found */
  take(found) {
    const { current } = this;
    const known = new Set(this.frames.map((frame) => frame.id));
    const joint = found.images.findIndex((frame) => known.has(frame.id));
    const last = found.images.findLastIndex((frame) => known.has(frame.id));
    const before = found.images.slice(0, Math.max(0, joint)).filter((frame) => !known.has(frame.id));
    const after = found.images.slice(last + 1).filter((frame) => !known.has(frame.id));
    if (joint >= 0 && found.images[joint].id === this.frames[0].id) this.hasNewer = found.has_newer;
    if (last >= 0 && found.images[last].id === this.frames.at(-1)?.id) this.hasOlder = found.has_older;
    if (found.total !== undefined) {
      this.total = found.total;
      this.start = found.place ?? null;
    }
    this.frames = [...before, ...this.frames, ...after];
    if (this.start !== null) this.start -= before.length;
    this.at = this.frames.indexOf(current);
  }
}

/** @type {(frame: Frame, kind?: "rendition" | "thumbnail" | "large") => string} */
export const pictureOf = ({ address, turn }, kind = "rendition") => `${address}/${kind}?r=${turn}`;
