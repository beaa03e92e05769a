// Sets light or dark before the first paint. A classic script, so that the browser waits for it; everything else is a
// module. What is stored here is written by settings.js.
try {
  const theme = JSON.parse(localStorage.getItem("smolvlm.settings") || "{}").theme;
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // No storage, or not ours: the system's theme holds.
}
