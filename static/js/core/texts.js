// @ts-check
// Texts in the language of the page. English stands in the source; other languages come from the page's catalogue.
//   t("Nothing to undo")      t("{name} was merged", { name })      tn("{n} image", "{n} images", count)

/** @type {Record<string, string | string[]>} */
const catalogue = await load(document.documentElement.dataset.texts);
const language = document.documentElement.lang || "en";
const rules = new Intl.PluralRules(language);
const forms = rules.resolvedOptions().pluralCategories;
const figures = new Intl.NumberFormat(language);

/** @param {string | undefined} address */
async function load(address) {
  if (!address) return {};
  const answer = await fetch(address);
  return answer.ok ? answer.json() : {};
}

/**
 * A text with its `{placeholders}` filled in; numbers are written the language's way.
 * @param {string} message
 * @param {Record<string, unknown>} [values]
 */
export function t(message, values = {}) {
  const found = catalogue[message];
  return filled(typeof found === "string" ? found : message, values);
}

/**
 * The form that goes with the number `n`, which is also the value of `{n}`.
 * @param {string} one
 * @param {string} many
 * @param {number} n
 * @param {Record<string, unknown>} [values]
 */
export function tn(one, many, n, values = {}) {
  const found = catalogue[one];
  const form = Array.isArray(found) ? found[forms.indexOf(rules.select(n))] : n === 1 ? one : many;
  return filled(form ?? many, { n, ...values });
}

/**
 * @param {string} text
 * @param {Record<string, unknown>} values
 */
function filled(text, values) {
  return text.replace(/\{(\w+)\}/g, (whole, name) => {
    const value = values[name];
    if (value === undefined) return whole;
    return typeof value === "number" ? figures.format(value) : String(value);
  });
}
