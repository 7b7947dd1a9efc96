// A theme chosen earlier, set before the first paint. The page's own script takes over from there.
try {
  const theme = localStorage.getItem("scatterbrain-theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // Storage may be forbidden; the system's theme does.
}
