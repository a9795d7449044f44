// @ts-check
// The light table: one image, zoomed at will, in the list one came from; the next is there in the same frame.
import { getFragment } from "../core/fetch.js";
import { keptList } from "../core/grid_lists.js";
import { bind } from "../core/keys.js";
import { t } from "../core/texts.js";
import { LightActs } from "./light_acts.js";
import { LightList, pictureOf } from "./light_list.js";
import { Strip } from "./light_strip.js";
import { Zoom } from "./light_zoom.js";

const SETTLED_MS = 180;
const root = /** @type {HTMLElement} */ (document.getElementById("light"));
const stage = /** @type {HTMLElement} */ (document.getElementById("light-stage"));
const panel = /** @type {HTMLElement} */ (document.getElementById("light-panel"));
const picture = /** @type {HTMLImageElement | null} */ (document.getElementById("light-picture")) ?? stage.appendChild(new Image());
const base = `/projects/${root.dataset.project}`;
const first = JSON.parse(root.dataset.frame ?? "{}");
const listName = new URLSearchParams(location.search).get("list");
const kept = keptList(listName);
const query = kept ? `list=${listName}` : (root.dataset.query ?? "");
const list = new LightList({ base, query, first, kept, onChange: () => show() });
const strip = new Strip(/** @type {HTMLElement} */ (document.getElementById("light-strip")), (step) => list.move(step));
const zoom = new Zoom(stage, picture, { onChange: showScale, onSwipe: (step) => list.move(step) });
const actsRoot = document.getElementById("light-acts");
const acts = actsRoot ? new LightActs(actsRoot, { base, role: root.dataset.role ?? "", list, onChange: told }) : null;
let shown = "";
let inPanel = String(first.id);
let timer = 0;
let asked = new AbortController();

/** @type {(id: string) => HTMLElement} */
const byId = (id) => /** @type {HTMLElement} */ (document.getElementById(id));
/** @param {import("./light_list.js").Frame} frame */
const addressOf = (frame) => (query ? `${frame.address}?${query}` : frame.address);

/** Shows the current image, and what is known of it once one stays with it. */
function show() {
  const { current } = list;
  showPicture();
  byId("light-label").textContent = current.label ?? (current.state === "pool" ? t("no label yet") : current.state.replaceAll("_", " "));
  byId("light-name").textContent = [current.name, quality(current)].filter(Boolean).join(" · ");
  byId("light-place").textContent = list.place ? t("{place} of {total}", { place: list.place, total: list.total }) : "";
  document.title = document.title.replace(/^.*? · /, `${current.label ?? current.name} · `);
  showMoves();
  strip.show(list, addressOf);
  acts?.show();
  document.body.dataset.image = String(current.id);
  if (inPanel === String(current.id)) return;
  history.replaceState(history.state, "", addressOf(current));
  sessionStorage.setItem("winnow-last-image", String(current.id));
  clearTimeout(timer);
  timer = window.setTimeout(fillPanel, SETTLED_MS);
}

/** @param {import("./light_list.js").Frame} frame */
function quality({ quality: word, is_small: isSmall }) {
  const judged = word && word !== "good" ? t("not good: {reason}", { reason: word.replaceAll("_", " ") }) : "";
  return [judged, isSmall ? t("small subject") : ""].filter(Boolean).join(" · ");
}

function showPicture() {
  const { current } = list;
  const address = current.has_picture ? pictureOf(current) : "/static/img/no-picture.svg";
  if (shown === address) return;
  shown = address;
  const isBare = current.id === first.id && !first.has_picture;
  picture.hidden = isBare;
  stage.querySelector(".notice")?.toggleAttribute("hidden", !isBare);
  stage.querySelector(".light-zoom")?.toggleAttribute("hidden", !current.has_picture);
  const ready = list.pictures.get(address)?.complete;
  picture.src = ready || !current.has_picture ? address : pictureOf(current, "thumbnail");
  if (!ready) void loadInto(address);
  picture.alt = current.label ?? t("Image without a label");
  zoom.reset(current.width, current.height);
}

/** @param {string} address takes its place when it is there, if it is still wanted */
async function loadInto(address) {
  const loaded = new Image();
  loaded.src = address;
  const isThere = await loaded.decode().then(() => true, () => false);
  if (isThere && shown === address) picture.src = address;
}

/** @param {number} scale */
function showScale(scale) {
  const { current } = list;
  const percent = Math.round(100 * zoom.ratio);
  byId("light-scale").textContent = current.width ? `${percent}%` : `${Math.round(100 * scale)}%`;
  const address = pictureOf(current, "large");
  const has = picture.naturalWidth;
  const isCoarse = has > 0 && (current.width ?? 0) > 1.3 * has && zoom.ratio * (current.width ?? 0) > 1.2 * has;
  if (scale > 1 && isCoarse && shown !== address && current.has_picture) {
    shown = address;
    void loadInto(address);
  }
}

function showMoves() {
  for (const [id, step] of /** @type {[string, number][]} */ ([["newer-image", -1], ["older-image", 1]])) {
    const link = document.getElementById(id);
    const frame = list.frames[list.at + step];
    if (link instanceof HTMLAnchorElement) {
      link.toggleAttribute("aria-disabled", !frame);
      if (frame) link.href = addressOf(frame);
    }
  }
}

async function fillPanel() {
  const { current } = list;
  asked.abort();
  asked = new AbortController();
  const { signal } = asked;
  try {
    await getFragment(`${current.address}/panel`, panel, { signal });
    inPanel = String(current.id);
    await Promise.all([fillParts(signal), acts?.fetchSuggestions()]);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

/** @param {AbortSignal} [signal] */
async function fillParts(signal) {
  const parts = [...panel.querySelectorAll("[data-fragment]")];
  await Promise.all(parts.map((part) => getFragment(part.getAttribute("data-fragment") ?? "", part, { signal }).catch(() => part.remove())));
}

/** @param {string} words what was done; "": the server answered, and the panel tells it */
function told(words) {
  if (words) byId("light-said").textContent = words;
  show();
  if (words) return;
  clearTimeout(timer);
  timer = window.setTimeout(fillPanel, SETTLED_MS);
}

/** @param {number} step */
const go = (step) => void list.move(step);
const whole = () => (document.fullscreenElement ? document.exitFullscreen() : root.requestFullscreen?.().catch(() => {}));
/** @type {Record<string, () => unknown>} */
const zooms = { in: () => zoom.in(), out: () => zoom.out(), whole: () => zoom.to(1), full: () => zoom.toggle(), screen: whole };
const group = { group: t("Image") };
for (const key of ["ArrowLeft", "k"]) bind(key, t("Newer image of the list"), () => go(-1), { ...group, repeat: true });
for (const key of ["ArrowRight", "j"]) bind(key, t("Older image of the list"), () => go(1), { ...group, repeat: true });
for (const key of ["+", "="]) bind(key, t("Larger"), zooms.in, { ...group, repeat: true });
bind("-", t("Smaller"), zooms.out, { ...group, repeat: true });
bind("0", t("Every pixel, or the whole picture again"), zooms.full, group);
bind("f", t("Full screen"), zooms.screen, group);
bind("Escape", t("Back to the list"), () => byId("light-back").click(), group);
for (const button of /** @type {NodeListOf<HTMLElement>} */ (stage.querySelectorAll("[data-zoom]"))) {
  button.addEventListener("click", () => zooms[button.dataset.zoom ?? ""]?.());
}
for (const [id, step] of /** @type {[string, number][]} */ ([["newer-image", -1], ["older-image", 1]])) {
  document.getElementById(id)?.addEventListener("click", (event) => {
    event.preventDefault();
    go(step);
  });
}

if (kept) Object.assign(byId("light-back"), { href: kept.back }).lastChild?.replaceWith(kept.words);
show();
list.prepare();
await Promise.all([list.frames.length === 1 ? list.extend(0) : null, acts?.fetchSuggestions()]);
acts?.bindKeys();
document.body.dataset.ready = "light";
await fillParts();
