// @ts-check
// The map's page: reads points, colours them, and turns what is drawn round into a filter of the library.
import { bind } from "../core/keys.js";
import { t, tn } from "../core/texts.js";
import { toastError } from "../core/toast.js";
import { colouring } from "./colours.js";
import { areaOf, isInside, polygonOf } from "./lasso.js";
import { startMapPointer } from "./pointer.js";
import { fetchConfidences, fetchPoints, Nearby } from "./points.js";
import { MapView } from "./view.js";

/** @template {HTMLElement} T @param {string} id @returns {T} */
const found = (id) => /** @type {T} */ (document.getElementById(id));

const canvas = /** @type {HTMLCanvasElement} */ (found("map"));
const [words, legend, tip, chosenBar, way] = [found("map-words"), found("map-legend"), found("map-tip"), found("map-chosen"), /** @type {HTMLSelectElement} */ (found("map-colour"))];
const view = new MapView(canvas);
/** @type {Nearby | null} */
let nearby = null;
/** @type {Map<number, number> | null} */
let confidences = null;

async function colour() {
  if (!view.points) return;
  if (way.value === "confidence") confidences ??= await fetchConfidences(canvas.dataset.confidences ?? "");
  view.lit = -1;
  view.colouring = colouring(view.points, way.value, confidences ?? new Map());
  showLegend();
  view.redraw();
}

function showLegend() {
  const entries = (view.colouring?.groups ?? []).map((group, at) => {
    const entry = document.createElement("button");
    entry.type = "button";
    entry.className = "map-entry";
    entry.setAttribute("aria-pressed", "false");
    const sign = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    const square = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    for (const [name, value] of Object.entries({ width: "12", height: "12", fill: group.colour })) square.setAttribute(name, value);
    sign.setAttribute("class", "map-sign");
    sign.setAttribute("aria-hidden", "true");
    sign.append(square);
    const [name, count] = [document.createElement("span"), document.createElement("span")];
    [name.className, name.textContent] = ["clip", group.name];
    [count.className, count.textContent] = ["num muted", group.count.toLocaleString(document.documentElement.lang)];
    entry.append(sign, name, count);
    entry.addEventListener("click", () => light(view.lit === at ? -1 : at));
    return entry;
  });
  legend.replaceChildren(...entries);
}

/** Shows one group alone. @param {number} group */
function light(group) {
  view.lit = group;
  [...legend.children].forEach((entry, at) => entry.setAttribute("aria-pressed", String(at === group)));
  view.redraw();
}

/** @param {import("./lasso.js").Corner[]} line */
function choose(line) {
  const { points } = view;
  const polygon = polygonOf(line, 1.5 / view.scale);
  if (!points || polygon.length < 3) return letGo();
  view.line = polygon;
  view.chosen = Uint8Array.from({ length: points.count }, (_, i) => Number(isInside(polygon, points.x[i], points.y[i])));
  const count = view.chosen.reduce((sum, each) => sum + each, 0);
  if (!count) return letGo();
  const [said, link] = [/** @type {HTMLElement} */ (chosenBar.querySelector("[role=status]")), /** @type {HTMLAnchorElement} */ (chosenBar.querySelector("a"))];
  said.textContent = tn("{n} image chosen", "{n} images chosen", count);
  const address = new URL(canvas.dataset.library ?? "", location.href);
  address.searchParams.set("area", areaOf(points.layout, polygon));
  link.href = address.href;
  chosenBar.hidden = false;
  link.focus({ preventScroll: true });
  view.redraw();
}

function letGo() {
  [view.line, view.chosen, chosenBar.hidden] = [[], null, true];
  view.redraw();
}

/** @param {number} px @param {number} py what lies under the pointer; negative: nothing does */
function tell(px, py) {
  const { points } = view;
  const at = points && nearby && px >= 0 ? nearby.find(...view.toMap(px, py), 10 / view.scale) : -1;
  tip.hidden = at < 0;
  canvas.dataset.under = at < 0 || !points ? "" : String(points.id[at]);
  if (at < 0 || !points) return;
  const picture = /** @type {HTMLImageElement} */ (tip.querySelector("img"));
  const address = `${canvas.dataset.images}/${points.id[at]}/thumbnail`;
  if (!picture.src.endsWith(address)) picture.src = address;
  /** @type {HTMLElement} */ (tip.querySelector("span")).textContent = points.cls[at] ? (points.classes[points.cls[at]] ?? "") : t("No class");
  tip.classList.toggle("map-tip-left", px > canvas.clientWidth / 2);
}

/** @param {boolean} isLasso */
function mode(isLasso) {
  canvas.toggleAttribute("data-lasso", isLasso);
  found("map-lasso").setAttribute("aria-pressed", String(isLasso));
  found("map-pan").setAttribute("aria-pressed", String(!isLasso));
}

function bindKeys() {
  const group = { group: t("Map") };
  bind("l", t("Lasso"), () => mode(true), group);
  bind("m", t("Move"), () => mode(false), group);
  bind("+", t("Closer"), () => view.zoomBy(1.5), group);
  bind("-", t("Farther"), () => view.zoomBy(1 / 1.5), group);
  bind("0", t("The whole map"), () => view.whole(), group);
  bind("Escape", t("Let go"), letGo, group);
  for (const [key, dx, dy] of /** @type {[string, number, number][]} */ ([["ArrowLeft", 60, 0], ["ArrowRight", -60, 0], ["ArrowUp", 0, 60], ["ArrowDown", 0, -60]])) {
    bind(key, t("Move the map"), () => view.move(dx, dy), group);
  }
}

for (const [id, act] of /** @type {[string, () => void][]} */ ([["map-pan", () => mode(false)], ["map-lasso", () => mode(true)], ["map-in", () => view.zoomBy(1.5)], ["map-out", () => view.zoomBy(1 / 1.5)], ["map-whole", () => view.whole()]])) {
  found(id).addEventListener("click", act);
}
chosenBar.querySelector("button")?.addEventListener("click", letGo);
way.addEventListener("change", () => colour().catch(toastError));
bindKeys();
startMapPointer(view, { choose, tell });
try {
  view.points = await fetchPoints(canvas.dataset.points ?? "");
  nearby = new Nearby(view.points);
  words.textContent = tn("{n} image shown", "{n} images shown", view.points.count);
  await colour();
  canvas.dataset.ready = "true";
} catch (error) {
  words.textContent = t("The map could not be read. Load the page again.");
  toastError(/** @type {Error} */ (error));
}
