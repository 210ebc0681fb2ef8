/**
 * Loads the texts of a language. English is part of the first load, each other language is a script of its own.
 *
 * @import {MakeLanguage} from '../languages/language.js'
 */
import { languageOf } from '../languages/language.js';
import { setLanguage } from './strings.js';

/** @type {Record<'de'|'es'|'fr'|'ar'|'zh'|'ja', () => Promise<MakeLanguage>>} */
const loaders = {
  de: () => import('../languages/german.js').then(({ german }) => german),
  es: () => import('../languages/spanish.js').then(({ spanish }) => spanish),
  fr: () => import('../languages/french.js').then(({ french }) => french),
  ar: () => import('../languages/arabic.js').then(({ arabic }) => arabic),
  zh: () => import('../languages/chinese.js').then(({ chinese }) => chinese),
  ja: () => import('../languages/japanese.js').then(({ japanese }) => japanese),
};

/** Sets the language of a locale, which stays English until it has loaded. @param {string} locale */
export async function loadLanguage(locale) {
  const name = languageOf(locale);
  setLanguage(locale, name === 'en' ? null : await loaders[name]());
}
