/**
 * What a language consists of, and which there are.
 *
 * @import {Tools} from './tools.js'
 * @import {english} from './english.js'
 * @import {englishDialogs} from './english-dialogs.js'
 */

/**
 * The texts of the first load, and those of what is loaded on first use.
 * @typedef {ReturnType<typeof english>} Texts
 * @typedef {ReturnType<typeof englishDialogs>} DialogTexts
 * @typedef {{texts: Texts, dialogs: DialogTexts}} Language
 * @typedef {(tools: Tools<any>) => Language} MakeLanguage
 */

/** The names of the languages in themselves, in the order in which they are offered. `before-paint.js` has the same. */
export const LANGUAGES = {
  en: 'English', de: 'Deutsch', es: 'Español', fr: 'Français', ar: 'العربية', zh: '简体中文', ja: '日本語',
};

/** @param {string} locale @returns {keyof typeof LANGUAGES} the language of a locale, or English */
export function languageOf(locale) {
  const [name] = locale.split('-');
  return Object.hasOwn(LANGUAGES, name) ? /** @type {keyof typeof LANGUAGES} */ (name) : 'en';
}
