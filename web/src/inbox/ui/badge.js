/**
 * The number of unread messages on the icon of the installed page, and a dot on the icon of the tab.
 */

/** `icon.svg` with a dot. */
const MARKED = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 40"><rect width="40" height="40" rx="10" fill="#13616b"/>'
  + '<path d="M14 9h8a6 6 0 0 1 6 6v5H14a5.5 5.5 0 0 1 0-11z" fill="#fff"/>'
  + '<circle cx="30" cy="30" r="10" fill="#d92d20" stroke="#fff" stroke-width="3"/></svg>';

/** An icon may still have the number of a tab that is gone. */
let shown = -1;
/** The address of the icon without a dot. */
let plain = '';

/** @param {number} count */
export function showBadge(count) {
  if (count === shown) return;
  const wasMarked = shown > 0;
  shown = count;
  navigator.setAppBadge?.(count).catch(() => {});
  const link = /** @type {HTMLLinkElement|null} */ (document.querySelector('link[rel="icon"]'));
  if (!link || wasMarked === count > 0) return;
  plain ||= link.href;
  link.href = count > 0 ? `data:image/svg+xml,${encodeURIComponent(MARKED)}` : plain;
}
