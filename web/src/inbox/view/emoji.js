/**
 * Names of emoji, and the emoji that a user uses often.
 */
import { languageOf } from '../languages/language.js';
import { USUAL, bare, learnWords, localWords, nameIn, names } from './emoji-names.js';
import { say } from './strings.js';

const OFTEN = [...USUAL.keys()];
/** The number of remembered emoji. */
const REMEMBERED = 24;

/** The words of emoji in each language but English. @type {Record<string, () => Promise<string[]>>} */
const loaders = {
  de: () => import('../languages/german-emoji.js').then(({ emojiLines }) => emojiLines),
  es: () => import('../languages/spanish-emoji.js').then(({ emojiLines }) => emojiLines),
  fr: () => import('../languages/french-emoji.js').then(({ emojiLines }) => emojiLines),
  ar: () => import('../languages/arabic-emoji.js').then(({ emojiLines }) => emojiLines),
  zh: () => import('../languages/chinese-emoji.js').then(({ emojiLines }) => emojiLines),
  ja: () => import('../languages/japanese-emoji.js').then(({ emojiLines }) => emojiLines),
};

/** Returns the name of an emoji, or the emoji itself if it has none or the names have not loaded: screen readers know
 * it. The first emoji without a name loads the names. @param {string} emoji
 * @param {(name: string) => void} [later] receives the name once the names have loaded @returns {string} */
export function emojiName(emoji, later = () => {}) {
  const name = knownName(emoji);
  if (name === undefined) void loadEmojiNames().then(() => later(knownName(emoji) ?? emoji));
  return name ?? emoji;
}

/** @param {string} emoji @returns {string|undefined} */
function knownName(emoji) {
  if (languageOf(say.locale) === 'en') return names.get(bare(emoji));
  const words = localWords.get(bare(emoji));
  return words === undefined ? undefined : nameIn(words);
}

/** @type {Promise<unknown>|null} */
let loading = null;

/** Loads the names in the user's language; after a failure the next call retries. @returns {Promise<unknown>} */
export function loadEmojiNames() {
  const load = loaders[languageOf(say.locale)];
  loading ??= (load ? load().then(learnWords) : import('./emoji-search.js')).catch(() => {
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
