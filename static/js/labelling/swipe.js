// @ts-check
// Answers by touch: the picture follows the finger; far enough right, left or up, it is an answer.

const FAR = 70;
const quiet = matchMedia("(prefers-reduced-motion: reduce)");

/**
 * @param {HTMLElement} frame
 * @param {HTMLElement} picture
 * @param {{right: () => void, left: () => void, up: () => void}} acts
 */
export function watchSwipes(frame, picture, acts) {
  /** @type {{id: number, x: number, y: number} | null} */
  let began = null;
  const letGo = () => {
    began = null;
    picture.style.transform = "";
    frame.removeAttribute("data-swipe");
  };
  /** @param {PointerEvent} event */
  const way = (event) => {
    if (!began) return "";
    const [x, y] = [event.clientX - began.x, event.clientY - began.y];
    if (Math.abs(x) >= FAR && Math.abs(x) > Math.abs(y)) return x > 0 ? "right" : "left";
    return -y >= FAR && -y > Math.abs(x) ? "up" : "";
  };
  frame.addEventListener("pointerdown", (event) => {
    if (event.pointerType === "mouse" || !event.isPrimary || picture.hidden) return;
    began = { id: event.pointerId, x: event.clientX, y: event.clientY };
    frame.setPointerCapture(event.pointerId);
  });
  frame.addEventListener("pointermove", (event) => {
    if (event.pointerId !== began?.id) return;
    if (!quiet.matches) picture.style.transform = `translate(${event.clientX - began.x}px, ${Math.min(0, event.clientY - began.y)}px)`;
    frame.dataset.swipe = way(event);
  });
  frame.addEventListener("pointerup", (event) => {
    if (event.pointerId !== began?.id) return;
    const found = way(event);
    letGo();
    if (found) acts[/** @type {"right" | "left" | "up"} */ (found)]();
  });
  frame.addEventListener("pointercancel", letGo);
}
