/**
 * The inbox in another language, for tests: its texts by the English ones, and a pseudo-language that shows which texts
 * do not fit or are not in the catalogue.
 *
 * @import {BrowserContext} from 'playwright-core'
 * @import {Language, MakeLanguage} from '../../src/inbox/languages/language.js'
 * @import {PageLanguage} from './browser-view.js'
 */
import { arabic } from '../../src/inbox/languages/arabic.js';
import { chinese } from '../../src/inbox/languages/chinese.js';
import { english } from '../../src/inbox/languages/english.js';
import { englishDialogs } from '../../src/inbox/languages/english-dialogs.js';
import { french } from '../../src/inbox/languages/french.js';
import { german } from '../../src/inbox/languages/german.js';
import { japanese } from '../../src/inbox/languages/japanese.js';
import { spanish } from '../../src/inbox/languages/spanish.js';
import { toolsFor } from '../../src/inbox/languages/tools.js';

/** All languages by the locale in which the tests use them. @type {Record<string, MakeLanguage>} */
export const MAKERS = {
  'en-GB': (tools) => ({ texts: english(tools), dialogs: englishDialogs(tools) }),
  de: german, es: spanish, fr: french, ar: arabic, 'zh-CN': chinese, ja: japanese,
};

/** @param {string} locale @returns {Language} */
export function languageIn(locale) {
  return MAKERS[locale](toolsFor(locale));
}

/** Returns the fixed texts of a language with their places, such as `reasons.too_late`. @param {object} texts
 * @returns {[string, string][]} */
export function fixedTexts(texts) {
  return Object.entries(texts).flatMap(([name, value]) => {
    if (typeof value === 'string') return [/** @type {[string, string]} */ ([name, value])];
    if (typeof value !== 'object') return [];
    return fixedTexts(value).map(([inner, text]) => /** @type {[string, string]} */ ([`${name}.${inner}`, text]));
  });
}

/** @param {string} locale @returns {PageLanguage} */
export function pageLanguage(locale) {
  return { locale, words: wordsBetween(languageIn('en-GB'), languageIn(locale)) };
}

/** @param {Language} from @param {Language} to @returns {Record<string, string>} the texts of one by those of another */
function wordsBetween(from, to) {
  const other = new Map([...fixedTexts(to.texts), ...fixedTexts(to.dialogs)]);
  const all = [...fixedTexts(from.texts), ...fixedTexts(from.dialogs)];
  return Object.fromEntries(all.map(([name, text]) => [text, other.get(name) ?? text]).reverse());
}

/** The pseudo-language: English with accents, two fifths longer. The browser receives it in place of German.
 * @returns {PageLanguage} */
export function pseudoLanguage() {
  const plain = languageIn('en-GB');
  const texts = pseudo(plain.texts);
  const dialogs = pseudo(plain.dialogs);
  const script = `import { english } from '/web/inbox/languages/english.js';
import { englishDialogs } from '/web/inbox/languages/english-dialogs.js';
const longer = ${longer};
const pseudo = ${pseudo};
export function german(tools) {
  return { texts: pseudo(english(tools)), dialogs: pseudo(englishDialogs(tools)) };
}
`;
  return {
    locale: 'de',
    words: wordsBetween(plain, { texts, dialogs }),
    prepare: async (/** @type {BrowserContext} */ context) => {
      const contentType = 'text/javascript';
      await context.route('**/languages/german.js', (route) => route.fulfill({ contentType, body: script }));
      // Without names of their own, emoji have English ones, which are no texts of the catalogue.
      const emoji = 'export const emojiLines = [];';
      await context.route('**/languages/german-emoji.js', (route) => route.fulfill({ contentType, body: emoji }));
    },
  };
}

/** @param {string} text @returns {string} */
function longer(text) {
  const accents = 'åƀçđéƒğĥïĵķļɱñöþǫŕšţûṽŵẋýž';
  const accented = text.replace(/[a-z]/gu, (letter) => accents[letter.charCodeAt(0) - 97]);
  const letters = text.replace(/[^a-z]/giu, '').length;
  return letters < 2 ? accented : `${accented}${' öñë ţŵö ţĥŕéé ƒöûŕ'.repeat(9).slice(0, Math.ceil(letters * 0.4)).trimEnd()}`;
}

/** Accents every text, with what is inserted into it. @template Value @param {Value} value @returns {Value} */
function pseudo(value) {
  if (typeof value === 'string') return /** @type {Value} */ (longer(value));
  if (typeof value === 'function') {
    return /** @type {Value} */ ((/** @type {unknown[]} */ ...parts) => pseudo(value(...parts)));
  }
  if (Array.isArray(value)) return /** @type {Value} */ (value.map((part) => (typeof part === 'string' ? longer(part) : part)));
  if (typeof value !== 'object' || value === null) return value;
  const kept = ['keyNames', 'units', 'colon', 'comma', 'sentenceGap', 'searchKey'];
  return /** @type {Value} */ (Object.fromEntries(Object.entries(value).map(([name, one]) =>
    [name, kept.includes(name) ? one : pseudo(one)])));
}
