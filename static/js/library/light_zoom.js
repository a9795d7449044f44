// @ts-check
// Looking closely at one picture: wheel, pinch and keys zoom, dragging pans; a swipe at full view goes on in the list.

const MOST = 8;
const STEP = 1.4;
const SWIPE_PX = 60;

export class Zoom {
  /**
   * @param {HTMLElement} stage
   * @param {HTMLImageElement} picture fills the stage, uncropped
   * @param {{onChange: (scale: number) => void, onSwipe: (step: number) => void}} options scale: 1 shows the whole picture
   */
  constructor(stage, picture, options) {
    this.stage = stage;
    this.picture = picture;
    this.options = options;
    /** pixels of the original; 0 where not known */
    this.size = { width: 0, height: 0 };
    this.scale = 1;
    this.at = { x: 0, y: 0 };
    /** @type {Map<number, {x: number, y: number}>} */
    this.fingers = new Map();
    stage.addEventListener("wheel", (event) => this.onWheel(event), { passive: false });
    stage.addEventListener("pointerdown", (event) => this.onDown(event));
    stage.addEventListener("pointermove", (event) => this.onMove(event));
    for (const name of ["pointerup", "pointercancel"]) stage.addEventListener(name, (event) => this.onUp(/** @type {PointerEvent} */ (event)));
    stage.addEventListener("dblclick", (event) => event.target === picture && this.toggle(event.clientX, event.clientY));
    new ResizeObserver(() => this.to(this.scale)).observe(stage);
  }

  /** @returns {number} screen pixels for one pixel of the original where the whole picture shows */
  get whole() {
    const { width, height } = this.size;
    return width && height ? Math.min(this.stage.clientWidth / width, this.stage.clientHeight / height) : 1;
  }

  /** @returns {number} screen pixels for one pixel of the original */
  get ratio() {
    return this.whole * this.scale;
  }

  /** @type {(width: number | null, height: number | null) => void} another picture, shown whole */
  reset(width, height) {
    this.size = { width: width ?? 0, height: height ?? 0 };
    this.to(1);
  }

  /**
   * @param {number} scale
   * @param {number} [x] the point of the window that stays where it is; the middle, unless said
   * @param {number} [y]
   */
  to(scale, x, y) {
    const box = this.stage.getBoundingClientRect();
    const wanted = Math.max(Math.min(1, 1 / this.whole), Math.min(Math.max(MOST, 4 / this.whole), scale));
    const [px, py] = [(x ?? box.left + box.width / 2) - box.left - box.width / 2, (y ?? box.top + box.height / 2) - box.top - box.height / 2];
    const grown = wanted / this.scale;
    this.at = { x: px - (px - this.at.x) * grown, y: py - (py - this.at.y) * grown };
    this.scale = wanted;
    this.show();
  }

  in() {
    this.to(this.scale * STEP);
  }

  out() {
    this.to(this.scale / STEP);
  }

  /** Every pixel of the original on one of the screen, as near as that comes; or the whole picture again. */
  toggle(x = /** @type {number | undefined} */ (undefined), y = /** @type {number | undefined} */ (undefined)) {
    if (this.scale !== 1) this.to(1);
    else this.to(Math.abs(this.whole - 1) > 0.05 ? 1 / this.whole : 2, x, y);
  }

  show() {
    const [roomX, roomY] = [this.stage.clientWidth, this.stage.clientHeight];
    const { width, height } = this.size.width ? this.size : { width: roomX, height: roomY };
    const [mostX, mostY] = [(width * this.ratio - roomX) / 2, (height * this.ratio - roomY) / 2].map((most) => Math.max(0, most));
    this.at.x = Math.max(-mostX, Math.min(mostX, this.at.x));
    this.at.y = Math.max(-mostY, Math.min(mostY, this.at.y));
    this.picture.style.transform = this.scale === 1 ? "" : `translate(${this.at.x}px, ${this.at.y}px) scale(${this.scale})`;
    this.stage.toggleAttribute("data-zoomed", this.scale > 1);
    this.options.onChange(this.scale);
  }

  /** @param {WheelEvent} event */
  onWheel(event) {
    if (event.target instanceof Element && event.target.closest(".light-zoom")) return;
    event.preventDefault();
    this.to(this.scale * Math.exp(-event.deltaY / (event.ctrlKey ? 120 : 400)), event.clientX, event.clientY);
  }

  /** @param {PointerEvent} event */
  onDown(event) {
    if (event.button !== 0 || (event.target instanceof Element && event.target.closest("button, a"))) return;
    this.stage.setPointerCapture(event.pointerId);
    this.fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    this.start = { x: event.clientX, y: event.clientY, isSwipe: event.pointerType === "touch" && this.scale === 1 && this.fingers.size === 1 };
  }

  /** @param {PointerEvent} event */
  onMove(event) {
    const finger = this.fingers.get(event.pointerId);
    if (!finger) return;
    const now = { x: event.clientX, y: event.clientY };
    const other = [...this.fingers].find(([id]) => id !== event.pointerId)?.[1];
    this.fingers.set(event.pointerId, now);
    if (other) {
      if (this.start) this.start.isSwipe = false;
      const far = (/** @type {{x: number, y: number}} */ one) => Math.hypot(one.x - other.x, one.y - other.y) || 1;
      this.to((this.scale * far(now)) / far(finger), (now.x + other.x) / 2, (now.y + other.y) / 2);
    } else if (this.scale > 1) {
      this.at = { x: this.at.x + now.x - finger.x, y: this.at.y + now.y - finger.y };
      this.show();
    }
  }

  /** @param {PointerEvent} event */
  onUp(event) {
    if (!this.fingers.delete(event.pointerId) || !this.start?.isSwipe || event.type !== "pointerup") return;
    const [x, y] = [event.clientX - this.start.x, event.clientY - this.start.y];
    if (Math.abs(x) > SWIPE_PX && Math.abs(x) > 2 * Math.abs(y)) this.options.onSwipe(x < 0 ? 1 : -1);
  }
}
