/**
 * Visits all screens in one browser, in one size and both themes.
 *
 * @import {Demo} from '../journeys/support/test-server.js'
 * @import {Rooms} from './scene.js'
 * @import {Screen} from './screens.js'
 * @import {Size, View} from './browser-view.js'
 */
import { PASSWORD } from './scene.js';
import { SCREENS, handOver } from './screens.js';

export const THEMES = /** @type {const} */ (['light', 'dark']);

/** @param {View} view @param {string} url */
export async function load(view, url) {
  await view.goTo(url);
  await view.run(handOver);
}

/** Signs in a user of the scene as the page does. @param {View} view @param {Demo} demo @param {string} login */
export async function signIn(view, { port }, login) {
  await load(view, `http://${login}.localhost:${port}/`);
  await view.run(({ name, password }) => fetch('/v1/session', {
    method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ login: name, password }),
  }).then(() => null), { name: login, password: PASSWORD });
  // A URL that differs only in its hash would not load the page again.
  await view.goTo('about:blank');
  await load(view, `http://${login}.localhost:${port}/`);
}

/** @param {View} view @param {Size} size @param {Rooms} rooms
 * @param {(screen: string, theme: typeof THEMES[number]) => Promise<void>} look @param {string} only in their name */
export async function goThrough(view, size, rooms, look, only) {
  await view.size(size);
  for (const screen of SCREENS) {
    if (!screen.name.includes(only)) continue;
    if (screen.only && (screen.only === 'phone') !== size.phone) continue;
    await enter(view, screen, rooms);
    await both(view, (theme) => look(screen.name, theme));
    if (!KEEPS.has(screen.name)) await view.run(() => /** @type {any} */ (window).hands.end());
  }
}

/** Screens whose state the next screen starts from. */
const KEEPS = new Set(['emoji', 'search', 'search, nothing found']);

/** @param {View} view @param {Screen} screen @param {Rooms} rooms */
async function enter(view, screen, rooms) {
  try {
    await view.run(screen.enter, rooms);
    await view.run(() => /** @type {any} */ (window).hands.calm());
  } catch (error) {
    throw new Error(`${view.name}, “${screen.name}”: ${error instanceof Error ? error.message : error}`, { cause: error });
  }
}

/** @param {View} view @param {(theme: typeof THEMES[number]) => Promise<void>} look */
export async function both(view, look) {
  for (const theme of THEMES) {
    await view.run((name) => { document.documentElement.dataset.theme = name; }, theme);
    await look(theme);
  }
}
