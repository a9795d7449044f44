// @ts-check
// Counts the class names while they are typed, as the server will read them.

const names = document.querySelector("textarea[data-class-names]");
const count = document.querySelector("[data-class-count]");

/** @param {string} text */
function differentNames(text) {
  return new Set(text.split(/[,\n\r]+/).map((name) => name.trim()).filter(Boolean)).size;
}

if (names instanceof HTMLTextAreaElement && count) {
  const say = () => {
    const found = differentNames(names.value);
    count.textContent = found ? `${found} ${found === 1 ? "class" : "classes"}` : "";
  };
  names.addEventListener("input", say);
  say();
}
