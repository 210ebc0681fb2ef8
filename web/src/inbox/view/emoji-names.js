/**
 * Names of emoji: the default ones, and the whole list once it has loaded.
 */

/** The emoji offered before the user has chosen any, with their names. */
export const USUAL = new Map(Object.entries({
  '👍': 'thumbs up', '❤️': 'red heart', '😂': 'tears of joy', '😮': 'surprised', '🙏': 'folded hands', '😢': 'crying',
  '🎉': 'party', '👀': 'eyes',
}));

/** Removes the skin tone and the variation selector. @param {string} emoji @returns {string} */
export function bare(emoji) {
  return emoji.replace(/[\u{1F3FB}-\u{1F3FF}\uFE0F]/gu, '');
}

/** The known names: the default ones, and the whole list once it has loaded. @type {Map<string, string>} */
export const names = new Map([...USUAL].map(([emoji, name]) => [bare(emoji), name]));

/** @param {string} emoji @param {string} name of a new emoji */
export function learnName(emoji, name) {
  if (!names.has(bare(emoji))) names.set(bare(emoji), name);
}
