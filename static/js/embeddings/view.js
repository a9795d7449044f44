// @ts-check
// The map's canvas: draws points, moves and zooms. Map coordinates run from 0 to 1, y upwards.

const CLOSEST = 60;
const MARGIN = 24;

/** @typedef {import("./points.js").Points} Points */
/** @typedef {import("./colours.js").Colouring} Colouring */
/** @typedef {import("./lasso.js").Corner} Corner */

export class MapView {
  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.canvas = canvas;
    this.brush = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    /** @type {Points | null} */
    this.points = null;
    /** @type {Colouring | null} */
    this.colouring = null;
    this.lit = -1;
    /** @type {Corner[]} */
    this.line = [];
    /** @type {Uint8Array | null} which points are chosen */
    this.chosen = null;
    [this.zoom, this.x, this.y] = [1, 0.5, 0.5];
    this.isDue = false;
    new ResizeObserver(() => this.redraw()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.redraw());
    new MutationObserver(() => this.redraw()).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  }

  /** Pixels for the map's whole side. */
  get scale() {
    return (Math.min(this.canvas.clientWidth, this.canvas.clientHeight) - 2 * MARGIN) * this.zoom;
  }

  /** @param {number} px @param {number} py from the canvas's corner @returns {Corner} */
  toMap(px, py) {
    return [this.x + (px - this.canvas.clientWidth / 2) / this.scale, this.y - (py - this.canvas.clientHeight / 2) / this.scale];
  }

  /** @param {number} x @param {number} y @returns {Corner} */
  toScreen(x, y) {
    return [this.canvas.clientWidth / 2 + (x - this.x) * this.scale, this.canvas.clientHeight / 2 - (y - this.y) * this.scale];
  }

  /** @param {number} dx pixels @param {number} dy */
  move(dx, dy) {
    this.x = Math.min(1, Math.max(0, this.x - dx / this.scale));
    this.y = Math.min(1, Math.max(0, this.y + dy / this.scale));
    this.redraw();
  }

  /** @param {number} factor @param {number} [px] what stays where it is @param {number} [py] */
  zoomBy(factor, px = this.canvas.clientWidth / 2, py = this.canvas.clientHeight / 2) {
    const [x, y] = this.toMap(px, py);
    this.zoom = Math.min(CLOSEST, Math.max(1, this.zoom * factor));
    const [atX, atY] = this.toMap(px, py);
    this.x += x - atX;
    this.y += y - atY;
    this.redraw();
  }

  whole() {
    [this.zoom, this.x, this.y] = [1, 0.5, 0.5];
    this.redraw();
  }

  redraw() {
    if (this.isDue) return;
    this.isDue = true;
    requestAnimationFrame(() => {
      this.isDue = false;
      this.draw();
    });
  }

  draw() {
    const { canvas, brush, points, colouring } = this;
    const ratio = devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    if (canvas.width !== width * ratio || canvas.height !== height * ratio) [canvas.width, canvas.height] = [width * ratio, height * ratio];
    brush.setTransform(ratio, 0, 0, ratio, 0, 0);
    brush.clearRect(0, 0, width, height);
    if (!points || !colouring) return;
    const side = Math.min(9, Math.max(2, (220 / Math.sqrt(points.count + 400)) * Math.sqrt(this.zoom)));
    this.drawPoints(points, colouring, side, [width, height]);
    this.drawLine();
  }

  /** @param {Points} points @param {Colouring} colouring @param {number} side @param {[number, number]} room */
  drawPoints(points, colouring, side, [width, height]) {
    const { brush, scale, chosen } = this;
    const [left, top] = [width / 2 - this.x * scale - side / 2, height / 2 + this.y * scale - side / 2];
    const isDim = (/** @type {number} */ i) => (chosen ? !chosen[i] : this.lit >= 0 && colouring.of[i] !== this.lit);
    const anyDim = chosen !== null || this.lit >= 0;
    for (const dim of anyDim ? [true, false] : [false]) {
      brush.globalAlpha = dim ? 0.12 : 0.85;
      colouring.groups.forEach((group, at) => {
        brush.fillStyle = group.colour;
        for (let i = 0; i < points.count; i += 1) {
          if (colouring.of[i] !== at || (anyDim && isDim(i) !== dim)) continue;
          const [px, py] = [left + points.x[i] * scale, top - points.y[i] * scale];
          if (px > -side && py > -side && px < width && py < height) brush.fillRect(px, py, side, side);
        }
      });
    }
    brush.globalAlpha = 1;
  }

  drawLine() {
    if (this.line.length < 2) return;
    const style = getComputedStyle(this.canvas);
    this.brush.beginPath();
    for (const [x, y] of this.line) this.brush.lineTo(...this.toScreen(x, y));
    this.brush.closePath();
    this.brush.strokeStyle = style.color;
    this.brush.lineWidth = 1.5;
    this.brush.setLineDash([5, 4]);
    this.brush.stroke();
    this.brush.setLineDash([]);
  }
}
