// @ts-check
// Answers that the server does not have yet, kept in this browser: a reload or a closed tab loses none of them.

/**
 * @typedef {object} Sent plain data, whole: sending it twice is harmless, since the key makes it the same request
 * @property {string} key
 * @property {string} path under the project's address
 * @property {Record<string, any>} body
 * @property {number} image
 * @property {string} name of the image, for messages
 * @property {number} at when it was given, ms
 */

export class Journal {
  /** @param {string} owner whose answers, of which project */
  constructor(owner) {
    this.prefix = `winnow-answer:${owner}:`;
    this.isDurable = true;
  }

  /** @param {Sent} sent */
  keep(sent) {
    try {
      localStorage.setItem(this.prefix + sent.key, JSON.stringify(sent));
    } catch {
      this.isDurable = false; // Barred or full: the page warns before it is left, as long as something waits.
    }
  }

  /** @param {string} key */
  drop(key) {
    try {
      localStorage.removeItem(this.prefix + key);
    } catch {
      this.isDurable = false;
    }
  }

  /** @returns {Sent[]} the oldest first; those of other tabs too, since a tab may be gone for good */
  all() {
    try {
      const keys = Object.keys(localStorage).filter((key) => key.startsWith(this.prefix));
      return keys.map((key) => JSON.parse(localStorage.getItem(key) ?? "null")).filter(Boolean).sort((one, other) => one.at - other.at);
    } catch {
      this.isDurable = false;
      return [];
    }
  }
}
