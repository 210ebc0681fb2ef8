/**
 * Keys by the names that menus and shortcuts have for them.
 */

/** Returns whether a key is the one that an item names: "R", "Del", "Ctrl C", "Ctrl Shift F". @param {KeyboardEvent} event
 * @param {string} name @returns {boolean} */
export function matchesKey(event, name) {
  const parts = name.split(' ');
  const wanted = /** @type {string} */ (parts.pop());
  const control = parts.includes('Ctrl');
  if (control !== (event.ctrlKey || event.metaKey) || parts.includes('Shift') !== event.shiftKey) return false;
  if (event.altKey || event.isComposing) return false;
  if (wanted === 'Del') return event.key === 'Delete';
  // On keyboards without Latin letters the position of the key counts.
  const isLatin = /^[a-z]$/iu.test(event.key);
  return isLatin ? event.key.toUpperCase() === wanted : event.code === `Key${wanted}`;
}
