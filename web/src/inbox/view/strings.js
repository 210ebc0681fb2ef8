/**
 * The texts of the inbox in the current language: those of the first load (`dialog-strings.js` has the others).
 *
 * Invariants: the language is set before the first element is made and stays until the page is loaded again. A name, a
 * title or a text within a sentence is isolated from it (`bidi.js`).
 *
 * @import {Language, MakeLanguage, Texts} from '../languages/language.js'
 */
import { english } from '../languages/english.js';
import { languageOf } from '../languages/language.js';
import { shortCount as shortCountIn, toolsFor } from '../languages/tools.js';
import { isolated } from './bidi.js';

let isRtl = false;
let tools = toolsFor('en-GB');
/** The language, unless it is English. @type {Language|null} */
let chosen = null;

/** The current texts. @type {Texts & {locale: string}} */
export const say = { locale: 'en-GB', ...withIsolation(english(tools)) };

/** Sets the language of all texts. @param {string} locale for `Intl` @param {MakeLanguage|null} make null for English */
export function setLanguage(locale, make) {
  isRtl = languageOf(locale) === 'ar';
  tools = toolsFor(locale);
  chosen = make ? make(tools) : null;
  Object.assign(say, { locale }, withIsolation(chosen ? chosen.texts : english(tools)));
}

/** Returns the texts of what is loaded later. @param {(tools: any) => Language['dialogs']} make makes the English ones
 * @returns {Language['dialogs']} */
export function dialogTexts(make) {
  return withIsolation(chosen ? chosen.dialogs : make(tools));
}

/** Returns a count of at most "99+". @param {number} count @returns {string} */
export function shortCount(count) {
  return shortCountIn(count, tools.number);
}

/** @param {number} value @returns {string} */
export function formatNumber(value) {
  return tools.number(value);
}

/** Joins sentences. @param {...string} parts @returns {string} */
export function sentences(...parts) {
  return parts.filter((part) => part !== '').join(say.sentenceGap);
}

/** Returns the text of a code, if there is one. @template Text @param {Record<string, Text>} texts @param {string} code
 * @returns {Text|undefined} */
export function textOf(texts, code) {
  return Object.hasOwn(texts, code) ? texts[code] : undefined;
}

/** Isolates everything that is inserted into a sentence. @template {Record<string, unknown>} Words @param {Words} words
 * @returns {Words} */
function withIsolation(words) {
  const entries = Object.entries(words).map(([name, value]) => [name, typeof value === 'function' ? isolatingArguments(value) : value]);
  return /** @type {Words} */ (Object.fromEntries(entries));
}

/** @param {Function} make @returns {Function} */
function isolatingArguments(make) {
  return (/** @type {unknown[]} */ ...parts) => make(...parts.map(isolateAll));
}

/** In a right-to-left sentence every text is isolated: even "Ben (Berlin)" would lose its bracket to the sentence.
 * @param {unknown} part @returns {unknown} */
function isolateAll(part) {
  if (Array.isArray(part)) return part.map(isolateAll);
  return typeof part === 'string' ? isolated(part, isRtl) : part;
}
