// @ts-check
// Figures of a training run between two epochs: written in place, so that nothing on the page moves or is drawn anew.

/** @type {Record<string, (value: number) => string>} */
const WORDS = {
  loss: (value) => value.toFixed(3),
  accuracy: (value) => value.toFixed(3),
  images_per_second: (value) => Math.round(value).toLocaleString("en"),
};

document.addEventListener("runchange", (event) => {
  const live = /** @type {CustomEvent} */ (event).detail.live ?? {};
  for (const [name, say] of Object.entries(WORDS)) {
    const place = document.querySelector(`[data-live="${name}"]`);
    if (place && typeof live[name] === "number") place.textContent = say(live[name]);
  }
});
