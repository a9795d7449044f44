// @ts-check
// Which entries match what was typed, the best first, with a slip of the finger forgiven. Fast enough for 1,500 classes at every key.

/**
 * @typedef {object} Entry
 * @property {string | number} id
 * @property {string} name
 * @property {string} [sub] shown behind the name, and searched
 * @property {string[]} [also] other names
 * @property {string} [key] a key that picks it without the list
 */
/** @typedef {{entry: Entry, score: number, from: number, to: number, by?: string}} Match from and to: the part of the name that matched; by: the other name that did */
/** @typedef {{name: string, parts: string[], also: {name: string, parts: string[]}[], sub: string, whole: string}} Folded */

/** @type {WeakMap<Entry, Folded>} */
const folded = new WeakMap();
const FORGIVEN = 4;

/**
 * @param {string} text
 * @returns {string} lower case, without accents
 */
export function fold(text) {
  return text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
}

/** @param {string} text */
function foldName(text) {
  const name = fold(text);
  return { name, parts: name.split(/[^\p{L}\p{N}]+/u) };
}

/** @param {Entry} entry */
function foldedOf(entry) {
  let known = folded.get(entry);
  if (!known) {
    const also = (entry.also ?? []).map(foldName);
    const sub = fold(entry.sub ?? "");
    const own = foldName(entry.name);
    known = { ...own, also, sub, whole: [own.name, sub, ...also.map((one) => one.name)].join(" ") };
    folded.set(entry, known);
  }
  return known;
}

/**
 * @param {string} word
 * @param {string} query
 * @returns {boolean} whether the word begins with the query but for one letter too many, too few, wrong or swapped
 */
function isNear(word, query) {
  let at = 0;
  while (at < query.length && word[at] === query[at]) at++;
  const rest = query.slice(at + 1);
  return (
    word.startsWith(rest, at) ||
    word.startsWith(rest, at + 1) ||
    word.startsWith(query.slice(at), at + 1) ||
    (query[at] === word[at + 1] && query[at + 1] === word[at] && word.startsWith(query.slice(at + 2), at + 2))
  );
}

/**
 * @param {{name: string, parts: string[]}} names folded
 * @param {string} query folded
 * @returns {{score: number, from: number, to: number} | null} lower is better
 */
function scoreName({ name, parts }, query) {
  const at = name.indexOf(query);
  if (at === 0) return { score: name.length === query.length ? 0 : 1, from: 0, to: query.length };
  if (at > 0) return { score: parts.some((part) => part.startsWith(query)) ? 2 : 4, from: at, to: at + query.length };
  if (query.length >= FORGIVEN && (isNear(name, query) || parts.some((part) => isNear(part, query)))) return { score: 5, from: 0, to: 0 };
  let reached = -1;
  for (const letter of query) {
    reached = name.indexOf(letter, reached + 1);
    if (reached < 0) return null;
  }
  return { score: 6, from: 0, to: 0 };
}

/**
 * @param {Entry} entry
 * @param {string} wanted folded
 * @param {string[]} words of it
 * @returns {Match | null}
 */
function matchOf(entry, wanted, words) {
  const known = foldedOf(entry);
  /** @type {Match | null} */
  let best = null;
  const direct = scoreName(known, wanted);
  if (direct) best = { entry, ...direct };
  known.also.forEach((names, at) => {
    const found = scoreName(names, wanted);
    if (found && (!best || found.score + 0.5 < best.score)) best = { entry, score: found.score + 0.5, from: 0, to: 0, by: entry.also?.[at] };
  });
  const sub = known.sub ? scoreName({ name: known.sub, parts: known.sub.split(/[^\p{L}\p{N}]+/u) }, wanted) : null;
  if (sub && (!best || sub.score + 1 < best.score)) best = { entry, score: sub.score + 1, from: 0, to: 0 };
  if (words.length > 1 && (!best || best.score > 3) && words.every((word) => known.whole.includes(word))) best = { entry, score: 3, from: 0, to: 0 };
  return best;
}

/**
 * Every word of the query has to match a name or the sub; ties go by the order of the entries.
 * @param {Entry[]} entries
 * @param {string} query
 * @param {number} [most]
 * @returns {{matches: Match[], total: number}}
 */
export function rank(entries, query, most = 24) {
  const wanted = fold(query.trim());
  if (!wanted) {
    const matches = entries.slice(0, most).map((entry) => ({ entry, score: 0, from: 0, to: 0 }));
    return { matches, total: entries.length };
  }
  const words = wanted.split(/\s+/);
  const found = /** @type {Match[]} */ (entries.map((entry) => matchOf(entry, wanted, words)).filter(Boolean));
  found.sort((one, other) => one.score - other.score);
  return { matches: found.slice(0, most), total: found.length };
}
