/**
 * One interface to an inbox in any browser: all actions are functions that run in the page.
 *
 * @import {Browser, BrowserContext} from 'playwright-core'
 */
import { writeFileSync } from 'node:fs';
import { openBrowser } from '../journeys/support/browser.js';
import { Firefox } from './firefox.js';

/** @typedef {{width: number, height: number, phone: boolean}} Size */

/** @type {Record<string, Size>} */
export const SIZES = {
  1280: { width: 1280, height: 800, phone: false },
  720: { width: 720, height: 800, phone: false },
  390: { width: 390, height: 800, phone: true },
};

/**
 * @typedef {{
 *   name: string, words: Record<string, string>, errors: string[], size: (size: Size) => Promise<void>, goTo: (url: string) => Promise<void>,
 *   run: <Arg>(what: (arg: Arg) => unknown, arg?: Arg) => Promise<any>, takeScreenshot: (path: string) => Promise<void>,
 *   press: (key: string) => Promise<void>, close: () => Promise<void>,
 * }} View `run` returns JSON values
 */

/**
 * A language of the pages: its locale, its texts by the English ones, and what prepares a browser for it.
 * @typedef {{locale: string, words: Record<string, string>, prepare?: (context: BrowserContext) => Promise<void>}} PageLanguage
 */

/** @type {PageLanguage} */
const ENGLISH = { locale: 'en-GB', words: {} };

/** Opens Chromium: a window with a mouse, and a phone. @param {PageLanguage} [language]
 * @returns {Promise<{wide: View, phone: View}>} */
export async function chromiumViews(language = ENGLISH) {
  const browser = await openBrowser();
  let left = 2;
  const close = async () => {
    left -= 1;
    if (left === 0) await browser.close();
  };
  return {
    wide: await pageView(browser, 'Chromium', { hasTouch: false, isMobile: false }, language, close),
    phone: await pageView(browser, 'Chromium with a finger', { hasTouch: true, isMobile: true }, language, close),
  };
}

/** @param {Browser} browser @param {string} name @param {{hasTouch: boolean, isMobile: boolean}} touch
 * @param {PageLanguage} language @param {() => Promise<void>} close @returns {Promise<View>} */
async function pageView(browser, name, touch, { locale, words, prepare }, close) {
  const context = await browser.newContext({ ...touch, locale, viewport: { width: 1280, height: 800 }, reducedMotion: 'reduce' });
  await prepare?.(context);
  const page = await context.newPage();
  /** @type {string[]} */
  const errors = [];
  page.on('pageerror', (error) => errors.push(String(error.stack ?? error)));
  return {
    name,
    words,
    errors,
    size: ({ width, height }) => page.setViewportSize({ width, height }),
    goTo: async (url) => { await page.goto(url); },
    run: (what, arg) => page.evaluate(
      `(async () => JSON.stringify((await (${what})(${JSON.stringify(arg)})) ?? null))()`,
    ).then((text) => JSON.parse(/** @type {string} */ (text))),
    takeScreenshot: async (path) => { await page.screenshot({ path }); },
    press: (key) => page.keyboard.press(key),
    close,
  };
}

/** @returns {Promise<View>} */
export async function firefoxView() {
  const firefox = await Firefox.open();
  return {
    name: 'Firefox',
    words: {},
    errors: firefox.errors,
    size: async ({ width, height }) => { await firefox.size(width, height); },
    goTo: async (url) => { await firefox.goTo(url); },
    run: (what, arg) => firefox.run(`(${what})(${JSON.stringify(arg)})`),
    takeScreenshot: async (path) => writeFileSync(path, await firefox.takeScreenshot()),
    press: async (key) => { await firefox.press(key); },
    close: () => firefox.close(),
  };
}
