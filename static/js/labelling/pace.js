// @ts-check
// How many today, how fast over the last minutes, and how much of what waits that is.
import { t } from "../core/texts.js";
import { byId } from "./stage.js";

const WINDOW_MS = 5 * 60_000;
const LEAST_MS = 20_000;
const TELLING = 5;
const CAP = 10_000;

export class Pace {
  constructor() {
    this.today = 0;
    /** @type {number[]} */
    this.moments = [];
    /** @type {{waiting: number, answered: number} | null} what waited when the server last told, and was answered by then */
    this.told = null;
  }

  /** @param {number} [now] ms */
  count(now = Date.now()) {
    this.moments.push(now);
  }

  /** Takes the last count back. */
  uncount() {
    this.moments.pop();
  }

  /**
   * @param {number} [now] ms
   * @returns {string} "124 today, 18 a minute"
   */
  words(now = Date.now()) {
    this.moments = this.moments.filter((moment) => moment > now - WINDOW_MS);
    if (this.moments.length < TELLING) return t("{today} today", { today: this.today });
    const minutes = Math.max(LEAST_MS, now - this.moments[0]) / 60_000;
    return t("{today} today, {pace} a minute", { today: this.today, pace: Math.round(this.moments.length / minutes) });
  }

  /** @param {number} answered how many are answered on this page, sent or not */
  show(answered) {
    byId("pace").textContent = this.words();
    if (!this.told) return;
    const left = Math.max(0, this.told.waiting - (answered - this.told.answered));
    const isMore = this.told.waiting >= CAP;
    byId("waiting").textContent = isMore ? t("{left}+ waiting", { left }) : t("{left} waiting", { left });
    const bar = /** @type {HTMLProgressElement} */ (byId("done"));
    [bar.max, bar.value] = [Math.max(1, this.today + left), this.today];
  }
}
