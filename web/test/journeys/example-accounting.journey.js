/**
 * The example Accounting: its own page, as it was with Channels, and Parlor's inbox beside it.
 *
 * @import {Browser} from 'playwright-core'
 * @import {ExampleSite, VisitorPage} from './support/example-site.js'
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runExample } from './support/example-site.js';

/** @param {ExampleSite} site @param {Browser} browser @param {string[]} people */
async function open(site, browser, people) {
  const all = [];
  for (const person of people) {
    const visitor = await site.signIn(browser, person);
    await visitor.socketIsOpen();
    all.push(visitor);
  }
  return all;
}

/** @param {VisitorPage} visitor @param {string} name */
async function openThread({ page }, name) {
  await page.locator('.person', { hasText: name }).click();
}

/** @param {VisitorPage} visitor @param {string} text */
async function sendByForm({ page }, text) {
  await page.getByRole('textbox', { name: 'Message' }).fill(text);
  await page.getByRole('button', { name: 'Send', exact: true }).click();
  await page.locator('.message.own', { hasText: text }).waitFor();
}

test('Accounting before Parlor: what is sent by the form reaches the other page only by its poll', () =>
  runExample('accounting', async ({ site, browser }) => {
    const [maria, jose] = await open(site, browser, ['maria', 'jose']);
    /** @type {string[]} */
    const heard = [];
    const opened = jose.page.waitForEvent('websocket');
    await jose.page.reload();
    (await opened).on('framereceived', ({ payload }) => heard.push(JSON.parse(String(payload)).type));
    await openThread(maria, 'Jose');
    await openThread(jose, 'Maria');
    await sendByForm(maria, 'Does anybody hear this?');
    await jose.page.getByText('Does anybody hear this?').waitFor();
    assert.ok(!heard.includes('new_message'), `the socket brought ${heard}`);
  }, 'channels'));
