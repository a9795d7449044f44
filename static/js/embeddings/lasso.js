// @ts-check
// A line drawn round points, thinned to the corners that an address can carry (app/embeddings/areas.py).

const MOST_CORNERS = 60;

/** @typedef {[number, number]} Corner */

/** The part of a line that matters: Ramer–Douglas–Peucker. @param {Corner[]} line @param {number} off @returns {Corner[]} */
function thinned(line, off) {
  if (line.length < 3) return line;
  const [[x1, y1], [x2, y2]] = [line[0], line[line.length - 1]];
  const length = Math.hypot(x2 - x1, y2 - y1);
  let [far, at] = [0, 0];
  for (let i = 1; i < line.length - 1; i += 1) {
    const [x, y] = line[i];
    const away = length ? Math.abs((y2 - y1) * x - (x2 - x1) * y + x2 * y1 - y2 * x1) / length : Math.hypot(x - x1, y - y1);
    if (away > far) [far, at] = [away, i];
  }
  if (far <= off) return [line[0], line[line.length - 1]];
  return [...thinned(line.slice(0, at + 1), off).slice(0, -1), ...thinned(line.slice(at), off)];
}

/** A drawn line as a polygon of few corners. @param {Corner[]} line @param {number} off how far corners may move @returns {Corner[]} */
export function polygonOf(line, off) {
  let found = thinned(line, off);
  for (let wider = off * 2; found.length > MOST_CORNERS; wider *= 2) found = thinned(line, wider);
  return found.map(([x, y]) => /** @type {Corner} */ ([round(x), round(y)]));
}

/** @param {number} value */
const round = (value) => Math.round(Math.min(2, Math.max(-1, value)) * 10_000) / 10_000;

/** @param {number} layout @param {Corner[]} polygon */
export const areaOf = (layout, polygon) => `${layout}:${polygon.map((corner) => corner.join(",")).join(";")}`;

/** By the even-odd rule, as the server counts. @param {Corner[]} polygon @param {number} x @param {number} y */
export function isInside(polygon, x, y) {
  let inside = false;
  for (let i = 0, j = polygon.length - 1; i < polygon.length; j = i, i += 1) {
    const [[x1, y1], [x2, y2]] = [polygon[i], polygon[j]];
    if (y1 > y !== y2 > y && x < ((x2 - x1) * (y - y1)) / (y2 - y1) + x1) inside = !inside;
  }
  return inside;
}
