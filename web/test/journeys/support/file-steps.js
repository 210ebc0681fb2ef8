/**
 * Steps of journeys about files: make files, attach them, and find them in the page.
 */
import { ITEM } from './fixtures.js';
import { png } from './png.js';
import { runJourney } from './journey.js';
import { UserPage } from './user-page.js';
import { until } from './wait.js';

/** @import {BrowserContextOptions, Locator} from 'playwright-core' */
/** @typedef {{name: string, mimeType: string, buffer: Buffer}} FilePayload */

/** @param {string} name @param {number} width @param {number} height @param {[number, number, number]} colour
 * @returns {FilePayload} */
export const pictureOf = (name, width, height, colour) =>
  ({ name, mimeType: 'image/png', buffer: png(width, height, colour) });

/** @param {string} name @param {number} bytes @returns {FilePayload} */
export const fileOf = (name, bytes) => {
  const buffer = Buffer.alloc(bytes);
  for (let at = 0; at < bytes; at += 1) buffer[at] = (at * 7919) >>> 3;
  return { name, mimeType: 'application/octet-stream', buffer };
};

/** Opens the conversation about the umbrella for Ada, through the proxy, and for Ben.
 * @param {Parameters<Parameters<typeof runJourney>[0]>[0]} place @param {BrowserContextOptions} [options] of Ada's */
export async function openBothThroughProxy({ server, proxy, browser }, options = {}) {
  const ada = await UserPage.open(browser, proxy.link(server.links.ada), options);
  const ben = await UserPage.open(browser, server.links.ben);
  await ada.openConversation(ITEM);
  await ben.openConversation(ITEM);
  return { ada, ben };
}

/** @param {UserPage} person @param {FilePayload[]} files */
export async function attach({ page }, files) {
  const [chooser] = await Promise.all([
    page.waitForEvent('filechooser'), page.getByRole('button', { name: 'Attach pictures or files' }).click(),
  ]);
  await chooser.setFiles(files);
}

/** Returns a file in the upload tray. @param {UserPage} person @param {string} name @returns {Locator} */
export function upload({ page }, name) {
  return page.getByRole('listitem').filter({ has: page.locator(`[title="${name}"]`) });
}

/** Waits until exactly this number of files is ready. @param {UserPage} person @param {number} count */
export async function waitUntilReady({ page }, count) {
  await until(() => page.getByRole('listitem').allInnerTexts(),
    (all) => all.length === count && all.every((one) => one.includes('Ready')), 'the files are ready');
}

/** Returns the last message. @param {UserPage} person @returns {Locator} */
export function lastMessage({ page }) {
  return page.locator('parlor-message').last();
}

/** @param {UserPage} person @returns {Promise<void>} */
export async function send({ page }) {
  await page.getByRole('button', { name: 'Send', exact: true }).click();
}

/** Waits until the server has the last own message. @param {UserPage} person @param {string} words */
export async function waitUntilSent({ page }, words) {
  await until(() => page.locator('parlor-message-group.own .meta').last().innerText(),
    (text) => /Sent|Delivered|Read/u.test(text), words);
}
