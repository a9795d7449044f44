// @ts-check
// Mouse, pen and touch on the map: drag moves or draws, wheel and pinch zoom, a press opens the image under it.

const CLICK_PX = 4;

/**
 * @param {import("./view.js").MapView} view
 * @param {{choose: (line: import("./lasso.js").Corner[]) => void, tell: (px: number, py: number) => void}} on
 */
export function startMapPointer(view, on) {
  const { canvas } = view;
  /** @type {Map<number, PointerEvent>} */
  const down = new Map();
  let travelled = 0;

  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    view.zoomBy(Math.exp(-event.deltaY / 400), event.offsetX, event.offsetY);
  }, { passive: false });

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button > 0) return;
    canvas.setPointerCapture(event.pointerId);
    down.set(event.pointerId, event);
    travelled = 0;
    if (isDrawing(event)) view.line = [view.toMap(event.offsetX, event.offsetY)];
  });

  canvas.addEventListener("pointermove", (event) => {
    const before = down.get(event.pointerId);
    if (!before) return on.tell(event.offsetX, event.offsetY);
    const [dx, dy] = [event.offsetX - before.offsetX, event.offsetY - before.offsetY];
    travelled += Math.hypot(dx, dy);
    if (down.size === 2) pinch(event, before);
    else if (isDrawing(event)) {
      view.line.push(view.toMap(event.offsetX, event.offsetY));
      view.redraw();
    } else view.move(dx, dy);
    down.set(event.pointerId, event);
  });

  /** @param {PointerEvent} event */
  function end(event) {
    if (!down.delete(event.pointerId) || event.type === "pointercancel") return;
    if (travelled < CLICK_PX) open(event);
    else if (isDrawing(event) && !down.size) on.choose(view.line);
  }
  canvas.addEventListener("pointerup", end);
  canvas.addEventListener("pointercancel", end);
  canvas.addEventListener("pointerleave", () => on.tell(-1, -1));

  /** @param {PointerEvent} event @param {PointerEvent} before */
  function pinch(event, before) {
    const other = [...down.values()].find((each) => each.pointerId !== event.pointerId);
    if (!other) return;
    const span = (/** @type {PointerEvent} */ each) => Math.hypot(each.offsetX - other.offsetX, each.offsetY - other.offsetY);
    view.zoomBy(span(event) / Math.max(1, span(before)), (event.offsetX + other.offsetX) / 2, (event.offsetY + other.offsetY) / 2);
  }

  /** @param {PointerEvent} event */
  function open(event) {
    view.line = [];
    on.tell(event.offsetX, event.offsetY);
    if (canvas.dataset.under) location.assign(`${canvas.dataset.images}/${canvas.dataset.under}`);
  }

  /** @param {PointerEvent} event */
  function isDrawing(event) {
    return canvas.hasAttribute("data-lasso") !== event.shiftKey && down.size < 2;
  }
}
