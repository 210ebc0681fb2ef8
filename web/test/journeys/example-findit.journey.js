/**
 * The example FindIt: its own page, as it was with Channels, and Parlor's inbox beside it.
 *
 * @import {Browser} from 'playwright-core'
 * @import {ExampleSite, VisitorPage} from './support/example-site.js'
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runExample } from './support/example-site.js';
import { until } from './support/wait.js';

const ITEM = 'Blue backpack';

/** Returns the sides and texts of the thread. @param {VisitorPage} visitor @returns {Promise<string[]>} */
function thread({ page }) {
  return page.locator('.bubble').evaluateAll((all) => all.map((bubble) =>
    `${bubble.classList.contains('own') ? 'own' : 'other'}: ${bubble.querySelector('.text')?.textContent}`));
}

/** Writes in the old page. @param {VisitorPage} visitor @param {string} text */
async function write({ page }, text) {
  await page.getByRole('textbox', { name: 'Message' }).fill(text);
  await page.getByRole('button', { name: 'Send' }).click();
}

/** Loads the page again, which is then live again. @param {VisitorPage} visitor */
async function reload(visitor) {
  await visitor.page.reload();
  await visitor.socketIsOpen();
}

/** Ada contacts the finder, Ben, who has the conversation open, too.
 * @param {ExampleSite} site @param {Browser} browser */
async function openBoth(site, browser) {
  const [ada, ben] = [await site.signIn(browser, 'ada'), await site.signIn(browser, 'ben')];
  await ada.page.getByRole('link', { name: ITEM }).click();
  await ada.page.getByRole('link', { name: 'Contact Finder' }).click();
  await ada.socketIsOpen();
  const { me, item } = await ada.page.locator('#composer').evaluate((form) => ({ ...form.dataset }));
  await ben.page.goto(`${ben.origin}/inbox/?item_id=${item}&recipient_id=${me}`);
  await ben.socketIsOpen();
  return { ada, ben };
}

test('FindIt before Parlor: the two people of a conversation are in two rooms and hear nothing of each other', () =>
  runExample('findit', async ({ site, browser }) => {
    const { ada, ben } = await openBoth(site, browser);
    /** @type {string[]} */
    const heard = [];
    const opened = ben.page.waitForEvent('websocket');
    const reloaded = reload(ben);
    (await opened).on('framereceived', ({ payload }) => heard.push(JSON.parse(String(payload)).message));
    await reloaded;
    await write(ada, 'Can you hear me?');
    await until(async () => {
      await ada.page.reload();
      return thread(ada);
    }, (all) => all.length === 1, 'the message is stored');
    await write(ben, 'An echo');
    await until(() => heard, (all) => all.length > 0, 'the echo has come');
    assert.deepEqual(heard, ['An echo']);
    assert.deepEqual(await thread(ben), ['own: An echo']);
  }, 'channels'));
