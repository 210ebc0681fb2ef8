/**
 * The languages: every text is there, plural forms are complete, and the right language is chosen.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { runInNewContext } from 'node:vm';
import { languageOf } from '../src/inbox/languages/language.js';
import { LANGUAGES } from '../src/inbox/languages/names.js';
import { toolsFor } from '../src/inbox/languages/tools.js';
import { relativeTime, shortTime } from '../src/inbox/view/format.js';
import { loadLanguage } from '../src/inbox/view/load-language.js';
import { systemPhrase, wordsOf } from '../src/inbox/view/preview.js';
import { formatNumber, say, setLanguage, shortCount } from '../src/inbox/view/strings.js';
import { emptyState } from '../src/sdk/state/state.js';
import { MAKERS, fixedTexts, languageIn } from './layout/page-language.js';

const LOCALES = Object.keys(MAKERS);
/** The categories that `tools.js` and tidy name. @type {Record<string, string[]>} */
const CATEGORIES = {
  en: ['one', 'other'], de: ['one', 'other'], es: ['many', 'one', 'other'], fr: ['many', 'one', 'other'],
  ar: ['few', 'many', 'one', 'other', 'two', 'zero'], zh: ['other'], ja: ['other'],
};
/** One count of each category of Arabic, and a whole million, which French and Spanish treat apart. */
const COUNTS = [0, 1, 2, 3, 11, 100, 102, 1_000_000];

/** An argument of each type. @type {Record<string, (count: number) => unknown>} */
const ARGUMENTS = {
  'number': (count) => count, 'string': () => 'Ben', 'string|null': () => 'Ben', 'boolean': () => true,
  'string[]': () => ['Ben', 'Cleo'], '(string|null)[]': () => ['Cleo', null, 'Dan'],
};

/** Calls every text that takes arguments; the English one says which. @param {object} texts @param {object} english
 * @returns {[string, string][]} */
function calledTexts(texts, english) {
  const own = new Map(Object.entries(texts));
  return Object.entries(english).filter(([, value]) => typeof value === 'function').flatMap(([name, value]) => {
    const types = [...String(value).matchAll(/@type \{([^}]+)\} \*\//gu)].map(([, type]) => type);
    return COUNTS.map((count) => {
      const made = own.get(name)(...types.map((type) => ARGUMENTS[type](count)));
      return /** @type {[string, string]} */ ([`${name}(${count})`, Array.isArray(made) ? wordsOf(made) : made]);
    });
  });
}

test('the plural categories are those of Intl', () => {
  for (const locale of LOCALES) {
    const known = new Intl.PluralRules(locale).resolvedOptions().pluralCategories.toSorted();
    assert.deepEqual(known, CATEGORIES[languageOf(locale)], locale);
  }
  assert.deepEqual(LOCALES.map(languageOf).toSorted(), Object.keys(LANGUAGES).toSorted());
});

test('every text of every language is there, and nothing in it is undefined', () => {
  const plain = languageIn('en-GB');
  for (const locale of LOCALES) {
    const { texts, dialogs } = languageIn(locale);
    const all = [...fixedTexts(texts), ...fixedTexts(dialogs), ...calledTexts(texts, plain.texts), ...calledTexts(dialogs, plain.dialogs)];
    assert.ok(all.length > 600, `${locale}: ${all.length} texts`);
    for (const [name, text] of all) {
      if (!/^sentenceGap$/u.test(name)) assert.ok(text !== '', `${locale}: ${name} is empty`);
      assert.doesNotMatch(text, /undefined|null|NaN|\[object|#/u, `${locale}: ${name}`);
    }
  }
});

test('counts have the plural form and the digits of the locale', () => {
  const inLocale = (/** @type {string} */ locale, /** @type {number[]} */ counts) =>
    counts.map((count) => languageIn(locale).texts.people(count));
  assert.deepEqual(inLocale('ar', [0, 1, 2, 3, 11, 100]), ['لا أحد', 'شخص واحد', 'شخصان', '3 أشخاص', '11 شخصًا', '100 شخص']);
  assert.deepEqual(inLocale('de', [1, 2, 1234]), ['1 Person', '2 Personen', '1.234 Personen']);
  assert.deepEqual(inLocale('es', [1, 1_000_000]), ['1 persona', '1.000.000 de personas']);
  assert.deepEqual(inLocale('fr', [0, 2]), ['0 personne', '2 personnes']);
  assert.equal(MAKERS.ar(toolsFor('ar-EG')).texts.people(11), '١١ شخصًا');
  assert.equal(languageIn('de').texts.unreadCount(100), '99+ ungelesene Nachrichten');
});

test('a text in a form is not taken for the place of the number', () => {
  assert.match(languageIn('en-GB').texts.deleteMore(true, 2, 'Team #1'), /^The text and its 2 files are removed for Team #1 too/u);
  assert.match(languageIn('de').texts.deleteMore(true, 2, 'Team #1'), /^Der Text und die 2 Dateien werden auch bei Team #1/u);
});

test('system messages name the user as their language does', () => {
  const state = emptyState(1);
  for (const [id, name] of /** @type {[number, string][]} */ ([[2, 'Ben'], [3, 'Cleo']])) {
    state.users.set(id, { id, name, picture: null, version: 1 });
  }
  const words = (/** @type {string} */ locale, /** @type {any} */ line, sender = 2) => {
    setLanguage(locale, locale === 'en-GB' ? null : MAKERS[locale]);
    return wordsOf(systemPhrase(state, sender, line)).replaceAll(/[\u2068\u2069]/gu, '');
  };
  const added = { type: 'added', users: [3, 1] };
  assert.equal(words('en-GB', added), 'Ben added you and Cleo');
  assert.equal(words('de', added), 'Ben hat Sie und Cleo hinzugefügt');
  assert.equal(words('es', added), 'Ben te añadió a ti y a Cleo');
  assert.equal(words('es', { type: 'added', users: [1] }), 'Ben te añadió');
  assert.equal(words('fr', { type: 'added', users: [1] }), 'Ben vous a donné accès au groupe');
  assert.equal(words('ja', { type: 'removed', user: 3 }), 'Ben さんがCleoを外しました');
  assert.equal(words('zh-CN', { type: 'left' }, 1), '你 离开了群组');
  assert.equal(words('de', { type: 'role_changed', user: 1, role: 'moderator' }), 'Ben hat Ihre Rolle geändert: Moderation');
  assert.equal(words('ar', { type: 'role_changed', user: 3, role: 'archivist' }, 1), 'تغيّر دور Cleo من طرفك: archivist');
  setLanguage('en-GB', null);
});

test('in a right-to-left language every text within a sentence is isolated', async () => {
  await loadLanguage('ar');
  assert.equal(say.writeTo('Ben (Berlin)'), 'رسالة إلى \u2068Ben (Berlin)\u2069');
  assert.equal(say.notAttached('a.png', ''), '\u2068a.png\u2069: ', 'nothing is put around an empty text');
  await loadLanguage('de');
  assert.equal(say.writeTo('Ben (Berlin)'), 'Nachricht an Ben (Berlin)');
  setLanguage('en-GB', null);
});

test('times and numbers follow the region', () => {
  const at = new Date(2026, 10, 20, 15, 5).getTime();
  const now = at + 60_000;
  const seen = (/** @type {string} */ locale) => {
    setLanguage(locale, null);
    return [shortTime(at, now), relativeTime(-5, 'minute'), formatNumber(1234.5), shortCount(100)];
  };
  assert.deepEqual(seen('en-GB'), ['15:05', '5 min ago', '1,234.5', '99+']);
  assert.match(seen('en-US')[0], /^03:05\sPM$/u);
  assert.deepEqual(seen('de-AT').slice(0, 2), ['15:05', 'vor 5 Min.']);
  setLanguage('en-GB', null);
});

/** Runs the script of the page's head. @param {{languages?: string[], search?: string, stored?: string, blocked?: boolean}} with_
 * @returns {{lang: string, dir: string, otherwise: string}} */
function firstPaint({ languages = [], search = '', stored, blocked = false }) {
  const root = { lang: 'en', dir: '', dataset: /** @type {Record<string, string>} */ ({}) };
  const localStorage = { getItem: (/** @type {string} */ name) => {
    if (blocked) throw new Error('blocked');
    return name === 'parlor-language' ? stored ?? null : null;
  } };
  const script = readFileSync(new URL('../src/inbox/before-paint.js', import.meta.url), 'utf8');
  runInNewContext(script, {
    document: { documentElement: root }, navigator: { languages }, location: { search, hash: '' }, localStorage, URLSearchParams, Intl,
  });
  return { lang: root.lang, dir: root.dir, otherwise: root.dataset.otherwise };
}

test('the language is that of the user, then of the page, then of the browser, and else English', () => {
  const lang = (/** @type {Parameters<typeof firstPaint>[0]} */ with_) => firstPaint(with_).lang;
  assert.equal(lang({}), 'en-GB');
  assert.equal(lang({ languages: ['pt-BR', 'de-AT', 'en'] }), 'de-AT');
  assert.equal(lang({ languages: ['de-AT'], search: '?lang=fr' }), 'fr');
  assert.equal(lang({ languages: ['de-AT'], search: '?lang=fr', stored: 'ja' }), 'ja');
  assert.equal(lang({ languages: ['en-US', 'de-AT'], stored: 'de' }), 'de-AT', 'the region is that of the browser');
  assert.equal(lang({ languages: ['es', 'es-MX'], search: '?lang=ES' }), 'es-MX');
  for (const bad of ['xx', 'not a tag', '', 'constructor']) {
    assert.equal(lang({ languages: ['fr-CA'], search: `?lang=${encodeURIComponent(bad)}`, stored: bad }), 'fr-CA', bad);
  }
  assert.equal(lang({ languages: ['de'], stored: 'fr', blocked: true }), 'de');
  assert.equal(firstPaint({ languages: ['de'], stored: 'fr' }).otherwise, 'de');
});

test('Simplified Chinese is for those who read it, and Arabic turns the page', () => {
  const lang = (/** @type {string[]} */ languages) => firstPaint({ languages }).lang;
  assert.deepEqual([['zh-CN'], ['zh'], ['zh-Hans-SG'], ['zh-SG']].map(lang), ['zh-CN', 'zh-Hans', 'zh-Hans-SG', 'zh-SG']);
  assert.deepEqual([['zh-TW', 'zh', 'en-US'], ['zh-HK'], ['zh-Hant', 'ja']].map(lang), ['en-US', 'en-GB', 'ja']);
  assert.deepEqual(firstPaint({ languages: ['ar-EG'] }), { lang: 'ar-EG', dir: 'rtl', otherwise: 'ar-EG' });
  assert.equal(firstPaint({ languages: ['de'] }).dir, 'ltr');
});
