// @ts-check
// Recipes: moments in the reader's own time zone, and a form that shows what the chosen trigger and start need.

const moment = new Intl.DateTimeFormat(document.documentElement.lang || undefined, { dateStyle: "medium", timeStyle: "short", hourCycle: "h23" });

for (const time of document.querySelectorAll("time[data-local]")) {
  const exact = time.textContent ?? "";
  time.textContent = moment.format(new Date(time.getAttribute("datetime") ?? ""));
  time.setAttribute("title", exact);
}

/**
 * The hour in UTC, as a clock here shows it today.
 * @param {number} hour
 */
function hereAt(hour) {
  const at = new Date();
  at.setUTCHours(hour, 0, 0, 0);
  return new Intl.DateTimeFormat(document.documentElement.lang || undefined, { timeStyle: "short", hourCycle: "h23" }).format(at);
}

/** @param {HTMLFormElement} form */
function startForm(form) {
  const settings = JSON.parse(form.dataset.settings ?? "{}");
  const told = form.querySelector("[data-local-hour]");

  function show() {
    const chosen = new FormData(form);
    const [trigger, every, start] = ["trigger", "every", "start"].map((name) => String(chosen.get(name)));
    for (const part of form.querySelectorAll("[data-for]")) {
      part.toggleAttribute("hidden", part.getAttribute("data-for") !== trigger);
    }
    for (const part of form.querySelectorAll("[data-every]")) {
      part.toggleAttribute("hidden", !(part.getAttribute("data-every") ?? "").split(" ").includes(every));
    }
    const hour = Number(chosen.get("at_hour"));
    const isClock = trigger === "schedule" && every !== "hours" && hour >= 0 && hour < 24;
    if (told) told.textContent = isClock ? `${String(hour).padStart(2, "0")}:00 UTC is ${hereAt(hour)} where you are.` : "";
    for (const [name, value] of Object.entries(settings[start] ?? {})) {
      const input = form.elements.namedItem(name);
      if (input instanceof HTMLInputElement && typeof value === "number") input.placeholder = String(value);
    }
  }

  form.addEventListener("input", show);
  show();
}

for (const form of document.querySelectorAll("form[data-recipe]")) startForm(/** @type {HTMLFormElement} */ (form));
