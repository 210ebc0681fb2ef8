/**
 * Names of emoji: the default English ones, the whole English list once it has loaded, and the names and search words
 * in the user's language once those have loaded.
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

/** The known English names: the default ones, and the whole list once it has loaded. @type {Map<string, string>} */
export const names = new Map([...USUAL].map(([emoji, name]) => [bare(emoji), name]));

/** The names with search words in the user's language, by emoji. @type {Map<string, string>} */
export const localWords = new Map();

/** @param {string} emoji @param {string} name of a new emoji */
export function learnName(emoji, name) {
  if (!names.has(bare(emoji))) names.set(bare(emoji), name);
}

/** @param {string[]} lines with words in the user's language, as in `emoji-list.js` */
export function learnWords(lines) {
  localWords.clear();
  for (const { emoji, words } of lines.flatMap(entriesOf)) localWords.set(bare(emoji), words);
}

/** @param {string} line emoji with words, as in `emoji-list.js` @returns {{emoji: string, words: string}[]} */
export function entriesOf(line) {
  return line.split('|').map((entry) => {
    const space = entry.indexOf(' ');
    return { emoji: entry.slice(0, space), words: entry.slice(space + 1) };
  });
}

/** @param {string} words @returns {string} the text up to the first comma */
export function nameIn(words) {
  return words.split(',')[0];
}
