// What has to be known before the first paint; the page's own script takes over from there. First a theme that was
// chosen earlier.
try {
  const theme = localStorage.getItem("scatterbrain-theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // Storage may be forbidden; the system's theme does.
}

// An address with settings opens without the story.
if (location.search.length > 1 && !/[?&]step=/.test(location.search)) {
  document.documentElement.classList.remove("telling");
}
