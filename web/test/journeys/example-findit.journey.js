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

/** @param {VisitorPage} visitor @param {string[]} lines */
async function shows(visitor, lines) {
  await until(() => thread(visitor), (found) => found.join('\n') === lines.join('\n'), `the page shows ${lines}`);
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

/** @param {string} time HH:MM in UTC @returns {boolean} whether that is now, or was just now */
function isNow(time) {
  const minutes = [0, 1].map((ago) => new Date(Date.now() - ago * 60_000).toISOString().slice(11, 16));
  return minutes.includes(time);
}

test('FindIt: the finder and the owner write to each other live, and reload to the same messages', () =>
  runExample('findit', async ({ site, browser }) => {
    const { ada, ben } = await openBoth(site, browser);
    await write(ada, 'Is it the one with the chemistry book?');
    await shows(ben, ['other: Is it the one with the chemistry book?']);
    await write(ben, 'It is. Shall we meet?');
    await shows(ada, ['own: Is it the one with the chemistry book?', 'other: It is. Shall we meet?']);
    for (let number = 1; number <= 20; number += 1) await write(ada, `And more ${number}`);
    await until(() => thread(ben), (all) => all.at(-1) === 'other: And more 20', 'the last message is there');
    for (const visitor of [ada, ben]) {
      const before = await thread(visitor);
      const distance = await visitor.page.locator('#bubbles').evaluate((log) =>
        log.scrollHeight - log.scrollTop - log.clientHeight);
      assert.ok(distance < 2, `the thread is ${distance} pixels from its end`);
      const times = await visitor.page.locator('.bubble time').allTextContents();
      assert.deepEqual(times.filter((time) => !isNow(time)), []);
      await reload(visitor);
      assert.deepEqual(await thread(visitor), before);
    }
    assert.deepEqual([...ada.errors, ...ben.errors], []);
  }));

test('FindIt: the old page and Parlor’s inbox of both people end equal, through a kill of either side', () =>
  runExample('findit', async ({ site, browser }) => {
    const { ada, ben } = await openBoth(site, browser);
    await write(ada, 'One, from the old page');
    await shows(ben, ['other: One, from the old page']);
    const [newAda, newBen] = [await ada.openInbox(), await ben.openInbox()];
    for (const user of [newAda, newBen]) await user.openConversation(ITEM);
    await newBen.send('Two, from the new inbox');
    await shows(ada, ['own: One, from the old page', 'other: Two, from the new inbox']);
    await newAda.bubble('Two, from the new inbox').waitFor();

    await site.kill('parlor');
    const form = await formOf(ada, 'Three, by a form meanwhile');
    await ada.page.evaluate((fields) => fetch('/inbox/', { method: 'POST', body: new URLSearchParams(fields) }), form);
    await newBen.bubble('Three, by a form meanwhile').waitFor();
    await site.kill('django');
    await newAda.send('Four, while Django is away');
    await newBen.bubble('Four, while Django is away').waitFor();
    await reload(ben);
    await write(ben, 'Five, from the old page');
    await newAda.bubble('Five, from the old page').waitFor();

    const texts = ['One, from the old page', 'Two, from the new inbox', 'Three, by a form meanwhile',
      'Four, while Django is away', 'Five, from the old page'];
    for (const user of [newAda, newBen]) {
      await until(() => user.texts(), (found) => found.join() === texts.join(), 'the inbox shows all');
    }
    for (const [visitor, own] of /** @type {const} */ ([[ada, [0, 2, 3]], [ben, [1, 4]]])) {
      await reload(visitor);
      await shows(visitor, texts.map((text, index) =>
        `${/** @type {readonly number[]} */ (own).includes(index) ? 'own' : 'other'}: ${text}`));
    }
    assert.deepEqual([...ada.errors, ...ben.errors, ...newAda.errors, ...newBen.errors], []);
  }));

test('FindIt: both pages keep their sockets through restarts of Parlor, and every message comes once', () =>
  runExample('findit', async ({ site, browser }) => {
    const { ada, ben } = await openBoth(site, browser);
    const lines = { ada: /** @type {string[]} */ ([]), ben: /** @type {string[]} */ ([]) };
    /** @param {'ada'|'ben'} name @param {string} text */
    const say = async (name, text) => {
      await write(name === 'ada' ? ada : ben, text);
      lines.ada.push(`${name === 'ada' ? 'own' : 'other'}: ${text}`);
      lines.ben.push(`${name === 'ben' ? 'own' : 'other'}: ${text}`);
    };
    for (const round of [1, 2]) {
      await say('ada', `Before restart ${round}`);
      const restarted = site.restartParlor();
      await say('ada', `During restart ${round}`);
      await restarted();
      await say('ada', `After restart ${round}`);
      await shows(ben, lines.ben);
      await say('ben', `An answer ${round}`);
      await shows(ada, lines.ada);
    }
    for (const { page } of [ada, ben]) {
      const sockets = await page.evaluate(() => /** @type {any} */ (window).sockets
        .map((/** @type {WebSocket} */ socket) => socket.readyState));
      assert.deepEqual(sockets, [1], 'the one socket that the page has opened');
    }
    await reload(ben);
    await shows(ben, lines.ben);
    assert.deepEqual([...ada.errors, ...ben.errors], []);
  }));

/** The fields of the page's form. @param {VisitorPage} visitor @param {string} text */
async function formOf({ page }, text) {
  const fields = await page.locator('#composer').evaluate((/** @type {HTMLFormElement} */ form) =>
    Object.fromEntries([...new FormData(form)].map(([name, value]) => [name, String(value)])));
  return { ...fields, message: text };
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
