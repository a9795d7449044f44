// @ts-check
// Answers on their way to the server: one after the other, in order, repeated with the same key until one comes through.
import { postJson, RequestError } from "../core/fetch.js";
import { t, tn } from "../core/texts.js";
import { toastError } from "../core/toast.js";

/** @typedef {import("./journal.js").Sent} Sent */
/**
 * @typedef {object} Job
 * @property {() => string | null} url read when it is sent; null: no longer needed
 * @property {() => unknown} body read when it is sent, so that it carries the newest label version
 * @property {(answer: any) => void} done
 * @property {(error: RequestError) => void} failed the server refused; what it waits for is never reported here
 * @property {Sent} [sent] what the journal keeps of it until one of the two
 */

const WAITS_MS = [500, 1000, 2000, 4000];
const AGAIN_MS = 10_000;
const PASSING = new Set([0, 401, 429, 502, 503, 504]);

/** @returns {string} makes a repeated request the same request */
export const requestKey = () => [...crypto.getRandomValues(new Uint32Array(4))].map((part) => part.toString(36)).join("-");

export class Outbox {
  /**
   * @param {(waiting: number, isStopped: boolean) => void} onChange
   * @param {import("./journal.js").Journal | null} [journal]
   */
  constructor(onChange, journal = null) {
    this.onChange = onChange;
    this.journal = journal;
    /** @type {Job[]} */
    this.jobs = [];
    /** @type {Job | null} */
    this.sending = null;
    this.isStopped = false;
    /** @type {() => void} */
    this.closeWarning = () => {};
    window.addEventListener("online", () => this.resume());
    window.addEventListener("beforeunload", (event) => {
      if (this.waiting && !this.journal?.isDurable) event.preventDefault();
    });
  }

  get waiting() {
    return this.jobs.length + (this.sending ? 1 : 0);
  }

  /**
   * @param {Job} job
   * @returns {Job}
   */
  add(job) {
    if (job.sent) this.journal?.keep(job.sent);
    this.jobs.push(job);
    this.tell();
    void this.run();
    return job;
  }

  /**
   * @param {Job} job
   * @returns {boolean} whether it was still here: then the server never hears of it
   */
  withdraw(job) {
    const at = this.jobs.indexOf(job);
    if (at >= 0) this.jobs.splice(at, 1);
    if (at >= 0 && job.sent) this.journal?.drop(job.sent.key);
    this.tell();
    return at >= 0;
  }

  /**
   * The label version that an image has after an answer: what still waits for it builds on that.
   * @param {number} image
   * @param {number} version
   */
  takeVersion(image, version) {
    for (const { sent } of this.jobs) {
      if (sent?.image !== image || !sent.body.versions) continue;
      sent.body.versions[image] = version;
      this.journal?.keep(sent);
    }
  }

  resume() {
    if (!this.isStopped) return;
    this.isStopped = false;
    this.closeWarning();
    void this.run();
  }

  tell() {
    this.onChange(this.waiting, this.isStopped);
  }

  async run() {
    if (this.sending || this.isStopped) return;
    for (let job = this.jobs.shift(); job && !this.isStopped; job = this.jobs.shift()) {
      this.sending = job;
      this.tell();
      const isSettled = await this.send(job);
      if (isSettled && job.sent) this.journal?.drop(job.sent.key);
      this.sending = null;
      this.tell();
      if (this.isStopped) break;
    }
  }

  /**
   * @param {Job} job
   * @returns {Promise<boolean>} whether the server has decided on it
   */
  async send(job) {
    const url = job.url();
    if (url === null) return true;
    for (let tries = 0; ; tries++) {
      try {
        job.done(await postJson(url, job.body()));
        return true;
      } catch (error) {
        if (!(error instanceof RequestError)) throw error;
        if (!PASSING.has(error.status)) {
          job.failed(error);
          return true;
        }
        if (tries >= WAITS_MS.length || error.status === 401) {
          this.stop(job, error);
          return false;
        }
        await new Promise((resolve) => setTimeout(resolve, WAITS_MS[tries]));
      }
    }
  }

  /**
   * @param {Job} job
   * @param {RequestError} error
   */
  stop(job, error) {
    this.jobs.unshift(job);
    this.isStopped = true;
    this.closeWarning();
    const words = tn("One answer is not saved yet.", "{n} answers are not saved yet.", this.jobs.length);
    const kept = this.journal?.isDurable ? ` ${t("This browser keeps them and sends them again by itself.")}` : "";
    this.closeWarning = toastError(new Error(`${words} ${error.message}${kept}`), () => this.resume()) ?? (() => {});
    setTimeout(() => this.resume(), AGAIN_MS);
  }
}
