// Runs before anything is drawn, so that a remembered scheme does not flash.
(() => {
  try {
    const theme = localStorage.getItem('goddard.theme');
    if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
  } catch { /* storage may be forbidden; then the browser's scheme is taken */ }
})();
