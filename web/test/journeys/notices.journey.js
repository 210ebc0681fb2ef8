/**
 * Notices: sounds and notifications, over the tabs of a browser, and why there was one or none.
 *
 * @import {Browser, BrowserContext, Page} from 'playwright-core'
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ITEM } from './support/fixtures.js';
import { runJourney } from './support/journey.js';
import { UserPage } from './support/user-page.js';
import { until } from './support/wait.js';

/** What a tab did: its sounds, and its notifications with whether each is still shown.
 * @typedef {{sounds: number, notes: {title: string, body: string, tag: string, open: boolean}[]}} Noticed */

/** Records sounds and notifications; runs in the page before any of its scripts. A page under test has no focus of its
 * own, so `focused` says whether it has; while there is a `heldAt`, it is that time. */
function record() {
  /** @type {any} */
  const page = window;
  page.focused = false;
  page.noticed = { sounds: 0, notes: [] };
  const { now } = Date;
  Date.now = () => page.heldAt ?? now();
  document.hasFocus = () => page.focused;
  page.OscillatorNode = class extends OscillatorNode {
    /** @param {any[]} parts */
    constructor(...parts) {
      super(.../** @type {[BaseAudioContext]} */ (/** @type {unknown} */ (parts)));
      page.noticed.sounds += 0.5;
    }
  };
  page.Notification = class extends EventTarget {
    static permission = 'default';

    static async requestPermission() {
      page.Notification.permission = page.answer;
      return page.answer;
    }

    /** @param {string} title @param {NotificationOptions} options */
    constructor(title, { body = '', tag = '' }) {
      super();
      this.note = { title, body, tag, open: true };
      for (const one of page.noticed.notes) if (one.tag === tag) one.open = false;
      page.noticed.notes.push(this.note);
      page.lastNote = this;
    }

    close() {
      this.note.open = false;
    }
  };
}

/** @param {Page} page @returns {Promise<Noticed>} */
const noticed = (page) => page.evaluate(() => /** @type {any} */ (window).noticed);

/** @param {Page} page @param {boolean} isFocused */
const focus = (page, isFocused) => page.evaluate((on) => {
  /** @type {any} */ (window).focused = on;
  window.dispatchEvent(new Event(on ? 'focus' : 'blur'));
}, isFocused);

/** Holds the time of the pages. @param {Page[]} pages @param {number} at */
async function hold(pages, at) {
  for (const page of pages) await page.evaluate((time) => { /** @type {any} */ (window).heldAt = time; }, at);
}

/** @param {Page} page @returns {Promise<number>} the number of messages about which it was decided, with their sounds made */
const decisions = (page) => page.evaluate(async () => {
  const { shared } = /** @type {any} */ (document.querySelector('parlor-inbox')).client;
  return (await shared.get('notice-log'))?.length ?? 0;
});

/** Opens a user's page that records notices. @param {Browser} browser @param {string} link @param {number} [width] */
async function openRecording(browser, link, width = 1280) {
  const context = await browser.newContext({ locale: 'en-GB', viewport: { width, height: 800 } });
  await context.addInitScript(record);
  return openTab(context, link);
}

/** @param {BrowserContext} context @param {string} url */
async function openTab(context, url) {
  const person = new UserPage(context, await context.newPage());
  await person.page.goto(url);
  await person.page.locator('parlor-row').first().waitFor();
  return person;
}

/** Switches notifications on in the settings. @param {UserPage} person @param {string} answer to the browser's question */
async function switchOn({ page }, answer) {
  await page.evaluate((value) => { /** @type {any} */ (window).answer = value; }, answer);
  await page.evaluate(() => { location.hash = '#/settings'; });
  await page.getByRole('switch', { name: /Show notifications/u }).click();
}

/** @param {UserPage} person @returns {Promise<string[]>} what the dialog says, the newest first */
async function reasons({ page }) {
  await page.evaluate(() => { location.hash = '#/settings'; });
  await page.getByRole('button', { name: 'Why was I notified, or not?' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.waitFor();
  const texts = await dialog.locator('li span:last-child').allTextContents();
  await dialog.getByRole('button', { name: 'Close' }).click();
  return texts;
}

test('a user away from the inbox gets one sound and one notification, whichever of their tabs; it goes when read', () =>
  runJourney(async ({ server, browser }) => {
    const ada = await openRecording(browser, server.links.ada);
    const ben = await UserPage.open(browser, server.links.ben);
    await switchOn(ada, 'default');
    await ada.page.getByText('Your browser got no answer.').waitFor();
    assert.equal(await ada.page.getByRole('switch', { name: /Show notifications/u }).isChecked(), false);
    await switchOn(ada, 'granted');
    await until(() => ada.page.getByRole('switch', { name: /Show notifications/u }).isChecked(), Boolean, 'it is on');
    const other = await openTab(ada.context, new URL('/', ada.page.url()).href);
    await other.page.evaluate(() => { /** @type {any} */ (window).Notification.permission = 'granted'; });
    await other.page.locator('h2', { hasText: 'Messages' }).first().click();
    await ben.openConversation(ITEM);
    const pages = [ada.page, other.page];
    const begun = Date.now();
    await hold(pages, begun);
    await ben.send('Is anybody there?');
    const both = async () => [await noticed(ada.page), await noticed(other.page)];
    const sounds = (/** @type {Noticed[]} */ all) => all.reduce((sum, one) => sum + one.sounds, 0);
    const notes = (/** @type {Noticed[]} */ all) => all.flatMap((one) => one.notes);
    const first = await until(both, (all) => sounds(all) === 1 && notes(all).length === 1, 'one of each');
    assert.equal(notes(first)[0].title, 'Ben Okafor');
    assert.equal(notes(first)[0].body, '3 new messages\nIs anybody there?');
    await until(() => decisions(ada.page), (count) => count === 1, 'the first decision');
    await hold(pages, begun + 1_999);
    await ben.send('Hello?');
    await until(() => decisions(ada.page), (count) => count === 2, 'the second decision');
    const second = await both();
    assert.equal(sounds(second), 1, 'messages that follow closely share a sound');
    assert.equal(notes(second)[1].body, '4 new messages\nHello?');
    assert.equal(notes(second)[0].tag, notes(second)[1].tag, 'the second takes the place of the first');
    await hold(pages, begun + 2_000);
    await ben.send('Anybody?');
    await until(() => decisions(ada.page), (count) => count === 3, 'the third decision');
    assert.equal(sounds(await both()), 2, 'the next sound is two seconds after the first');
    // Reading in one tab withdraws it in the other.
    await focus(other.page, true);
    await other.openConversation(ITEM);
    await until(both, (all) => notes(all).every((one) => !one.open), 'they are withdrawn');
    await ben.send('There you are.');
    await other.bubble('There you are.').waitFor();
    await until(() => reasons(ada), (texts) => texts.length === 4, 'the decision is kept');
    assert.deepEqual(await reasons(ada), [
      'You were looking at this conversation.', ...Array.from({ length: 3 }, () => 'You were not using the inbox.'),
    ]);
    assert.equal(sounds(await both()), 2, 'what is looked at makes no sound');
    assert.deepEqual([...ada.errors, ...other.errors, ...ben.errors], []);
  }));

test('a notification opens its conversation; do not disturb and quiet hours are silent; the icon has a dot', () =>
  runJourney(async ({ server, browser }) => {
    const ada = await openRecording(browser, server.links.ada);
    const ben = await UserPage.open(browser, server.links.ben);
    const { page } = ada;
    await switchOn(ada, 'granted');
    await ben.openConversation(ITEM);
    await ben.send('First');
    await until(() => noticed(page), ({ notes }) => notes.length === 1, 'a notification');
    await until(() => page.title(), (title) => title.startsWith('('), 'the title counts');
    assert.match(await page.locator('link[rel="icon"]').getAttribute('href') ?? '', /^data:image\/svg/u);
    await page.evaluate(() => /** @type {any} */ (window).lastNote.onclick());
    await ada.bubble('First').waitFor();
    assert.match(page.url(), /#\/c\/\d+/u);
    await page.evaluate(() => { location.hash = '#/settings'; });
    await page.getByRole('switch', { name: /Do not disturb/u }).click();
    await ben.send('Second');
    await until(() => reasons(ada), ([newest]) => newest === '“Do not disturb” was on.', 'the first rule');
    await page.getByRole('switch', { name: /Do not disturb/u }).click();
    await page.getByRole('switch', { name: /Quiet hours/u }).click();
    await page.getByLabel('From', { exact: true }).fill('00:00');
    await page.getByLabel('Until', { exact: true }).fill('00:00');
    await page.getByLabel('Until', { exact: true }).blur();
    await ben.send('Third');
    await until(() => reasons(ada), ([newest]) => newest === 'It was within your quiet hours.', 'the second rule');
    const { sounds, notes } = await noticed(page);
    assert.deepEqual([sounds, notes.length], [1, 1]);
    await page.getByRole('button', { name: 'Why was I notified, or not?' }).click();
    await ada.checkAccessibility('notices');
    assert.deepEqual([...ada.errors, ...ben.errors], []);
  }));

test('what arrives without a connection, while the server starts again, is one notification and one sound', () =>
  runJourney(async ({ server, browser }) => {
    const ada = await openRecording(browser, server.links.ada);
    const ben = await UserPage.open(browser, server.links.ben);
    const { page } = ada;
    await switchOn(ada, 'granted');
    const idsOf = (/** @type {UserPage} */ one) => one.page.evaluate(async () => {
      const { conversations } = await (await fetch('/v1/conversations')).json();
      return /** @type {number[]} */ (conversations.map((/** @type {{id: number}} */ { id }) => id));
    });
    const hers = await idsOf(ada);
    const ids = (await idsOf(ben)).filter((id) => hers.includes(id));
    assert.ok(ids.length > 1, String(ids));
    await ada.context.setOffline(true);
    await page.locator('parlor-inbox[data-offline]').waitFor();
    await server.stop('SIGKILL');
    await server.start();
    for (const id of ids) await ben.sendMessages(id, ['Missed', 'Missed, too']);
    await ada.context.setOffline(false);
    const { notes } = await until(() => noticed(page), (all) => all.notes.length > 0 && all.sounds > 0, 'a notice', 40_000);
    assert.equal(notes.length, 1, JSON.stringify(notes));
    assert.match(notes[0].title, new RegExp(`^\\d+ new messages in ${ids.length} conversations$`, 'u'));
    assert.equal((await noticed(page)).sounds, 1);
    assert.deepEqual([...ada.errors, ...ben.errors], []);
  }));

test('the browser’s own notifications and sounds are used, and a refusal by the browser is explained', () =>
  runJourney(async ({ server, browser }) => {
    const context = await browser.newContext({ locale: 'en-GB', viewport: { width: 1280, height: 800 } });
    await context.grantPermissions(['notifications'], { origin: new URL(server.links.ada).origin });
    await context.addInitScript(() => { document.hasFocus = () => false; });
    const ada = await openTab(context, server.links.ada);
    const ben = await UserPage.open(browser, server.links.ben);
    const { page } = ada;
    await switchOn(ada, '');
    await ben.openConversation(ITEM);
    await ben.send('For real');
    await page.getByRole('button', { name: 'Why was I notified, or not?' }).waitFor();
    const done = async () => {
      await page.getByRole('button', { name: 'Why was I notified, or not?' }).click();
      const texts = await page.getByRole('dialog').locator('li').allTextContents();
      await page.getByRole('dialog').getByRole('button', { name: 'Close' }).click();
      return texts.join();
    };
    await until(done, (text) => text.includes('Sound and notification'), 'both');
    await context.clearPermissions();
    await page.reload();
    await page.getByRole('switch', { name: /Play a sound/u }).click();
    assert.equal(await page.getByRole('switch', { name: /Show notifications/u }).isChecked(), false);
    await ben.send('And again');
    await until(done, (text) => text.includes('No noticeThe browser does not allow notifications.'), 'the refusal');
    assert.deepEqual([...ada.errors, ...ben.errors], []);
  }));

for (const [width, dark] of /** @type {const} */ ([[1280, false], [390, true]])) {
  test(`the settings of notices are laid out at ${width} px`, () =>
    runJourney(async ({ server, browser }) => {
      const ada = await openRecording(browser, server.links.ada, width);
      const { page } = ada;
      if (dark) await page.emulateMedia({ colorScheme: 'dark' });
      await page.evaluate(() => { location.hash = '#/settings'; });
      await page.getByRole('switch', { name: /Quiet hours/u }).click();
      const from = page.getByLabel('From', { exact: true });
      await from.scrollIntoViewIfNeeded();
      const box = await from.boundingBox();
      assert.ok(box && box.width >= 80 && box.height >= 40 && box.x >= 0 && box.x + box.width <= width, JSON.stringify(box));
      await ada.assertNoHorizontalScroll();
      await ada.checkAccessibility(`settings of notices ${width}`);
      assert.deepEqual(ada.errors, []);
    }));
}
