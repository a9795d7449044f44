// @ts-check
// A page of look-alikes: its classes with their images, drawn into the grid, and the answer that stands on it.
import { t } from "../core/texts.js";

/** @typedef {{id: number, version: number, name: string, picture: string, sure: number, version_confidence: number | null}} Shown */
/** @typedef {{class_id: number | null, sub_class_id?: number | null, name: string | null, images: Shown[]}} Section */
/** @typedef {import("./class_list.js").Label} Label */

export class LookalikePage {
  /** @param {{sections: Section[], version_id: number | null}} told */
  constructor({ sections, version_id }) {
    this.sections = sections;
    this.versionId = version_id;
    /** whether it stands as the server proposed it */
    this.isAsProposed = true;
    /** @type {string[]} taken out when it was answered */
    this.out = [];
  }

  /** @returns {Shown[]} */
  get images() {
    return this.sections.flatMap((section) => section.images);
  }

  get isNamed() {
    return this.sections.every((section) => section.class_id !== null);
  }

  /** What the server may suppose while the page is looked at. */
  get supposed() {
    const named = this.sections.filter((section) => section.class_id !== null);
    return named.map(({ class_id, images }) => ({ class_id, image_ids: images.map((one) => one.id) }));
  }

  /** @param {string | undefined} id */
  sectionOf(id) {
    return this.sections.find((section) => section.images.some((one) => String(one.id) === id));
  }

  /**
   * Gives images another class on this page: they become a section of their own.
   * @param {string[]} ids
   * @param {Label} label
   */
  name(ids, { class_id, sub_class_id, words }) {
    const meant = new Set(ids);
    const isMeant = (/** @type {Shown} */ one) => meant.has(String(one.id));
    const images = this.images.filter(isMeant).map((one) => ({ ...one, version_confidence: null, sure: 1 }));
    for (const section of this.sections) section.images = section.images.filter((one) => !isMeant(one));
    this.isAsProposed = false;
    const same = this.sections.find((section) => section.class_id === class_id && section.sub_class_id === sub_class_id);
    if (same) same.images.push(...images);
    else this.sections.unshift({ class_id, name: words, images, ...(sub_class_id ? { sub_class_id } : {}) });
    this.sections = this.sections.filter((section) => section.images.length);
  }

  /** @param {string[]} ids images that leave the page */
  without(ids) {
    const gone = new Set(ids);
    const sections = this.sections.map((section) => ({ ...section, images: section.images.filter((one) => !gone.has(String(one.id))) }));
    const rest = new LookalikePage({ sections: sections.filter((section) => section.images.length), version_id: this.versionId });
    rest.isAsProposed = this.isAsProposed;
    return rest;
  }

  /** @param {string[]} ids */
  versionsOf(ids) {
    const meant = new Set(ids);
    return Object.fromEntries(this.images.filter((one) => meant.has(String(one.id))).map((one) => [one.id, one.version]));
  }

  preload() {
    for (const one of this.images) new Image().src = one.picture;
  }

  /**
   * @param {string[]} out ids of what was taken out
   * @param {string} key
   */
  answer(out, key) {
    const taken = new Set(out);
    const stays = (/** @type {Shown} */ one) => !taken.has(String(one.id));
    const sections = this.sections.filter((section) => section.class_id !== null);
    return {
      sections: sections
        .map(({ class_id, sub_class_id, images }) => ({
          class_id,
          ...(sub_class_id ? { sub_class_id } : {}),
          images: images.filter(stays).map(({ id, version, version_confidence }) => ({ id, version, confidence: version_confidence })),
        }))
        .filter((section) => section.images.length),
      taken_out: sections.flatMap(({ class_id, images }) => images.filter((one) => !stays(one)).map(({ id }) => ({ image_id: id, class_id }))),
      version_id: this.versionId,
      request_key: key,
    };
  }

  /** @param {Record<string, number>} versions label versions after an undo */
  takeVersions(versions) {
    for (const one of this.images) one.version = versions[one.id] ?? one.version;
  }

  /** @param {HTMLElement} root */
  draw(root) {
    root.replaceChildren(...this.sections.map((section) => drawSection(section)));
  }
}

/** @param {Section} section */
function drawSection({ class_id, name, images }) {
  const words = class_id === null ? t("Not named yet") : (name ?? "");
  const group = document.createElement("div");
  group.className = "lookalikes-class";
  group.setAttribute("role", "group");
  group.setAttribute("aria-label", words);
  group.append(...images.map((one) => drawCell(one, words)));
  return group;
}

/**
 * @param {Shown} one
 * @param {string} words
 */
function drawCell(one, words) {
  const cell = document.createElement("div");
  cell.className = "cell";
  Object.assign(cell.dataset, { id: String(one.id), version: String(one.version) });
  cell.setAttribute("role", "option");
  cell.setAttribute("aria-selected", "false");
  cell.tabIndex = -1;
  const picture = Object.assign(document.createElement("img"), { className: "cell-image", src: one.picture, alt: "", width: 320, height: 320, decoding: "async" });
  const check = Object.assign(document.createElement("span"), { className: "cell-check" });
  check.setAttribute("aria-hidden", "true");
  const caption = Object.assign(document.createElement("span"), { className: "cell-caption", title: one.name });
  const label = Object.assign(document.createElement("span"), { className: "cell-name", textContent: words });
  const sure = Object.assign(document.createElement("span"), { className: "cell-detail", textContent: one.sure > 0 && one.sure < 0.995 ? one.sure.toFixed(2) : "" });
  caption.append(label, sure);
  cell.append(picture, check, caption);
  return cell;
}
