// @ts-check
// What the points of the map can be coloured by. Each way sorts points into groups with a name, a colour and a count.
import { t } from "../core/texts.js";

/** @typedef {{name: string, colour: string, count: number}} Group */
/** @typedef {{of: Int32Array, groups: Group[]}} Colouring which group each point is of */
/** @typedef {import("./points.js").Points} Points */

// Okabe and Ito's colours, told apart with any colour vision, and a few more; then hues by the golden angle.
const HUES = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6bb1", "#a6761d", "#66a61e", "#e7298a", "#1b9e9e", "#b2182b"];
const PLAIN = "#8a8a8a";
const STEPS = [0.2, 0.4, 0.6, 0.8, 1.01];
const RAMP = ["#b2182b", "#ef8a62", "#d9b44a", "#67a9cf", "#2166ac"];

/** @param {number} count @param {(i: number) => number} keyOf @param {(key: number) => string} nameOf @returns {Colouring} */
function byKey(count, keyOf, nameOf) {
  /** @type {Map<number, number>} */
  const sizes = new Map();
  for (let i = 0; i < count; i += 1) sizes.set(keyOf(i), (sizes.get(keyOf(i)) ?? 0) + 1);
  const order = [...sizes].sort((a, b) => b[1] - a[1]);
  let hue = 0;
  const next = () => HUES[hue++] ?? `hsl(${Math.round((hue * 137.508) % 360)} ${hue % 2 ? 55 : 75}% ${hue % 3 ? 45 : 60}%)`;
  const groups = order.map(([key, size]) => ({ name: nameOf(key), colour: key === 0 ? PLAIN : next(), count: size }));
  const places = new Map(order.map(([key], at) => [key, at]));
  return { of: Int32Array.from({ length: count }, (_, i) => places.get(keyOf(i)) ?? 0), groups };
}

/** @param {Points} points @param {string} way @param {Map<number, number>} confidences @returns {Colouring} */
export function colouring(points, way, confidences) {
  if (way === "state") return byKey(points.count, (i) => points.state[i], (key) => stateWord(points.states[key]));
  if (way === "origin") return byKey(points.count, (i) => points.origin[i] + 1, (key) => originWord(points.origins[key - 1]));
  if (way === "confidence") return byConfidence(points, confidences);
  return byKey(points.count, (i) => points.cls[i], (key) => (key ? (points.classes[key] ?? "–") : t("No class")));
}

/** @param {Points} points @param {Map<number, number>} confidences @returns {Colouring} */
function byConfidence(points, confidences) {
  const groups = STEPS.map((top, at) => ({ name: `${at ? STEPS[at - 1].toFixed(1) : "0.0"} – ${Math.min(1, top).toFixed(1)}`, colour: RAMP[at], count: 0 }));
  groups.push({ name: t("Not predicted"), colour: PLAIN, count: 0 });
  const of = Int32Array.from({ length: points.count }, (_, i) => {
    const confidence = confidences.get(points.id[i]);
    const group = confidence === undefined ? STEPS.length : STEPS.findIndex((top) => confidence < top);
    groups[group].count += 1;
    return group;
  });
  return { of, groups };
}

/** @param {string} state */
const stateWord = (state) =>
  ({ pool: t("Pool"), labelled: t("Labelled"), unknown: t("Unknown"), none: t("None of the classes"), removed: t("Removed"), quarantined: t("Quarantined") })[state] ?? state;

/** @param {string} origin */
const originWord = (origin) => ({ real: t("real"), staged: t("staged"), synthetic: t("synthetic") })[origin] ?? origin;
