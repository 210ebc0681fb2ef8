/**
 * Order in the list: pinned, archived, muted and marked as unread, on two devices of one user, and not for others.
 *
 * @import {Page} from 'playwright-core'
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SETTINGS, createGroups } from './support/bulk-conversations.js';
import { ITEM, PHONE } from './support/fixtures.js';
import { runJourney } from './support/journey.js';
import { touch } from './support/message-steps.js';
import { UserPage } from './support/user-page.js';
import { until } from './support/wait.js';

/** A conversation in which Ada has read everything. */
const KEYS = 'Keys with a red tag';

/** @param {Page} page @returns {Promise<string[]>} the names in the list, from top to bottom */
const names = (page) => page.locator('parlor-row .who').allTextContents();

/** @param {Page} page @param {string} text */
const rowOf = (page, text) => page.locator('parlor-row', { hasText: text }).first();

/** Chooses from the menu of a row. @param {Page} page @param {string} text of the row @param {...string} items */
async function choose(page, text, ...items) {
  await rowOf(page, text).click({ button: 'right' });
  for (const item of items) await page.getByRole('menuitem', { name: item, exact: true }).click();
}

/** @param {Page} page @param {string} name @returns {Promise<void>} */
const show = (page, name) => page.getByRole('group', { name: 'Show' }).getByRole('button', { name }).click();

test('pinned, muted, archived and unread conversations are the same on two devices at once, and after a reload', () =>
  runJourney(async ({ server, browser }) => {
    const desk = await UserPage.open(browser, server.links.ada);
    const phone = await UserPage.open(browser, server.links.ada);
    const ben = await UserPage.open(browser, server.links.ben);
    const pages = [desk.page, phone.page];
    await rowOf(desk.page, 'Tomás Ferreira').waitFor();
    const bensRows = await ben.page.locator('parlor-row').evaluateAll((rows) => rows.map((one) => one.innerHTML));

    await choose(desk.page, 'Tomás Ferreira', 'Pin');
    for (const page of pages) await until(() => names(page), ([first]) => first === 'Tomás Ferreira', 'it is on top');
    await choose(phone.page, 'Tomás Ferreira', 'Mute…', 'For 8 hours');
    for (const page of pages) await rowOf(page, 'Tomás Ferreira').getByRole('img', { name: 'Muted' }).waitFor();
    await rowOf(desk.page, KEYS).click({ modifiers: ['Alt'] });
    for (const page of pages) await rowOf(page, KEYS).getByText('Marked as unread').waitFor({ state: 'attached' });
    await assertBoxes(desk.page);
    await desk.checkAccessibility('list with pinned, muted and unread rows');
    await desk.takeScreenshot('order 1280');
    await show(phone.page, 'Unread');
    await until(() => names(phone.page), (all) => all.includes('Mira Sandoval'), 'it is among the unread ones');
    await show(phone.page, 'All');

    await desk.page.reload();
    await rowOf(desk.page, 'Tomás Ferreira').getByRole('img', { name: 'Pinned' }).waitFor();
    await rowOf(desk.page, KEYS).click();
    for (const page of pages) await rowOf(page, KEYS).getByText('Marked as unread').waitFor({ state: 'detached' });
    const after = await ben.page.locator('parlor-row').evaluateAll((rows) => rows.map((one) => one.innerHTML));
    assert.equal(after.length, bensRows.length);
    assert.equal(await ben.page.getByRole('img', { name: 'Pinned' }).count(), 0, 'the others learn nothing of it');
    assert.deepEqual([...desk.errors, ...phone.errors, ...ben.errors], []);
  }));

test('an archived conversation is apart until a message arrives, and comes back with Undo', () =>
  runJourney(async ({ server, browser }) => {
    const ada = await UserPage.open(browser, server.links.ada);
    const ben = await UserPage.open(browser, server.links.ben);
    const { page } = ada;
    await rowOf(page, ITEM).waitFor();
    const isListed = async () => (await page.locator('parlor-row', { hasText: ITEM }).count()) > 0;
    await choose(page, ITEM, 'Archive');
    await until(isListed, (listed) => !listed, 'it is gone');
    const undo = page.getByRole('button', { name: 'Undo' });
    await undo.waitFor();
    await ada.animationsEnd();
    const [box, toast] = [await undo.boundingBox(), await page.locator('.toast').boundingBox()];
    assert.ok(box && toast && box.height >= 24 && box.x >= toast.x && box.x + box.width <= toast.x + toast.width, JSON.stringify([box, toast]));
    await ada.takeScreenshot('archived, with undo');
    await undo.click();
    await until(isListed, Boolean, 'it is back');

    await choose(page, ITEM, 'Archive');
    await until(isListed, (listed) => !listed, 'it is gone again');
    await show(page, 'Archived');
    await rowOf(page, ITEM).waitFor();
    await ada.checkAccessibility('archived conversations');
    await ada.takeScreenshot('archived');
    await show(page, 'All');
    await ben.openConversation(ITEM);
    await ben.send('There is news about it.');
    await until(isListed, Boolean, 'the message brings it back');

    await choose(page, ITEM, 'Archive');
    await show(page, 'Archived');
    await choose(page, ITEM, 'Mute…', 'Until I unmute it');
    await ben.send('And more news.');
    await rowOf(page, 'And more news.').waitFor();
    await show(page, 'All');
    assert.equal(await isListed(), false, 'while it is muted, it stays in the archive');
    assert.doesNotMatch(await page.title(), /^\(/u, 'and does not count');
    assert.deepEqual([...ada.errors, ...ben.errors], []);
  }));

test('a cleared conversation is empty on all devices of the user at once, and back with the next message', () =>
  runJourney(async ({ server, browser }) => {
    const desk = await UserPage.open(browser, server.links.ada);
    const phone = await UserPage.open(browser, server.links.ada);
    const ben = await UserPage.open(browser, server.links.ben);
    const isListed = async (/** @type {Page} */ page) => (await page.locator('parlor-row', { hasText: ITEM }).count()) > 0;
    await phone.openConversation(ITEM);
    await ben.openConversation(ITEM);
    const before = await ben.page.locator('parlor-message').count();
    await rowOf(desk.page, ITEM).waitFor();
    await choose(desk.page, ITEM, 'Clear for me…');
    const dialog = desk.page.getByRole('dialog', { name: 'Clear this conversation for you?' });
    await dialog.getByText('the others keep them').waitFor();
    await desk.checkAccessibility('clear a conversation');
    await desk.takeScreenshot('clear a conversation');
    await dialog.getByRole('button', { name: 'Keep it' }).click();
    assert.equal(await isListed(desk.page), true);
    await choose(desk.page, ITEM, 'Clear for me…');
    await dialog.waitFor();
    await ben.send('One more thing.');
    await rowOf(desk.page, ITEM).getByText('One more thing.').waitFor();
    await dialog.getByRole('button', { name: 'Clear', exact: true }).click();
    await until(() => phone.page.locator('parlor-message').count(), (count) => count === 1, 'what came meanwhile stays');
    await phone.page.getByText('One more thing.').first().waitFor();
    await choose(desk.page, ITEM, 'Clear for me…');
    await dialog.getByRole('button', { name: 'Clear', exact: true }).click();
    await until(() => isListed(desk.page), (listed) => !listed, 'it leaves the list');
    await until(() => phone.page.locator('parlor-message').count(), (count) => count === 0, 'the open thread is empty');
    await phone.checkAccessibility('a cleared thread');
    await phone.takeScreenshot('a cleared thread');
    assert.equal(await ben.page.locator('parlor-message').count(), before + 1, 'Ben keeps everything');
    await desk.page.reload();
    await desk.page.locator('parlor-row').first().waitFor();
    assert.equal(await isListed(desk.page), false, 'also after a reload');
    await ben.send('There is news about it.');
    await rowOf(desk.page, ITEM).waitFor();
    await rowOf(desk.page, ITEM).click();
    await until(() => desk.page.locator('parlor-message').count(), (count) => count === 1, 'only the new message');
    await until(() => phone.page.locator('parlor-message').count(), (count) => count === 1, 'on the other device, too');
    assert.deepEqual([...desk.errors, ...phone.errors, ...ben.errors], []);
  }));

test('the list shows only conversations about one thing, and its empty states say what to do', () =>
  runJourney(async ({ server, browser }) => {
    const ada = await UserPage.open(browser, server.links.ada);
    const { page } = ada;
    await rowOf(page, ITEM).waitFor();
    const all = await names(page);
    await show(page, 'About');
    await page.getByRole('menuitem', { name: ITEM }).click();
    await until(() => names(page), (some) => some.length > 0 && some.length < all.length, 'fewer rows');
    await ada.takeScreenshot('about one thing');
    await show(page, 'Archived');
    await page.getByText('Nothing here about this.').waitFor();
    await show(page, ITEM);
    await page.getByRole('menuitem', { name: 'Anything' }).click();
    await page.getByText('Nothing archived.').waitFor();
    await ada.takeScreenshot('nothing archived');
    for (const width of [1280, 390]) {
      await page.setViewportSize({ width, height: 800 });
      await ada.assertNoHorizontalScroll();
    }
    await ada.takeScreenshot('nothing archived 390');
    assert.deepEqual(ada.errors, []);
  }));

test('with the keyboard alone, archiving leaves the focus on the next row, and at the end the archive is offered', () =>
  runJourney(async ({ server, browser }) => {
    const ada = await UserPage.open(browser, server.links.ada);
    const { page } = ada;
    const focused = page.locator('parlor-row:focus .who');
    await rowOf(page, 'Tomás Ferreira').waitFor();
    const all = await names(page);
    await page.locator('parlor-row[tabindex="0"]').focus();
    await page.keyboard.press('Home');
    await page.keyboard.press('ArrowDown');
    for (let count = all.length; count > 0; count -= 1) {
      const before = await names(page);
      const place = before.indexOf(await focused.innerText());
      await page.keyboard.press('ContextMenu');
      await page.getByRole('menuitem', { name: 'Archive', exact: true }).waitFor();
      for (let step = 0; step < 4; step += 1) await page.keyboard.press('ArrowDown');
      assert.equal(await page.locator(':focus').innerText(), 'Archive');
      await page.keyboard.press('Enter');
      await until(() => names(page), (some) => some.length === count - 1, 'it is gone');
      if (count > 1) await until(() => focused.allInnerTexts(), ([name]) => name === (before[place + 1] ?? before[place - 1]), 'the next row has the focus');
    }
    await page.getByText('Everything is archived.').waitFor();
    assert.equal(await page.locator(':focus').innerText(), 'All');
    await ada.checkAccessibility('everything archived');
    await page.getByRole('button', { name: 'Show the archive' }).click();
    await until(() => names(page), (some) => some.length === all.length, 'they are all there');
    assert.equal(await page.locator(':focus').innerText(), 'Archived');
    assert.deepEqual(ada.errors, []);
  }));

test('a filter that finds nothing loads a few pages by itself, and the rest of the list on request', () =>
  runJourney(async ({ server, browser }) => {
    const ada = await UserPage.open(browser, server.links.ada);
    const ben = await UserPage.open(browser, server.links.ben);
    const { page } = ada;
    await createGroups(ben, await page.evaluate(async () => (await (await fetch('/v1/me')).json()).id), 300);
    let pages = 0;
    page.on('websocket', (socket) => socket.on('framesent', ({ payload }) => {
      if (String(payload).includes('"conversation.list"')) pages += 1;
    }));
    await page.reload();
    await page.locator('parlor-row').first().waitFor();
    await until(() => pages, (count) => count > 0, 'the first page is there');
    const before = pages;
    await show(page, 'Archived');
    await page.getByText('None among the most recent conversations.').waitFor();
    assert.equal(pages - before, 5);
    await ada.checkAccessibility('none among the newest');
    await page.getByRole('button', { name: 'Look further' }).click();
    await page.getByText('Nothing archived.').waitFor();
    assert.ok(pages - before > 5);
    assert.deepEqual(ada.errors, []);
  }, SETTINGS));

test('a long press on a row opens its menu, also where the browser reports none, and opens nothing else', () =>
  runJourney(async ({ server, browser }) => {
    const ada = await UserPage.open(browser, server.links.ada, PHONE);
    const { page } = ada;
    await rowOf(page, KEYS).waitFor();
    // As in Safari.
    await page.evaluate(() => window.addEventListener('contextmenu', (event) => event.stopImmediatePropagation(), { capture: true }));
    await touch(page, rowOf(page, KEYS), 700);
    await page.getByRole('menuitem', { name: 'Archive', exact: true }).waitFor();
    assert.doesNotMatch(page.url(), /#\/c\//u);
    await page.getByRole('menuitem', { name: 'Pin', exact: true }).tap();
    await rowOf(page, KEYS).getByRole('img', { name: 'Pinned' }).waitFor();
    await touch(page, rowOf(page, KEYS), 700, 60);
    await rowOf(page, KEYS).tap();
    await page.locator('parlor-message-group').first().waitFor();
    assert.equal(await page.getByRole('menu').count(), 0, 'a finger that scrolls opens none');
    assert.deepEqual(ada.errors, []);
  }));

/** Icons and badges are inside their rows and do not overlap. @param {Page} page */
async function assertBoxes(page) {
  const rows = await page.locator('parlor-row').evaluateAll((all) => all.map((row) => ({
    row: row.getBoundingClientRect().toJSON(),
    marks: [...row.querySelectorAll('.marks > :not(.visually-hidden)')].map((one) => one.getBoundingClientRect().toJSON()),
  })));
  assert.ok(rows.some(({ marks }) => marks.length === 2), 'a row has two icons');
  for (const { row, marks } of rows) {
    for (const [index, mark] of marks.entries()) {
      assert.ok(mark.width > 0 && mark.left >= row.left && mark.right <= row.right && mark.bottom <= row.bottom, JSON.stringify([row, mark]));
      const before = marks[index - 1];
      assert.ok(!before || before.right <= mark.left, JSON.stringify([before, mark]));
    }
  }
}
