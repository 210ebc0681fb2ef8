/**
 * Emoji: what they are called, and which a person uses often.
 */
import { USUAL, bare, names } from './emoji-names.js';

const OFTEN = [...USUAL.keys()];
/** So many of one's own are remembered. */
const REMEMBERED = 24;

/** What an emoji is called; one without a name here speaks for itself: a screen reader knows it. The first that has none
 * brings the whole list. @param {string} emoji @param {(name: string) => void} [later] is given the name once the list
 * is there @returns {string} */
export function emojiName(emoji, later = () => {}) {
  const name = names.get(bare(emoji));
  if (name === undefined) void loadNames().then(() => later(names.get(bare(emoji)) ?? emoji));
  return name ?? emoji;
}

/** @type {Promise<unknown>|null} */
let loading = null;

/** The names come with the picker; where it cannot be loaded the next emoji tries again. @returns {Promise<unknown>} */
function loadNames() {
  loading ??= import('./emoji-search.js').catch(() => {
    loading = null;
  });
  return loading;
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
