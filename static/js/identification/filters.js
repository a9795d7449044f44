// @ts-check
// Filters of results: what stands at its default stays out of the address; the library's form gives one part of it.
import { gridOf } from "../core/grid.js";
import { bind } from "../core/keys.js";
import { toast } from "../core/toast.js";
import "../library/filters.js";

const MOST_LIKE = 20;

const USUAL = /** @type {Record<string, string>} */ ({ view: "all", state: "open", sort: "confident", top: "1", low: "0.0", high: "1.0", margin_low: "0.0", margin_high: "1.0", entropy_low: "0.0", entropy_high: "1.0" });

const own = document.querySelector("[data-result-filters] form[role=search]");
own?.addEventListener("formdata", (event) => {
  const data = /** @type {FormDataEvent} */ (event).formData;
  for (const name of new Set(data.keys())) if (["", USUAL[name]].includes(String(data.get(name)))) data.delete(name);
});

// The library's form would lead to the library: here its fields become the part `query` of this page's address.
document.getElementById("filter-dialog")?.addEventListener("submit", (event) => {
  const form = event.target;
  if (!(form instanceof HTMLFormElement) || form.method === "dialog") return;
  event.preventDefault();
  const fields = new URLSearchParams(/** @type {any} */ (new FormData(form)));
  const address = new URL(location.href);
  for (const name of ["before", "after", "section"]) address.searchParams.delete(name);
  if (fields.size) address.searchParams.set("query", fields.toString());
  else address.searchParams.delete("query");
  location.assign(address.href);
});

document.addEventListener("input", (event) => {
  const box = event.target;
  if (!(box instanceof HTMLInputElement) || !box.matches("[data-class-search]")) return;
  const wanted = box.value.trim().toLowerCase();
  for (const line of document.querySelectorAll(".results-classes li")) {
    line.toggleAttribute("hidden", !(line.textContent ?? "").toLowerCase().includes(wanted));
  }
});

/** Shows the results that are most like the chosen images. */
function showAlike() {
  const chosen = gridOf(/** @type {HTMLElement} */ (document.getElementById("results"))).selected;
  if (!chosen.length || chosen.length > MOST_LIKE) return void toast(`Choose 1 to ${MOST_LIKE} images first.`);
  const address = new URL(location.href);
  for (const name of ["before", "after", "section", "class_id", "top", "group"]) address.searchParams.delete(name);
  address.searchParams.set("like", chosen.join(","));
  location.assign(address.href);
}

const alike = document.getElementById("alike");
if (alike) {
  alike.addEventListener("click", showAlike);
  bind("m", "Results most like the chosen images", showAlike, { group: "Chosen images" });
}
