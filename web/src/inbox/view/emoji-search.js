/**
 * The list of emoji and the search in it. Loaded with the picker.
 */
import { kinds } from './emoji-list.js';
import { bare, learnName } from './emoji-names.js';

/** @typedef {{emoji: string, name: string, words: string}} Emoji */

/** @type {{kind: string, emoji: Emoji[]}[]} */
export const groups = kinds.map(({ kind, lines }) => ({
  kind,
  emoji: lines.flatMap((line) => line.split('|')).map((entry) => {
    const space = entry.indexOf(' ');
    const words = entry.slice(space + 1);
    return { emoji: entry.slice(0, space), name: words.split(',')[0], words };
  }),
}));

const byEmoji = new Map(groups.flatMap((group) => group.emoji).map((one) => [bare(one.emoji), one]));
for (const { emoji, name } of byEmoji.values()) learnName(emoji, name);

/** Returns the emoji whose words start with the words of the query. @param {string} query @returns {Emoji[]} */
export function findEmoji(query) {
  const wanted = query.toLowerCase().split(/[\s,]+/u).filter(Boolean);
  const found = [];
  for (const one of byEmoji.values()) {
    const words = one.words.split(/[\s,]+/u);
    if (wanted.every((word) => one.emoji === word || words.some((own) => own.startsWith(word)))) found.push(one);
  }
  return found;
}
