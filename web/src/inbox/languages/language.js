/**
 * What a language consists of, and which there are.
 *
 * @import {Tools} from './tools.js'
 * @import {english} from './english.js'
 * @import {englishDialogs} from './english-dialogs.js'
 * @import {LANGUAGES} from './names.js'
 */

/**
 * The texts of the first load, and those of what is loaded on first use.
 * @typedef {ReturnType<typeof english>} Texts
 * @typedef {ReturnType<typeof englishDialogs>} DialogTexts
 * @typedef {{texts: Texts, dialogs: DialogTexts}} Language
 * @typedef {(tools: Tools<any>) => Language} MakeLanguage
 */

/** The codes of the languages. `before-paint.js` has the same. */
const CODES = ['en', 'de', 'es', 'fr', 'ar', 'zh', 'ja'];

/** @param {string} locale @returns {keyof typeof LANGUAGES} the language of a locale, or English */
export function languageOf(locale) {
  const [name] = locale.split('-');
  return CODES.includes(name) ? /** @type {keyof typeof LANGUAGES} */ (name) : 'en';
}
