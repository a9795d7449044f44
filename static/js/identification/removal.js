// @ts-check
// Mass removal: the threshold moves the line and the figures at once, from the bins in the page; the address follows.

const root = document.getElementById("removal");
const slider = /** @type {HTMLInputElement | null} */ (document.getElementById("below"));

/** @type {(name: "pool" | "labelled") => number[]} */
const bins = (name) => (root?.dataset[name] ?? "").split(",").map(Number);

/** @type {(counts: number[], below: number) => string} */
const under = (counts, below) => counts.slice(0, below).reduce((sum, one) => sum + one, 0).toLocaleString("en");

/** @type {(selector: string, text: string) => void} */
function tell(selector, text) {
  const part = document.querySelector(selector);
  if (part) part.textContent = text;
}

/** @param {number} below */
function show(below) {
  tell("#below-words", `${below}%`);
  tell("[data-would-go]", under(bins("pool"), below));
  tell("[data-cost]", under(bins("labelled"), below));
  for (const line of document.querySelectorAll("[data-threshold]")) {
    line.setAttribute("x1", `${below}%`);
    line.setAttribute("x2", `${below}%`);
  }
  for (const column of document.querySelectorAll("[data-at]")) column.classList.toggle("column-low", Number(column.getAttribute("data-at")) < below);
  const plan = /** @type {HTMLInputElement | null} */ (document.getElementById("plan-below"));
  if (plan) plan.value = String(below);
  const address = new URL(location.href);
  address.searchParams.set("below", String(below));
  history.replaceState(history.state, "", address);
}

if (root && slider) {
  slider.addEventListener("input", () => show(Number(slider.value)));
  show(Number(slider.value)); // A browser may bring an earlier place of the slider back.
}
