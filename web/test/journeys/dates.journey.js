/**
 * Going to a day of a conversation, over history that is not loaded.
 *
 * @import {UserPage as Person} from './support/user-page.js'
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fillConversation, SETTINGS } from './support/bulk-messages.js';
import { PHONE } from './support/fixtures.js';
import { openBoth } from './support/message-steps.js';
import { runJourney } from './support/journey.js';
import { until } from './support/wait.js';

const COUNT = 300;

/** Returns the first message of each day, as a date field has the day. @param {Person} person @param {number} id */
function firstOfDays({ page }, id) {
  return page.evaluate(async (conversation) => {
    const { messages } = await (await fetch(`/v1/conversations/${conversation}/messages?after=0&limit=100`)).json();
    /** @type {Map<string, number>} */
    const days = new Map();
    for (const { seq, created_at: at } of messages) {
      const day = new Date(at).toLocaleDateString('sv');
      if (!days.has(day)) days.set(day, seq);
    }
    return [...days];
  }, id);
}

/** @param {Person} person @param {string} day */
async function choose({ page }, day) {
  const dialog = page.getByRole('dialog', { name: 'Go to a day' });
  await dialog.getByLabel('Date').fill(day);
  await page.keyboard.press('Enter');
  return dialog;
}

/** Waits until a message has the focus and is on the screen. @param {Person} person @param {number} seq */
async function seen({ page }, seq) {
  await until(() => page.evaluate(() => /** @type {any} */ (document.activeElement)?.seq ?? 0), (now) => now === seq, `message ${seq}`);
  const [message, log] = await page.evaluate(() => [document.activeElement, document.querySelector('.message-log')]
    .map((one) => { const { top, bottom } = /** @type {Element} */ (one).getBoundingClientRect(); return { top, bottom }; }));
  assert.ok(message.top >= log.top && message.bottom <= log.bottom, JSON.stringify([message, log]));
}

test('the keyboard goes to a day that is not loaded, to one between two others, and to today', () =>
  runJourney(async (place) => {
    const { ada, ben } = await openBoth(place);
    const id = ada.conversationId();
    await fillConversation([ada, ben], id, COUNT);
    await ada.page.reload();
    await until(() => ada.distanceToEnd(), (far) => far <= 1, 'the end');
    const days = await firstOfDays(ada, id);
    assert.ok(days.length > 1, JSON.stringify(days));
    const [[first, seq], [second, later]] = days;
    const tool = ada.page.getByRole('button', { name: 'Go to a day' }).first();
    await tool.focus();
    await ada.page.keyboard.press('Enter');
    await ada.checkAccessibility('go to a day');
    const dialog = await choose(ada, first);
    await dialog.waitFor({ state: 'detached' });
    await seen(ada, seq);
    assert.equal(await ada.page.locator('.day').first().isVisible(), true);
    // A day without messages leads to the next one.
    await tool.click();
    await choose(ada, new Date(Date.parse(first) - 5 * 86_400_000).toISOString().slice(0, 10));
    await seen(ada, seq);
    await tool.click();
    await choose(ada, second);
    await seen(ada, later);
    await tool.click();
    const tomorrow = new Date(Date.now() + 86_400_000).toISOString().slice(0, 10);
    await choose(ada, tomorrow);
    assert.equal(await dialog.getByLabel('Date').evaluate((one) => /** @type {HTMLInputElement} */ (one).validity.rangeOverflow), true);
    await ada.page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
    assert.deepEqual([...ada.errors, ...ben.errors], []);
  }, SETTINGS));

test('where nothing was written since, the dialog says so; on a phone a day leads to another one', () =>
  runJourney(async (place) => {
    const { ada } = await openBoth(place, PHONE);
    const { page } = ada;
    const [[first, seq]] = await firstOfDays(ada, ada.conversationId());
    const day = page.locator('.day button').first();
    const box = await day.evaluate((one) => {
      const { width } = one.getBoundingClientRect();
      return { width, height: parseFloat(getComputedStyle(one, '::after').height) };
    });
    assert.ok(box.width >= 44 && box.height >= 44, JSON.stringify(box));
    await day.tap();
    await choose(ada, first);
    await seen(ada, seq);
    await ada.checkAccessibility('go to a day phone');
    await ada.assertNoHorizontalScroll();
    await page.goBack();
    // Its newest message is days old, whatever the time of day.
    await ada.openConversation('Mira Sandoval');
    await page.locator('.day button').first().tap();
    const dialog = await choose(ada, new Date().toLocaleDateString('sv'));
    await dialog.getByText(/^Nothing was written here since \d+ \w+ \d{4}\.$/u).waitFor();
    await ada.takeScreenshot('nothing since');
    assert.deepEqual(ada.errors, []);
  }));
