/**
 * The inbox in other languages: the core story in Arabic and German, the choice of the language, and every screen with
 * longer texts and from right to left.
 *
 * @import {PageLanguage} from '../layout/browser-view.js'
 * @import {Language} from '../../src/inbox/languages/language.js'
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { findLayoutIssues } from '../layout/checks.js';
import { visitAllScreens } from '../layout/visit-all.js';
import { REVERSING_TEXT, SETTINGS, createScene } from '../layout/scene.js';
import { SIZES, chromiumViews } from '../layout/browser-view.js';
import { fixedTexts, languageIn, pageLanguage, pseudoLanguage } from '../layout/page-language.js';
import { assets, load, openSignedIn } from './support/page-load.js';
import { runJourney } from './support/journey.js';
import { UserPage } from './support/user-page.js';

/** Statuses of the demo, which are words of its operator, though the inbox has a text like them. */
const OPERATOR_WORDS = ['Found'];
const PHONE = { viewport: { width: 390, height: 800 }, hasTouch: true, isMobile: true };

for (const locale of ['ar', 'de']) {
  test(`the core story is told in ${locale}: find, write, answer, react and search`, () =>
    runJourney(async ({ server, browser }) => {
      const { texts, dialogs } = languageIn(locale);
      const ada = await UserPage.open(browser, server.links.ada, { locale });
      const ben = await UserPage.open(browser, server.links.ben, { ...PHONE, locale });
      for (const { page } of [ada, ben]) {
        assert.equal(await page.evaluate(() => document.documentElement.lang), locale);
        await page.getByRole('heading', { name: texts.messages }).waitFor();
      }
      await ada.openConversation('Ben');
      await ben.openConversation('Ada');
      await write(ada, texts, 'Is it yours (the black one)?');
      await ben.bubble('Is it yours (the black one)?').waitFor();
      await checkSides(ada, 'Is it yours (the black one)?', locale === 'ar' ? 'left' : 'right');
      await checkSides(ben, 'Is it yours (the black one)?', locale === 'ar' ? 'right' : 'left');
      await write(ben, texts, 'نعم، إنها لي.');
      await ada.bubble('نعم، إنها لي.').waitFor();
      assert.equal(await ada.bubble('نعم، إنها لي.').locator('.bubble').evaluate((one) => getComputedStyle(one).direction), 'rtl');
      assert.equal(await ben.bubble('Is it yours (the black one)?').locator('.bubble').evaluate((one) => getComputedStyle(one).direction), 'ltr');
      await ada.bubble('نعم، إنها لي.').press('Enter');
      await ada.page.getByRole('menuitem', { name: texts.reply }).click();
      await ada.page.locator('.replying').waitFor();
      await write(ada, texts, 'Then come to the east exit.');
      await ben.bubble('Then come to the east exit.').locator('.quote').waitFor();
      for (const user of [ada, ben]) {
        await user.assertNoHorizontalScroll();
        await user.checkAccessibility(`the story in ${locale}, ${user === ada ? 1280 : 390} px`);
      }
      await ada.page.getByRole('searchbox', { name: texts.searchConversations }).fill('east exit');
      await ada.page.locator('parlor-result').first().waitFor();
      await ada.page.getByText(dialogs.results, { exact: true }).first().waitFor();
      await ada.assertNoHorizontalScroll();
      assert.deepEqual([...ada.errors, ...ben.errors], []);
    }));
}

/** @param {UserPage} user @param {Language['texts']} texts @param {string} text */
async function write({ page }, texts, text) {
  await page.getByRole('textbox', { name: texts.message, exact: true }).fill(text);
  await page.getByRole('button', { name: texts.send, exact: true }).click();
}

/** Checks on which side of the thread a message is. @param {UserPage} user @param {string} text
 * @param {'left'|'right'} side */
async function checkSides(user, text, side) {
  const [box, all] = await user.bubble(text).locator('.bubble').evaluate((one) => [
    one.getBoundingClientRect(), /** @type {Element} */ (one.closest('.blocks')).getBoundingClientRect(),
  ].map(({ left, right }) => ({ left, right })));
  const [before, after] = [box.left - all.left, all.right - box.right];
  assert.equal(before < after ? 'left' : 'right', side, `${before} px before “${text}” and ${after} px after it`);
}

test('a user chooses a language in the settings, which lasts, also for the sign-in page', () =>
  runJourney(async ({ server, browser }) => {
    const ada = await UserPage.open(browser, server.links.ada);
    const { page } = ada;
    await page.goto(`${new URL(server.links.ada).origin}/#/settings`);
    const select = page.getByRole('combobox', { name: 'Language' });
    assert.equal(await select.locator('option').first().textContent(), 'Automatic (English)');
    await select.selectOption({ label: 'العربية' });
    const arabic = languageIn('ar');
    await page.getByRole('heading', { name: arabic.dialogs.settings, exact: true }).waitFor();
    assert.equal(await page.evaluate(() => document.documentElement.dir), 'rtl');
    await page.getByRole('button', { name: arabic.dialogs.signOut }).click();
    await page.getByRole('heading', { name: arabic.dialogs.signIn }).waitFor();
    await ada.checkAccessibility('sign in, ar');
    await page.goto(server.links.ada);
    await page.goto(`${new URL(server.links.ada).origin}/?lang=fr#/settings`);
    await page.getByRole('combobox', { name: arabic.dialogs.language }).selectOption('');
    await page.getByRole('heading', { name: languageIn('fr').dialogs.settings, exact: true }).waitFor();
    assert.equal(await page.evaluate(() => document.documentElement.lang), 'fr', 'that of the address');
    assert.deepEqual(ada.errors, []);
  }));

test('another language is one small script more, and English text is never painted before it', () =>
  runJourney(async ({ server, browser }) => {
    const context = await openSignedIn(browser, server.links.ada, { locale: 'ar', serviceWorkers: 'block' });
    const origin = new URL('/', server.links.ada).href;
    const cold = await load(context, origin);
    const own = assets(cold).filter(({ url }) => /arabic/u.test(url));
    assert.equal(own.length, 1, assets(cold).map(({ url }) => url).join(', '));
    assert.equal(own[0].encoding, 'br');
    assert.ok(own[0].bytes < 12_000, `${own[0].bytes} bytes`);
    assert.ok(assets(cold).length <= 5);
    assert.ok(cold.paint.shift < 0.02, `${cold.paint.shift} by ${cold.paint.shifted.join(', ')}`);
    const page = await context.newPage();
    await page.route(/\/web\/main-/u, (route) => route.abort());
    await page.goto(origin);
    await page.locator('.skeleton .skeleton-row').first().waitFor();
    assert.equal(await page.getByText('Messages', { exact: true }).isVisible(), false);
    assert.equal(await page.evaluate(() => document.documentElement.dir), 'rtl');
    await context.close();
  }));

test('a language that cannot be loaded is tried again, and then English is better than nothing', () =>
  runJourney(async ({ server, browser }) => {
    const context = await openSignedIn(browser, server.links.ada, { locale: 'ar', serviceWorkers: 'block' });
    const page = await context.newPage();
    await page.route(/\/web\/arabic-/u, (route) => route.abort());
    await page.goto(new URL('/', server.links.ada).href);
    await page.getByRole('heading', { name: 'Messages' }).waitFor();
    assert.deepEqual(await page.evaluate(() => [document.documentElement.lang, document.documentElement.dir]), ['en-GB', 'ltr']);
    await context.close();
  }));

/** Visits every screen in a language, in three widths, and returns what is wrong with them. @param {PageLanguage} language
 * @returns {Promise<{issues: string[], screens: number, english: string[]}>} */
async function visitIn(language) {
  const issues = new Set();
  /** English texts that are shown all the same. */
  const english = new Set();
  const known = new Set([...fixedTexts(languageIn('en-GB').texts), ...fixedTexts(languageIn('en-GB').dialogs)]
    .map(([, text]) => text).filter((text) => /[a-z]{4}/u.test(text) && language.words[text] !== text && !OPERATOR_WORDS.includes(text)));
  let screens = 0;
  await runJourney(async ({ server, proxy }) => {
    const conversations = await createScene(server);
    const { wide, phone } = await chromiumViews(language);
    try {
      const variants = Object.entries(SIZES).map(([width, size]) => ({ width, size, view: size.phone ? phone : wide }));
      await visitAllScreens({ server, proxy, conversations, variants, visit: async ({ view, width, size }, screen, theme) => {
        if (theme === 'dark') return;
        screens += 1;
        const found = await view.run(findLayoutIssues, { isTouch: size.phone, reversingText: REVERSING_TEXT });
        for (const issue of found) issues.add(`${screen}, ${width}: ${issue}`);
        const shown = await view.run(() => [...document.querySelectorAll('#parlor *')].flatMap((one) => [
          ...[...one.childNodes].filter(({ nodeType }) => nodeType === 3).map(({ textContent }) => textContent?.trim()),
          one.getAttribute('aria-label'), one.getAttribute('title'), one.getAttribute('placeholder'),
        ]).filter(Boolean));
        for (const text of shown) if (known.has(text)) english.add(`${screen}: ${text}`);
      } });
      assert.deepEqual([...wide.errors, ...phone.errors], []);
    } finally {
      await wide.close();
      await phone.close();
    }
  }, { ...SETTINGS, PARLOR_WEB: fileURLToPath(new URL('../../src', import.meta.url)) });
  return { issues: [...issues], screens, english: [...english] };
}

test('with texts that are two fifths longer nothing is cut, covered or in English', async () => {
  const { issues, screens, english } = await visitIn(pseudoLanguage());
  assert.deepEqual({ issues, english }, { issues: [], english: [] });
  assert.ok(screens > 100, `${screens} screens were checked`);
});

test('in Arabic every screen has a correct layout and no English text', async () => {
  const { issues, screens, english } = await visitIn(pageLanguage('ar'));
  assert.deepEqual({ issues, english }, { issues: [], english: [] });
  assert.ok(screens > 100, `${screens} screens were checked`);
});
