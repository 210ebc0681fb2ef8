/**
 * Visits all screens in one browser, in one size and both themes.
 *
 * @import {TestServer} from '../journeys/support/test-server.js'
 * @import {Conversations} from './scene.js'
 * @import {Screen} from './screens.js'
 * @import {Size, View} from './browser-view.js'
 */
import { PASSWORD } from './scene.js';
import { SCREENS, installDriver } from './screens.js';

export const THEMES = /** @type {const} */ (['light', 'dark']);

/** @param {View} view @param {string} url */
export async function load(view, url) {
  await view.goTo(url);
  await view.run(installDriver, view.words);
}

/** Signs in a user of the scene as the page does. @param {View} view @param {TestServer} server @param {string} login */
export async function signIn(view, { port }, login) {
  await load(view, `http://${login}.localhost:${port}/`);
  await view.run(({ name, password }) => fetch('/v1/session', {
    method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ login: name, password }),
  }).then(() => null), { name: login, password: PASSWORD });
  // A URL that differs only in its hash would not load the page again.
  await view.goTo('about:blank');
  await load(view, `http://${login}.localhost:${port}/`);
}

/** @param {View} view @param {Size} size @param {Conversations} conversations
 * @param {(screen: string, theme: typeof THEMES[number]) => Promise<void>} visit @param {string} only in their name */
export async function visitScreens(view, size, conversations, visit, only) {
  await view.size(size);
  for (const screen of SCREENS) {
    if (!screen.name.includes(only)) continue;
    if (screen.only && (screen.only === 'phone') !== size.phone) continue;
    await enter(view, screen, conversations);
    await inBothThemes(view, (theme) => visit(screen.name, theme));
    if (!KEEP_STATE.has(screen.name)) await view.run(() => /** @type {any} */ (window).driver.closeAll());
  }
}

/** Screens whose state the next screen starts from. */
const KEEP_STATE = new Set(['emoji', 'search', 'search, nothing found']);

/** @param {View} view @param {Screen} screen @param {Conversations} conversations */
async function enter(view, screen, conversations) {
  try {
    await view.run(screen.enter, conversations);
    await view.run(() => /** @type {any} */ (window).driver.settle());
  } catch (error) {
    throw new Error(`${view.name}, “${screen.name}”: ${error instanceof Error ? error.message : error}`, { cause: error });
  }
}

/** @param {View} view @param {(theme: typeof THEMES[number]) => Promise<void>} visit */
export async function inBothThemes(view, visit) {
  for (const theme of THEMES) {
    await view.run((name) => { document.documentElement.dataset.theme = name; }, theme);
    await visit(theme);
  }
}
