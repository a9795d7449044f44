// Runs before the first paint, so that a remembered theme does not flash. A classic script, in <head>.
try {
  const theme = localStorage.getItem("winnow-theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // Storage may be barred; the system's theme then holds.
}
