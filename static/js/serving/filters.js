// @ts-check
// A filter acts as soon as it is chosen; fields left at "any" stay out of the address.
for (const form of document.querySelectorAll("form[data-filters]")) {
  if (!(form instanceof HTMLFormElement)) continue;
  form.addEventListener("change", () => form.requestSubmit());
  form.addEventListener("formdata", (event) => {
    for (const [name, value] of [...event.formData]) if (value === "") event.formData.delete(name);
  });
}
