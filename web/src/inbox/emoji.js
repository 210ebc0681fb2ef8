/**
 * Emoji: their names, which are found by a word, and which a person uses often. Pure.
 */
import { kinds } from './emoji-list.js';

/** @typedef {{emoji: string, name: string, words: string}} Emoji */

/** Offered before one has chosen any. */
const OFTEN = ['👍', '❤️', '😂', '😮', '🙏', '😢', '🎉', '👀'];
/** So many of one's own are remembered. */
const REMEMBERED = 24;

/** @type {{kind: string, emoji: Emoji[]}[]} */
export const groups = kinds.map(({ kind, lines }) => ({
  kind,
  emoji: lines.flatMap((line) => line.split('|')).map((entry) => {
    const space = entry.indexOf(' ');
    const words = entry.slice(space + 1);
    return { emoji: entry.slice(0, space), name: words.split(',')[0], words };
  }),
}));

/** Without a skin tone and without the sign that asks for colour. @param {string} emoji @returns {string} */
function bare(emoji) {
  return emoji.replace(/[\u{1F3FB}-\u{1F3FF}\uFE0F]/gu, '');
}

const byEmoji = new Map(groups.flatMap((group) => group.emoji).map((one) => [bare(one.emoji), one]));

/** What an emoji is called; one without a name here speaks for itself. @param {string} emoji @returns {string} */
export function emojiName(emoji) {
  return byEmoji.get(bare(emoji))?.name ?? emoji;
}

/** Those of which each word of the query begins a word. @param {string} query @returns {Emoji[]} */
export function findEmoji(query) {
  const wanted = query.toLowerCase().split(/[\s,]+/u).filter(Boolean);
  const found = [];
  for (const one of byEmoji.values()) {
    const words = one.words.split(/[\s,]+/u);
    if (wanted.every((word) => one.emoji === word || words.some((own) => own.startsWith(word)))) found.push(one);
  }
  return found;
}

/** Those a person uses most, then the usual ones. @param {unknown} counts as kept in the browser
 * @param {number} most @returns {string[]} */
export function oftenUsed(counts, most) {
  const own = Object.entries(countsOf(counts)).sort(([, a], [, b]) => b - a).map(([emoji]) => emoji);
  return [...new Set([...own, ...OFTEN])].slice(0, most);
}

/** With one more use. What is used now weighs more than what was used long ago.
 * @param {unknown} counts @param {string} emoji @returns {Record<string, number>} */
export function usedAgain(counts, emoji) {
  const before = Object.entries(countsOf(counts)).map(([one, count]) => /** @type {const} */ ([one, count * 0.95]));
  const own = new Map(before);
  own.set(emoji, (own.get(emoji) ?? 0) + 1);
  const sorted = [...own].sort(([, a], [, b]) => b - a);
  return Object.fromEntries(sorted.slice(0, REMEMBERED));
}

/** @param {unknown} counts @returns {Record<string, number>} */
function countsOf(counts) {
  if (typeof counts !== 'object' || counts === null) return {};
  return Object.fromEntries(Object.entries(counts).filter(([, count]) => typeof count === 'number' && count > 0));
}
