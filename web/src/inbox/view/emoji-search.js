/**
 * The list of emoji and the search in it, by English words and those of the user's language. Loaded with the picker.
 */
import { kinds } from './emoji-list.js';
import { bare, entriesOf, learnName, localWords, nameIn } from './emoji-names.js';
import { fold } from './folding.js';

/** @typedef {{emoji: string, name: string, words: string}} Emoji */

/** Scripts without spaces between words, in which any part of a word may be looked for. */
const UNSPACED = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}]/u;
const GAPS = /[\s,_’'-]+/u;

/** @type {{kind: string, emoji: Emoji[]}[]} */
export const groups = kinds.map(({ kind, lines }) => ({
  kind, emoji: lines.flatMap(entriesOf).map(({ emoji, words }) => ({ emoji, name: nameIn(words), words })),
}));

const byEmoji = new Map(groups.flatMap((group) => group.emoji).map((one) => [bare(one.emoji), one]));
for (const { emoji, name } of byEmoji.values()) learnName(emoji, name);

/** Returns the emoji each of whose words starts with one of the query, the best first: those whose name is the query,
 * then those whose name starts with it. @param {string} query @returns {Emoji[]} */
export function findEmoji(query) {
  const wanted = wordsOf(query);
  if (wanted.length === 0) return [];
  const ranked = [...byEmoji.values()].map((one) => ({ one, rank: rankOf(one, wanted) }));
  return ranked.filter(({ rank }) => rank > 0).sort((a, b) => b.rank - a.rank).map(({ one }) => one);
}

/** Returns the emoji whose name or search word is exactly the query, if there is one. @param {string} query
 * @returns {Emoji|undefined} */
export function emojiNamed(query) {
  const wanted = wordsOf(query).join('');
  const [best] = findEmoji(query);
  return best && formsOf(best).some(({ whole }) => whole.includes(wanted)) ? best : undefined;
}

/** Words for comparison: each by itself, and what stands between commas without spaces.
 * @typedef {{single: string[], whole: string[]}} Form */

/** @type {Map<string, Form>} */
const forms = new Map();

/** @param {string} words @returns {Form} */
function formOf(words) {
  let form = forms.get(words);
  if (!form) {
    form = { single: wordsOf(words), whole: words.split(',').map((one) => wordsOf(one).join('')) };
    forms.set(words, form);
  }
  return form;
}

/** @param {Emoji} one @returns {Form[]} its words in the user's language, and the English ones */
function formsOf({ emoji, words }) {
  const local = localWords.get(bare(emoji));
  return local === undefined ? [formOf(words)] : [formOf(local), formOf(words)];
}

/** @param {Emoji} one @param {string[]} wanted @returns {number} 0 if it does not match */
function rankOf(one, wanted) {
  const query = wanted.join('');
  if (one.emoji === query) return 4;
  return Math.max(...formsOf(one).map(({ single, whole }) => {
    if (whole[0] === query) return 4;
    if (whole.includes(query)) return 3;
    if (whole[0].startsWith(query)) return 2;
    return wanted.every((word) => single.some((own) => fits(own, word))) ? 1 : 0;
  }));
}

/** @param {string} word @param {string} query @returns {boolean} */
function fits(word, query) {
  return word.startsWith(query) || (UNSPACED.test(query) && word.includes(query));
}

/** @param {string} text @returns {string[]} */
function wordsOf(text) {
  return fold(text).split(GAPS).filter(Boolean);
}
