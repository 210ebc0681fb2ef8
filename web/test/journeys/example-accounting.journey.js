/**
 * The example Accounting: its own page, as it was with Channels, and Parlor's inbox beside it.
 *
 * @import {Browser} from 'playwright-core'
 * @import {ExampleSite, VisitorPage} from './support/example-site.js'
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runExample } from './support/example-site.js';
import { withRedis } from './support/redis.js';
import { until } from './support/wait.js';

const POLL = '**/AccountingSystemmessages/get/';

/** Blocks the page's polling, so that only its socket brings anything. @param {VisitorPage} visitor */
async function blockPolling({ page }) {
  await page.route(POLL, (route) => route.abort());
}

/** @param {VisitorPage} visitor */
async function allowPolling({ page }) {
  await page.unroute(POLL);
}

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

/** @param {VisitorPage} visitor @returns {Promise<string>} the number on the badge */
async function unread({ page }) {
  const badge = page.locator('#unread');
  return await badge.isVisible() ? badge.innerText() : '0';
}

/** @param {VisitorPage} visitor @param {string} count */
function unreadIs(visitor, count) {
  return until(() => unread(visitor), (found) => found === count, `${count} are unread`);
}

/** @param {VisitorPage} visitor @returns {Promise<string[]>} the texts of the thread, sorted: see the page's order */
async function texts({ page }) {
  return (await page.locator('.message p').allTextContents()).sort();
}

test('Accounting: a message with a file, sent by the form to two people, is live, counted and read', () =>
  runExample('accounting', async ({ site, browser }) => {
    const [maria, jose, lucia] = await open(site, browser, ['maria', 'jose', 'lucia']);
    for (const visitor of [jose, lucia]) await blockPolling(visitor);
    await openThread(lucia, 'Maria');
    await maria.page.getByRole('button', { name: 'New message' }).click();
    for (const name of ['Jose Ramos', 'Lucia Cruz']) await maria.page.getByRole('checkbox', { name }).check();
    await maria.page.getByRole('textbox', { name: 'Subject' }).fill('Rent');
    await maria.page.getByRole('textbox', { name: 'Message' }).fill('The receipt for March.');
    const file = { name: 'receipt.txt', mimeType: 'text/plain', buffer: Buffer.from('1200') };
    await maria.page.getByLabel('Files').setInputFiles(file);
    await maria.page.getByRole('button', { name: 'Send', exact: true }).click();

    // Lucia has the thread open, so her page says that she has read it; Jose's does not.
    await lucia.page.locator('.message', { hasText: 'The receipt for March.' }).waitFor();
    await unreadIs(lucia, '0');
    await unreadIs(jose, '1');
    await openThread(jose, 'Maria');
    for (const visitor of [jose, lucia]) {
      const link = visitor.page.getByRole('link', { name: 'receipt.txt' });
      // By the page: only the browser knows the names below localhost.
      const text = await link.evaluate(async (one) => (await fetch(one.getAttribute('href') ?? '')).text());
      assert.equal(text, '1200');
    }
    await allowPolling(jose);
    await unreadIs(jose, '0');
    assert.deepEqual([...maria.errors, ...jose.errors, ...lucia.errors], []);
  }));

test('Accounting: polling carries on while the socket is blocked, and a reload brings the socket back', () =>
  runExample('accounting', async ({ site, browser }) => {
    const [maria] = await open(site, browser, ['maria']);
    const jose = await site.signIn(browser, 'jose');
    await jose.page.routeWebSocket('**/ws/messages/', (socket) => socket.close());
    await jose.page.reload();
    await openThread(jose, 'Maria');
    await openThread(maria, 'Jose');
    await sendByForm(maria, 'Only a poll brings this');
    await jose.page.getByText('Only a poll brings this').waitFor();

    const again = await site.signIn(browser, 'jose');
    await again.socketIsOpen();
    await blockPolling(again);
    await openThread(again, 'Maria');
    await sendByForm(maria, 'And the socket this');
    await again.page.getByText('And the socket this').waitFor();
    assert.deepEqual([...maria.errors, ...again.errors], []);
  }));

test('Accounting: after a kill of Parlor the page is live again by itself', () =>
  runExample('accounting', async ({ site, browser }) => {
    const [maria, jose] = await open(site, browser, ['maria', 'jose']);
    await blockPolling(jose);
    await openThread(jose, 'Maria');
    await openThread(maria, 'Jose');
    await site.kill('parlor');
    await sendByForm(maria, 'While Parlor starts');
    await jose.page.waitForFunction(() => /** @type {any} */ (window).sockets.length > 1);
    await jose.socketIsOpen();
    await sendByForm(maria, 'Parlor is back');
    await jose.page.getByText('Parlor is back').waitFor();
    await allowPolling(jose);
    await jose.page.getByText('While Parlor starts').waitFor();
    assert.deepEqual([...maria.errors, ...jose.errors], []);
  }));

test('Accounting: the old page and Parlor’s inbox of both people end equal', () =>
  runExample('accounting', async ({ site, browser }) => {
    const [maria, jose] = await open(site, browser, ['maria', 'jose']);
    await openThread(maria, 'Jose');
    await openThread(jose, 'Maria');
    const [newMaria, newJose] = [await maria.openInbox(), await jose.openInbox()];
    await newMaria.openConversation('Jose Ramos');
    await newJose.openConversation('Maria Santos');
    await sendByForm(maria, 'One, from the old page');
    await newJose.bubble('One, from the old page').waitFor();
    await newMaria.bubble('One, from the old page').waitFor();
    await newJose.send('Two, from the new inbox');
    await maria.page.getByText('Two, from the new inbox').waitFor();
    await sendByForm(jose, 'Three, an answer');
    await newMaria.bubble('Three, an answer').waitFor();

    const all = ['Is rent an expense of March?', 'One, from the old page', 'Three, an answer',
      'Two, from the new inbox'];
    for (const user of [newMaria, newJose]) {
      await until(async () => (await user.texts()).sort(), (found) => found.join() === all.join(), 'it shows all');
    }
    for (const visitor of [maria, jose]) {
      await until(() => texts(visitor), (found) => found.join() === all.join(), 'the old page shows all');
      await unreadIs(visitor, '0');
    }
    assert.deepEqual([...maria.errors, ...jose.errors, ...newMaria.errors, ...newJose.errors], []);
  }));

test('Accounting: a code that one person adds is in the list of the other at once', () =>
  withRedis((redis) => runExample('accounting', async ({ site, browser }) => {
    for (const kind of ['account', 'journal']) {
      const [maria, jose] = [await site.signIn(browser, 'maria'), await site.signIn(browser, 'jose')];
      for (const visitor of [maria, jose]) {
        await visitor.page.goto(`${visitor.origin}/codes/${kind}/`);
        await visitor.socketIsOpen();
      }
      await jose.page.route('**/list/', (route) => route.abort());
      await maria.page.getByRole('textbox', { name: 'Code' }).fill('777');
      await maria.page.getByRole('textbox', { name: 'Name' }).fill('Petty cash');
      await maria.page.getByRole('button', { name: 'Add' }).click();
      await jose.page.getByRole('cell', { name: 'Petty cash' }).waitFor();
      assert.deepEqual([...maria.errors, ...jose.errors], []);
    }
  }, 'parlor', ['--redis', redis])));

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
