// @ts-check
// A key is chosen by pressing it: the field takes its name, and the form is sent. Tab and Esc leave the field as always.
import { keyName } from "../core/keys.js";

const MODIFIERS = new Set(["Shift", "Control", "Alt", "Meta", "CapsLock", "Dead", "Tab", "Escape", "Enter"]);

for (const form of document.querySelectorAll("[data-key-form]")) {
  const input = form.querySelector("[name=key]");
  if (!(form instanceof HTMLFormElement) || !(input instanceof HTMLInputElement)) continue;
  input.addEventListener("focus", () => input.select());
  input.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.isComposing || MODIFIERS.has(event.key)) return;
    event.preventDefault();
    const name = keyName(event);
    if (name === input.value) return;
    input.value = name;
    form.requestSubmit();
  });
}
document.body.dataset.ready = "keys";
