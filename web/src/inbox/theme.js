// Light, dark, or as the system says: chosen on this device, put into force before anything is drawn. A plain script,
// because a module would come too late and the page would flash.
(() => {
  let theme = null;
  try {
    theme = localStorage.getItem('parlor-theme');
  } catch {
    // Nothing can be kept here; the system decides.
  }
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
})();
