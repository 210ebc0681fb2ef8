/**
 * Steps of journeys about messages: open a conversation for two users, find a message by its text, use its menu, touch
 * it.
 *
 * @import {Browser, BrowserContextOptions, Locator, Page} from 'playwright-core'
 * @import {TestServer} from './test-server.js'
 */
import assert from 'node:assert/strict';
import { ITEM } from './fixtures.js';
import { UserPage } from './user-page.js';

/** Opens the conversation about the umbrella for Ada and Ben. @param {{server: TestServer, browser: Browser}} place
 * @param {BrowserContextOptions} [options] of Ada's browser */
export async function openBoth({ server, browser }, options = {}) {
  const ada = await UserPage.open(browser, server.links.ada, options);
  const ben = await UserPage.open(browser, server.links.ben);
  await ada.openConversation(ITEM);
  await ben.openConversation(ITEM);
  return { ada, ben };
}

/** Returns the last message with this text. @param {UserPage} person @param {string} text @returns {Locator} */
export function message({ page }, text) {
  return page.locator('parlor-message', { has: page.locator('.body', { hasText: text }) }).last();
}

/** @param {UserPage} person @param {string} text @param {string} item */
export async function chooseInMenu(person, text, item) {
  await openMenu(person, text);
  await person.page.getByRole('menuitem', { name: item, exact: true }).click();
}

/** Opens the menu of a message. @param {UserPage} person @param {string} text */
export async function openMenu(person, text) {
  await message(person, text).hover();
  await person.page.getByRole('button', { name: 'More', exact: true }).click();
}

/** @param {UserPage} person @returns {Locator} */
export function field({ page }) {
  return page.getByRole('textbox', { name: 'Message', exact: true });
}

/** Touches an element for a time, through the browser's input. @param {Page} page @param {Locator} what
 * @param {number} milliseconds @param {number} [moved] */
export async function touch(page, what, milliseconds, moved = 0) {
  const box = await what.boundingBox();
  assert.ok(box);
  const at = { x: box.x + 30, y: box.y + box.height / 2 };
  const input = await page.context().newCDPSession(page);
  await input.send('Input.dispatchTouchEvent', { type: 'touchStart', touchPoints: [at] });
  if (moved > 0) {
    await input.send('Input.dispatchTouchEvent', { type: 'touchMove', touchPoints: [{ x: at.x, y: at.y + moved }] });
  }
  await new Promise((resolve) => { setTimeout(resolve, milliseconds); }); // waits for: the end of the touch
  await input.send('Input.dispatchTouchEvent', { type: 'touchEnd', touchPoints: [] });
  await input.detach();
}
