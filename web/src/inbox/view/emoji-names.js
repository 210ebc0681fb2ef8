/**
 * What emoji are called: the usual ones, and all of the list once that was loaded.
 */

/** Offered before one has chosen any, with their names. */
export const USUAL = new Map(Object.entries({
  '👍': 'thumbs up', '❤️': 'red heart', '😂': 'tears of joy', '😮': 'surprised', '🙏': 'folded hands', '😢': 'crying',
  '🎉': 'party', '👀': 'eyes',
}));

/** Without a skin tone and without the sign that asks for colour. @param {string} emoji @returns {string} */
export function bare(emoji) {
  return emoji.replace(/[\u{1F3FB}-\u{1F3FF}\uFE0F]/gu, '');
}

/** What is known of names: the usual ones, and all of the list once it was loaded. @type {Map<string, string>} */
export const names = new Map([...USUAL].map(([emoji, name]) => [bare(emoji), name]));

/** @param {string} emoji @param {string} name of one that is not known yet */
export function learnName(emoji, name) {
  if (!names.has(bare(emoji))) names.set(bare(emoji), name);
}
