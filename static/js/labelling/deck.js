// @ts-check
// The images in hand: those done, the one in front, those to come (fetched and their pictures decoded ahead).
import { postJson } from "../core/fetch.js";
import { toastError } from "../core/toast.js";

/**
 * @typedef {object} Item
 * @property {number} id
 * @property {number} version label version as the server last told it
 * @property {number} turn
 * @property {boolean} small small subject
 * @property {string} name
 * @property {string} state
 * @property {string | null} quality
 * @property {string} picture
 * @property {string | null} chosen_by the policy that handed it out
 * @property {{by: string, text: string}[]} notes
 * @property {{class_id: number, name: string, confidence: number}[]} suggestions
 * @property {string} said what this labeller answered, "" before
 */
/**
 * @typedef {object} DeckOptions
 * @property {string} base address of the project
 * @property {string} policy as it stands in the address
 * @property {number | null} first an image to begin with
 * @property {number[]} held images answered before a reload, whose answers are still on their way
 * @property {(news: any) => void} onNews
 */

const AHEAD = 12;
const LOADED = 6;
const AT_ONCE = 10;
const HAVE = 150;

export class Deck {
  /** @param {DeckOptions} options */
  constructor(options) {
    this.options = options;
    /** @type {Item[]} */
    this.items = [];
    this.at = 0;
    this.given = 0;
    this.isFetching = false;
    this.isExhausted = false;
    /** @type {{version_id: number | null, version_number: number | null}} */
    this.version = { version_id: null, version_number: null };
    /** @type {Map<string, HTMLImageElement>} */
    this.pictures = new Map();
  }

  /** @returns {Item | undefined} */
  get current() {
    return this.items[this.at];
  }

  /** Goes to the next image that has no answer yet, or past the end. */
  forward() {
    const next = this.items.findIndex((item, at) => at > this.at && !item.said);
    this.at = next < 0 ? this.items.length : next;
    this.prepare();
  }

  /** @param {number} step */
  move(step) {
    this.at = Math.max(0, Math.min(this.items.length, this.at + step));
    this.prepare();
  }

  /** @param {Item} item */
  goTo(item) {
    this.at = Math.max(0, this.items.indexOf(item));
  }

  prepare() {
    const open = this.items.slice(this.at).filter((item) => !item.said).length;
    if (open < AHEAD && !this.isExhausted) void this.fetch();
    this.loadAhead();
  }

  /** @param {string} url keeps the pictures to come at hand and decoded, so that the next image is there in the same frame */
  load(url) {
    if (this.pictures.has(url)) return;
    const picture = new Image();
    picture.src = url;
    picture.decode().catch(() => {}); // The stage says so when it is its turn.
    this.pictures.set(url, picture);
    const oldest = this.pictures.keys().next().value;
    if (this.pictures.size > 3 * LOADED && oldest) this.pictures.delete(oldest);
  }

  /** @param {number} [count] 0 only keeps those in hand */
  async fetch(count = AT_ONCE) {
    if (this.isFetching) return;
    this.isFetching = true;
    const { base, policy, first, held } = this.options;
    const midnight = new Date();
    midnight.setHours(0, 0, 0, 0);
    const begins = !this.items.length;
    const have = [...held, ...this.items.slice(-HAVE).map((item) => item.id)].slice(-HAVE);
    const wanted = { count, policy, given: this.given, have, since: midnight.toISOString(), begins };
    let news = null;
    try {
      news = await postJson(`${base}/label/next`, { ...wanted, ...(first && begins ? { first } : {}) });
      this.take(news, count);
    } catch (error) {
      toastError(error, () => this.fetch(count));
    } finally {
      this.isFetching = false;
    }
    this.options.onNews(news);
    if (news?.may_be_more && count) this.prepare();
  }

  /**
   * @param {any} news
   * @param {number} count
   */
  take(news, count) {
    const fresh = this.add(news.images);
    this.given += fresh.length;
    this.version = { version_id: news.version_id, version_number: news.version_number };
    if (count) this.isExhausted = !fresh.length && !news.may_be_more;
    this.loadAhead();
  }

  /**
   * @param {Omit<Item, "said">[]} images
   * @param {boolean} [inFront] before those in hand
   * @returns {Item[]} those that were not here
   */
  add(images, inFront = false) {
    const known = new Set(this.items.map((item) => item.id));
    const fresh = images.filter(({ id }) => !known.has(id)).map((image) => ({ ...image, said: "" }));
    if (inFront) {
      this.items.unshift(...fresh);
      this.at += fresh.length;
    } else this.items.push(...fresh);
    return fresh;
  }

  loadAhead() {
    for (const item of this.items.slice(this.at, this.at + LOADED + 1)) this.load(address(item));
  }
}

/** @type {(item: Item) => string} */
export const address = (item) => `${item.picture}?r=${item.turn}`;
