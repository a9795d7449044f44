// @ts-check
// A list of many classes from which a few are chosen: a type-ahead adds one, a chip takes it out. Without a script it is
// the plain list that stands in the page, and that list is what the form sends either way.
import { Typeahead } from "../core/typeahead.js";

/** @param {HTMLElement} part holds a label and a select of several */
export function startChosenClasses(part) {
  const select = part.querySelector("select");
  const label = part.querySelector("label");
  if (!select || !label) return;
  const options = [...select.options];
  const box = document.createElement("div");
  box.className = "typeahead";
  const input = document.createElement("input");
  input.className = "input";
  input.id = `${select.id}-search`;
  input.placeholder = "Add a class by name";
  input.setAttribute("aria-describedby", select.getAttribute("aria-describedby") ?? "");
  label.htmlFor = input.id;
  const chips = document.createElement("ul");
  chips.className = "chips";
  box.append(input);
  select.after(box, chips);
  select.hidden = true;

  const typeahead = new Typeahead(input, {
    entries: [],
    onPick: (entry) => choose(String(entry.id), true),
  });

  /** @param {string} id @param {boolean} isChosen */
  function choose(id, isChosen) {
    const option = options.find((one) => one.value === id);
    if (!option) return;
    option.selected = isChosen;
    show();
    select?.dispatchEvent(new Event("input", { bubbles: true }));
  }

  function show() {
    const chosen = options.filter((one) => one.selected);
    typeahead.setEntries(
      options.filter((one) => !one.selected).map((one) => ({ id: Number(one.value), name: one.text })),
    );
    chips.replaceChildren(...chosen.map(chip));
  }

  /** @param {HTMLOptionElement} option */
  function chip(option) {
    const entry = document.createElement("li");
    entry.className = "chip";
    const name = document.createElement("span");
    name.className = "chip-text";
    name.textContent = option.text;
    const remove = document.createElement("button");
    remove.type = "button";
    remove.className = "chip-remove";
    remove.textContent = "×";
    remove.setAttribute("aria-label", `Mirror ${option.text} again`);
    remove.addEventListener("click", () => {
      choose(option.value, false);
      input.focus();
    });
    entry.append(name, remove);
    return entry;
  }

  show();
}
