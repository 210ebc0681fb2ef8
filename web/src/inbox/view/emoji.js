/**
 * Names of emoji, and the emoji that a user uses often.
 */
import { languageOf } from '../languages/language.js';
import { USUAL, bare, names } from './emoji-names.js';
import { say } from './strings.js';

const OFTEN = [...USUAL.keys()];
/** The number of remembered emoji. */
const REMEMBERED = 24;

/** Returns the name of an emoji, or the emoji itself if it has none here or the names are in another language: screen
 * readers know it. The first emoji without a name loads the whole list. @param {string} emoji
 * @param {(name: string) => void} [later] receives the name once the list has loaded @returns {string} */
export function emojiName(emoji, later = () => {}) {
  if (languageOf(say.locale) !== 'en') return emoji;
  const name = names.get(bare(emoji));
  if (name === undefined) void loadNames().then(() => later(names.get(bare(emoji)) ?? emoji));
  return name ?? emoji;
}

/** @type {Promise<unknown>|null} */
let loading = null;

/** Loads the names with the picker; after a failure the next emoji retries. @returns {Promise<unknown>} */
function loadNames() {
  loading ??= import('./emoji-search.js').catch(() => {
    loading = null;
  });
  return loading;
}

/** Returns the emoji that the user uses most, then the default ones. @param {unknown} counts as stored in the browser
 * @param {number} most @returns {string[]} */
export function oftenUsed(counts, most) {
  const own = Object.entries(countsOf(counts)).sort(([, a], [, b]) => b - a).map(([emoji]) => emoji);
  return [...new Set([...own, ...OFTEN])].slice(0, most);
}

/** Counts one more use. Recent uses weigh more than old ones. @param {unknown} counts @param {string} emoji
 * @returns {Record<string, number>} */
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
