// What the first paint depends on: light or dark, the language and its direction, and whether a conversation is opened.
// A plain script, because a module would come too late and the page would flash.
(() => {
  /** The languages of the inbox (`languages/language.js`), and the locale of each unless the browser names one. */
  const locales = { en: 'en-GB', de: 'de', es: 'es', fr: 'fr', ar: 'ar', zh: 'zh-Hans', ja: 'ja' };
  const root = document.documentElement;
  const stored = (/** @type {string} */ name) => {
    try {
      return localStorage.getItem(name);
    } catch {
      // Nothing can be kept here; the page or the browser decides.
      return null;
    }
  };

  /** Returns the language of a tag, if the inbox has it, and the whole tag if it has a region. Traditional Chinese is not
   * Simplified. @param {string|null} tag @returns {{language: keyof typeof locales, regional: string|null}|null} */
  const match = (tag) => {
    try {
      const { baseName, language, region } = new Intl.Locale(tag ?? '');
      if (!Object.hasOwn(locales, language) || new Intl.Locale(baseName).maximize().script === 'Hant') return null;
      return { language: /** @type {keyof typeof locales} */ (language), regional: region ? baseName : null };
    } catch {
      return null;
    }
  };
  const tags = navigator.languages ?? [];
  // Browsers add a bare `zh` to `zh-TW`, which does not ask for Simplified Chinese.
  const isHant = tags.some((tag) => /^zh-(?:Hant|TW|HK|MO)/iu.test(tag));
  const wanted = tags.filter((tag) => !(isHant && tag === 'zh')).map(match).filter((one) => one !== null);

  /** Returns the locale of a match, with the region that the browser has for its language.
   * @param {ReturnType<typeof match>} found */
  const localeOf = (found) => found && (found.regional
    ?? wanted.find(({ language, regional }) => language === found.language && regional)?.regional
    ?? locales[found.language]);
  // The choice of the user, then of the page that embeds the inbox, then of the browser.
  const otherwise = localeOf(match(new URLSearchParams(location.search).get('lang')) ?? wanted[0] ?? null) ?? locales.en;
  const locale = localeOf(match(stored('parlor-language'))) ?? otherwise;
  root.lang = locale;
  root.dir = locale.startsWith('ar') ? 'rtl' : 'ltr';
  // What applies without a choice of the user, for the settings.
  root.dataset.otherwise = otherwise;

  const theme = stored('parlor-theme');
  if (location.hash.startsWith('#/c/')) root.dataset.opens = '';
  if (theme === 'light' || theme === 'dark') root.dataset.theme = theme;
})();
