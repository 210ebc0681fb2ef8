/**
 * A long conversation: any place in it is reachable, few messages have elements, and nothing jumps.
 *
 * @import {Page} from 'playwright-core'
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fillConversation, SETTINGS } from './support/bulk-messages.js';
import { ITEM } from './support/fixtures.js';
import { runJourney } from './support/journey.js';
import { UserPage } from './support/user-page.js';
import { until } from './support/wait.js';

const COUNT = 1_200;
/** The most messages in the page, while another page loads. */
const ROWS_MAX = 340;

test('a long conversation is loaded in parts and scrolls both ways without a jump', () =>
  runJourney(async ({ server, browser }) => {
    const [ada, ben] = await openBoth(browser, server.links);
    await fillConversation([ada, ben], ada.conversationId(), COUNT);
    await ada.page.reload();
    await ada.bubble(textOf(COUNT)).waitFor();
    await until(() => ada.distanceToEnd(), (far) => far <= 1, 'the conversation opens at its end');
    const up = await scrollAndMeasure(ada.page, -700, 130);
    assert.ok(up.moved <= 1, `going up, a message moved by ${up.moved} px`);
    assert.ok(up.rows <= ROWS_MAX, `${up.rows} rows`);
    assert.ok(up.first < COUNT - 500, `scrolling reached only message ${up.first}`);
    const pill = ada.page.getByRole('button', { name: 'Jump to the latest message' });
    await pill.waitFor();
    // A message that arrives meanwhile moves nothing, and is counted.
    const before = await readPositions(ada.page);
    await ben.send('While you read old things.');
    await ada.page.getByRole('button', { name: '1 new' }).waitFor();
    assert.deepEqual(await readPositions(ada.page), before);
    assert.equal(await ada.bubble('While you read old things.').count(), 0, 'the end is not loaded');
    await ada.page.setViewportSize({ width: 1000, height: 700 });
    const [[seq, top]] = before;
    await until(() => readPositions(ada.page), (now) => now[0][0] === seq && Math.abs(now[0][1] - top) <= 1,
      'a narrower page shows the same message in the same place');
    const down = await scrollAndMeasure(ada.page, 700, 60);
    assert.ok(down.moved <= 1, `going down, a message moved by ${down.moved} px`);
    assert.ok(down.rows <= ROWS_MAX, `${down.rows} rows`);
    await ada.page.getByRole('button', { name: /new|latest/u }).click();
    await ada.bubble('While you read old things.').waitFor();
    await until(() => ada.distanceToEnd(), (far) => far <= 1, 'the button goes to the end');
    await until(() => ben.page.locator('parlor-message-group').last().locator('.meta').innerText(),
      (text) => text.includes('Read'), 'there the message is read');
    assert.deepEqual([...ada.errors, ...ben.errors], []);
  }, SETTINGS));

test('the keyboard jumps to the first message and back, and a quote leads to its message', () =>
  runJourney(async ({ server, browser }) => {
    const [ada, ben] = await openBoth(browser, server.links);
    const conversation = ada.conversationId();
    await fillConversation([ada, ben], conversation, 600);
    await ada.page.reload();
    await ada.bubble(textOf(600, 600)).waitFor();
    const log = ada.page.getByRole('log');
    await log.focus();
    await ada.page.keyboard.press('Home');
    const first = await until(() => ada.page.evaluate(() => /** @type {any} */ (document.activeElement)?.seq),
      (seq) => seq === 1, 'Home goes to the very first message');
    assert.equal(first, 1);
    assert.equal(await log.evaluate((talk) => talk.scrollTop), 0);
    assert.ok(await ada.page.locator('parlor-message').count() <= ROWS_MAX);
    // An own message is shown, at the end.
    await ada.send('Sent from far above.');
    await ada.bubble('Sent from far above.').waitFor();
    await until(() => ada.distanceToEnd(), (far) => far <= 1, 'an own message is shown');
    await log.focus();
    await ada.page.keyboard.press('ArrowUp');
    await ada.page.keyboard.press('Home');
    await until(() => ada.page.evaluate(() => /** @type {any} */ (document.activeElement)?.seq), (seq) => seq === 1,
      'from a message too');
    await ada.page.keyboard.press('End');
    await until(() => ada.page.evaluate(() => document.activeElement?.textContent ?? ''),
      (text) => text.includes('Sent from far above.'), 'End goes to the last message');

    const seq = await ben.page.evaluate(async (id) => {
      const answer = await fetch(`/v1/conversations/${id}/messages`, {
        method: 'POST', headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ client_id: crypto.randomUUID(), text: 'About this one.', reply_to: 40 }),
      });
      return (await answer.json()).message.reply_to;
    }, conversation);
    assert.equal(seq, 40);
    const answer = ada.bubble('About this one.');
    await answer.waitFor();
    const quoted = await ada.page.evaluate(async (id) => {
      const page = await (await fetch(`/v1/conversations/${id}/messages?around=40&limit=1`)).json();
      return page.messages[0].text;
    }, conversation);
    await until(() => answer.locator('.quote').innerText(), (text) => text.includes(quoted),
      'the quoted message is requested');
    await answer.locator('.quote').click();
    const found = ada.page.locator('parlor-message.jumped');
    await found.waitFor();
    assert.match(await found.innerText(), new RegExp(quoted.slice(0, 20), 'u'));
    const box = await found.boundingBox();
    const view = await log.boundingBox();
    assert.ok(box && view && box.y >= view.y && box.y + box.height <= view.y + view.height, 'it is on the screen');
    await until(() => found.count(), (count) => count === 0, 'then the highlight ends');
    assert.deepEqual([...ada.errors, ...ben.errors], []);
  }, SETTINGS));

/** @param {number} number @param {number} [of] @returns {string} */
function textOf(number, of = COUNT) {
  return `message ${number} of ${of}${', and a little more'.repeat(number % 7)}`;
}

/** @param {import('playwright-core').Browser} browser @param {Record<string, string>} links
 * @returns {Promise<[UserPage, UserPage]>} */
async function openBoth(browser, links) {
  const ada = await UserPage.open(browser, links.ada);
  const ben = await UserPage.open(browser, links.ben);
  await ada.openConversation(ITEM);
  await ben.openConversation(ITEM);
  return [ada, ben];
}

/** Returns the positions of the visible messages. @param {Page} page */
function readPositions(page) {
  return page.locator('.message-log').evaluate((log) => {
    const { top, bottom } = log.getBoundingClientRect();
    return [...log.querySelectorAll('parlor-message')].filter((one) => {
      const box = one.getBoundingClientRect();
      return box.bottom > top && box.top < bottom;
    }).map((one) => [/** @type {any} */ (one).seq, one.getBoundingClientRect().top]);
  });
}

/** Scrolls a little in each frame and checks the positions of the messages: one that stays visible moves by the
 * scrolled distance, and by nothing else. @param {Page} page @param {number} by @param {number} frames
 * @returns {Promise<{moved: number, rows: number, first: number}>} */
function scrollAndMeasure(page, by, frames) {
  return page.locator('.message-log').evaluate(async (log, [step, count]) => {
    const seen = () => {
      const { top, bottom } = log.getBoundingClientRect();
      const all = /** @type {any[]} */ ([...log.querySelectorAll('parlor-message')]);
      return new Map(all.filter((one) => one.getBoundingClientRect().bottom > top
        && one.getBoundingClientRect().top < bottom).map((one) => [one.seq, one.getBoundingClientRect().top]));
    };
    const frame = () => new Promise(requestAnimationFrame);
    let [moved, rows] = [0, 0];
    let before = seen();
    for (let number = 0; number < count; number += 1) {
      // As a wheel does: the content moves first, then the page reacts.
      const at = log.scrollTop;
      log.scrollTop += step;
      const went = log.scrollTop - at;
      await frame();
      await frame();
      const now = seen();
      for (const [seq, top] of now) {
        const was = before.get(seq);
        if (was !== undefined) moved = Math.max(moved, Math.abs(was - went - top));
      }
      before = now;
      rows = Math.max(rows, log.querySelectorAll('parlor-message').length);
      // Waits where nothing is loaded yet, as a user would.
      while (![...seen()].length) await frame();
      if (before.size === 0) before = seen();
    }
    return { moved, rows, first: Math.min(...before.keys()) };
  }, /** @type {const} */ ([by, frames]));
}
