// Light, dark, or as the system says, and whether a conversation is opened: put into force before anything is painted.
// A plain script, because a module would come too late and the page would flash.
(() => {
  let theme = null;
  try {
    theme = localStorage.getItem('parlor-theme');
  } catch {
    // Nothing can be kept here; the system decides.
  }
  if (location.hash.startsWith('#/c/')) document.documentElement.dataset.opens = '';
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
})();
