// @ts-check
// The neighbours of the current image in the list, as a strip of small pictures; its places stay, what they show changes.
import { t } from "../core/texts.js";
import { pictureOf } from "./light_list.js";

const SIDE = 12;

export class Strip {
  /**
   * @param {HTMLElement} root
   * @param {(step: number) => void} onPress how far from the current image the pressed one is
   */
  constructor(root, onPress) {
    this.root = root;
    this.places = Array.from({ length: 2 * SIDE + 1 }, (_, at) => {
      const link = document.createElement("a");
      link.className = "light-frame";
      link.append(Object.assign(document.createElement("img"), { alt: "", decoding: "async", width: 64, height: 64 }));
      link.addEventListener("click", (event) => {
        if (event.ctrlKey || event.metaKey || event.shiftKey) return;
        event.preventDefault();
        onPress(at - SIDE);
      });
      return link;
    });
    this.places[SIDE].setAttribute("aria-current", "true");
    root.replaceChildren(...this.places);
  }

  /**
   * @param {import("./light_list.js").LightList} list
   * @param {(frame: import("./light_list.js").Frame) => string} addressOf
   */
  show(list, addressOf) {
    this.root.hidden = list.frames.length < 2;
    this.places.forEach((link, at) => {
      const frame = list.frames[list.at + at - SIDE];
      link.classList.toggle("light-frame-none", !frame);
      link.tabIndex = frame && at !== SIDE ? 0 : -1;
      if (!frame) return link.removeAttribute("href");
      link.href = addressOf(frame);
      link.setAttribute("aria-label", t("{name}, {label}", { name: frame.name, label: frame.label ?? frame.state }));
      const image = /** @type {HTMLImageElement} */ (link.firstElementChild);
      const address = frame.has_picture ? pictureOf(frame, "thumbnail") : "/static/img/no-picture.svg";
      if (image.getAttribute("src") !== address) image.src = address;
      return undefined;
    });
  }
}
