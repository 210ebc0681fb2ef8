/**
 * A list of thousands of conversations: few rows have elements, visible rows stay in place, and keys and screen readers
 * work.
 *
 * @import {Page} from 'playwright-core'
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SETTINGS, createGroups } from './support/bulk-conversations.js';
import { runJourney } from './support/journey.js';
import { UserPage } from './support/user-page.js';
import { until } from './support/wait.js';

const COUNT = 5_000;
/** The rows that fit on the screen, and those drawn beyond it. */
const ROWS_MAX = 40;

test('a list of five thousand conversations can be scrolled, searched and written in, and draws few rows', () =>
  runJourney(async ({ server, browser }) => {
    const ada = await UserPage.open(browser, server.links.ada);
    const ben = await UserPage.open(browser, server.links.ben);
    const first = await createGroups(ben, await ownId(ada), COUNT);
    await ada.page.locator('parlor-row', { hasText: `Group ${COUNT}` }).waitFor();
    const most = await scrollToEnd(ada.page);
    assert.ok(most <= ROWS_MAX, `${most} rows were drawn at once`);
    await assertStaysInPlace(ada, ben, first);
    await assertKeysWork(ada.page);
    await assertFilterFinds(ada.page);
    assert.deepEqual([...ada.errors, ...ben.errors], []);
  }, SETTINGS));

/** @param {UserPage} person @returns {Promise<number>} */
function ownId(person) {
  return person.page.evaluate(async () => (await (await fetch('/v1/me')).json()).id);
}

/** Scrolls until all pages are loaded. @param {Page} page
 * @returns {Promise<number>} the highest number of rows at a time */
async function scrollToEnd(page) {
  let most = 0;
  await until(() => page.evaluate(() => {
    const scroll = /** @type {HTMLElement} */ (document.querySelector('parlor-list .scroll'));
    scroll.scrollTop = scroll.scrollHeight;
    const rows = [...document.querySelectorAll('parlor-row')];
    return { rows: rows.length, size: Number(rows.at(-1)?.getAttribute('aria-setsize')) };
  }), ({ rows, size }) => {
    most = Math.max(most, rows);
    return size >= COUNT;
  }, 'all pages are loaded', 240_000);
  return most;
}

/** Returns the visible rows: their names and positions. @param {Page} page */
function visibleRows(page) {
  return page.evaluate(() => {
    const scroll = /** @type {HTMLElement} */ (document.querySelector('parlor-list .scroll')).getBoundingClientRect();
    return [...document.querySelectorAll('parlor-row')].flatMap((row) => {
      const { top, bottom } = row.getBoundingClientRect();
      const name = row.querySelector('.who')?.textContent;
      return top >= scroll.top && bottom <= scroll.bottom ? [`${name} at ${Math.round(top)}`] : [];
    });
  });
}

/** In the middle of the list nothing moves when a row far below goes to the top, and few elements change.
 * @param {UserPage} ada @param {UserPage} ben @param {number} first the oldest conversation */
async function assertStaysInPlace(ada, ben, first) {
  await ada.page.evaluate(() => {
    const scroll = /** @type {HTMLElement} */ (document.querySelector('parlor-list .scroll'));
    scroll.scrollTop = scroll.scrollHeight / 2;
  });
  await until(() => visibleRows(ada.page), (rows) => rows.length > 4, 'rows are drawn at the new scroll position');
  const focused = await ada.page.evaluate(() => {
    const scroll = /** @type {HTMLElement} */ (document.querySelector('parlor-list .scroll')).getBoundingClientRect();
    const row = [...document.querySelectorAll('parlor-row')].find((one) => one.getBoundingClientRect().top > scroll.top);
    /** @type {HTMLElement} */ (row).focus({ preventScroll: true });
    return row?.getAttribute('data-key');
  });
  const before = await visibleRows(ada.page);
  const touched = await ada.page.evaluateHandle(() => {
    const records = { count: 0 };
    const observer = new MutationObserver((all) => { records.count += all.length; });
    observer.observe(/** @type {Element} */ (document.querySelector('parlor-list')),
      { childList: true, attributes: true, characterData: true, subtree: true });
    return records;
  });
  await ben.sendMessages(first, ['This one comes from the very end of the list.']);
  // The row is at the top now, which is not on the screen; the title announces it.
  await until(() => ada.page.title(), (title) => title.startsWith('('), 'it has arrived');
  assert.deepEqual(await visibleRows(ada.page), before);
  const key = () => ada.page.evaluate(() => /** @type {HTMLElement} */ (document.activeElement).dataset.key);
  assert.equal(await key(), focused, 'the focus stays on its row');
  const { count } = await touched.jsonValue();
  assert.ok(count < 20 * ROWS_MAX, `${count} changes of the page for one message`);
  await ada.page.evaluate(() => {
    /** @type {HTMLElement} */ (document.querySelector('parlor-list .scroll')).scrollTop = 0;
  });
  await ada.page.locator('parlor-row', { hasText: 'from the very end of the list' }).waitFor();
  assert.equal(await key(), focused, 'the focus stays on its row, even far away');
}

/** Arrows, Home and End go through all rows, and each row states its position. @param {Page} page */
async function assertKeysWork(page) {
  const at = () => page.evaluate(() => {
    const row = /** @type {HTMLElement} */ (document.activeElement);
    const scroll = /** @type {HTMLElement} */ (document.querySelector('parlor-list .scroll')).getBoundingClientRect();
    const { top, bottom } = row.getBoundingClientRect();
    return {
      place: Number(row.getAttribute('aria-posinset')), size: Number(row.getAttribute('aria-setsize')),
      isVisible: top >= scroll.top - 1 && bottom <= scroll.bottom + 1,
    };
  });
  await page.keyboard.press('End');
  const last = await at();
  assert.equal(last.place, last.size);
  assert.ok(last.isVisible && last.size >= COUNT, JSON.stringify(last));
  await page.keyboard.press('ArrowUp');
  await page.keyboard.press('ArrowUp');
  assert.deepEqual(await at(), { ...last, place: last.size - 2 });
  await page.keyboard.press('Home');
  assert.deepEqual(await at(), { ...last, place: 1 });
  for (let step = 0; step < 30; step += 1) await page.keyboard.press('ArrowDown');
  assert.deepEqual(await at(), { ...last, place: 31 });
  assert.equal(await page.locator('parlor-row[tabindex="0"]').count(), 1);
}

/** The filter includes all rows, drawn or not. @param {Page} page */
async function assertFilterFinds(page) {
  await page.getByRole('searchbox').first().fill('Group 2718');
  await until(() => page.locator('parlor-row .who').allTextContents(), (names) => String(names) === 'Group 2718',
    'the filter finds the group');
  await page.getByRole('searchbox').first().fill('');
  await until(() => page.locator('parlor-row').count(), (count) => count > 4, 'all rows are back');
}
