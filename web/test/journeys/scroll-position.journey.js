/**
 * The scroll position: the unread bar, failed jumps, and a position that stays whatever appears and disappears.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SETTINGS } from './support/bulk-messages.js';
import { ITEM, PHONE } from './support/fixtures.js';
import { runJourney } from './support/journey.js';
import { UserPage } from './support/user-page.js';
import { until } from './support/wait.js';

/** @import {BrowserContextOptions, Locator, Page} from 'playwright-core' */

const OTHER = 'Tomás Ferreira';
const DARK = /** @type {const} */ ({ colorScheme: 'dark' });

/** @param {number} count @param {string} [word] */
const lines = (count, word = 'Line') => Array.from({ length: count }, (_, at) => `${word} ${at + 1}`);

/** @param {UserPage} person @returns {Locator} */
const unreadBar = ({ page }) => page.locator('.unread-bar');

/** Opens the conversation about the umbrella for Ada and Ben; then Ada opens another one.
 * @param {Parameters<Parameters<typeof runJourney>[0]>[0]} place @param {BrowserContextOptions} [options] of Ada's */
async function openAndLeave({ server, browser }, options = {}) {
  const ada = await UserPage.open(browser, server.links.ada, options);
  const ben = await UserPage.open(browser, server.links.ben);
  await ada.openConversation(ITEM);
  await ben.openConversation(ITEM);
  const id = ada.conversationId();
  await until(() => ada.distanceToEnd(), (far) => far <= 1, 'the conversation opens at its end');
  await openAnother(ada);
  return { ada, ben, id };
}

/** @param {UserPage} ada */
async function openAnother({ page }) {
  await page.evaluate(() => { location.hash = '#/settings'; });
  await page.getByRole('heading', { name: 'Settings' }).waitFor();
}

/** @param {UserPage} person @param {number} id */
async function goTo({ page }, id) {
  await page.evaluate((to) => { location.hash = `#/c/${to}`; }, id);
  await page.locator('parlor-message-group').first().waitFor();
}

/** Returns whether the unread divider is on the screen. @param {UserPage} person @returns {Promise<boolean>} */
function seesDivider({ page }) {
  return page.evaluate(() => {
    const line = document.querySelector('.unread-from')?.getBoundingClientRect();
    const log = document.querySelector('.message-log')?.getBoundingClientRect();
    return line !== undefined && log !== undefined && line.top >= log.top && line.bottom <= log.bottom;
  });
}

/** Waits until the list shows the number of unread messages. @param {UserPage} ada @param {string} count */
async function waitForUnread({ page }, count) {
  await page.locator('parlor-row', { hasText: ITEM }).locator('.badge', { hasText: count }).waitFor();
}

test('a bar announces unread messages above, leads there, and goes once they were seen', () =>
  runJourney(async (place) => {
    const { ada, ben, id } = await openAndLeave(place);
    const { page } = ada;
    await ben.sendMessages(id, lines(2, 'Few'));
    await waitForUnread(ada, '2');
    await goTo(ada, id);
    await ada.bubble('Few 2').waitFor();
    assert.equal(await seesDivider(ada), true);
    assert.equal(await unreadBar(ada).isVisible(), false, 'visible messages are not announced');
    await openAnother(ada);
    await ben.sendMessages(id, lines(60));
    await waitForUnread(ada, '60');
    await goTo(ada, id);
    await unreadBar(ada).getByText(/^60 new since \d\d:\d\d$/u).waitFor();
    await until(() => ada.distanceToEnd(), (far) => far <= 1, 'the conversation opens at its end');
    // The thread announces it once, and the bar does not repeat it.
    await page.locator('parlor-message-list [role="status"]', { hasText: '60 new since' }).waitFor({ state: 'attached' });
    assert.equal(await unreadBar(ada).evaluate((one) => one.closest('[aria-live], [role="status"], [role="alert"]')), null);
    await ada.checkAccessibility('unread above');
    await page.locator('.message-log').hover();
    await page.mouse.wheel(0, -200);
    await page.locator('.floating-day.there').waitFor();
    const [above, day] = await Promise.all(['.unread-bar', '.floating-day'].map((one) => page.locator(one).boundingBox()));
    assert.ok(above && day && day.y >= above.y + above.height, 'the day divider is below the bar');
    await ada.takeScreenshot('unread above and the day');
    await page.getByRole('button', { name: 'Jump to the first new message' }).click();
    await until(() => seesDivider(ada), Boolean, 'the divider is on the screen');
    await unreadBar(ada).waitFor({ state: 'hidden' });
    assert.match(await page.evaluate(() => document.activeElement?.textContent ?? ''), /Line 1$/u,
      'the focus is on the divider');
    await ada.checkAccessibility('unread reached');
    await page.getByRole('button', { name: 'Jump to the latest message' }).click();
    await until(() => ada.distanceToEnd(), (far) => far <= 1, 'back at the end');
    assert.equal(await unreadBar(ada).isVisible(), false, 'the divider has been seen');
    assert.deepEqual([...ada.errors, ...ben.errors], []);
  }, SETTINGS));

test('the unread bar leads to messages that are not loaded, and it can be dismissed', () =>
  runJourney(async (place) => {
    const { ada, ben, id } = await openAndLeave(place);
    const { page } = ada;
    await ben.sendMessages(id, lines(150));
    await waitForUnread(ada, '99+');
    await goTo(ada, id);
    await unreadBar(ada).getByText(/^99\+ new since \d\d:\d\d$/u).waitFor();
    // Above the divider the bar disappears; back at the end it returns.
    await page.getByRole('log').focus();
    await page.keyboard.press('Home');
    await until(() => page.evaluate(() => /** @type {any} */ (document.activeElement)?.seq), (seq) => seq === 1, 'up');
    assert.equal(await unreadBar(ada).isVisible(), false);
    // A bar that is not there cannot be dismissed.
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Jump to the latest message' }).click();
    await ada.bubble('Line 150').waitFor();
    await unreadBar(ada).getByText('99+ new').waitFor();
    await unreadBar(ada).getByRole('button', { name: 'Jump' }).press('Enter');
    await ada.bubble('Line 1').waitFor();
    await until(() => seesDivider(ada), Boolean, 'the divider is on the screen');
    assert.ok(await page.locator('parlor-message').count() < 100, 'only the messages around it are loaded');
    await page.getByRole('button', { name: 'Jump to the latest message' }).click();
    await ada.bubble('Line 150').waitFor();
    assert.equal(await unreadBar(ada).isVisible(), false);
    for (const input of ['Escape', 'button']) {
      await openAnother(ada);
      await ben.sendMessages(id, lines(40, input));
      await waitForUnread(ada, '40');
      await goTo(ada, id);
      await unreadBar(ada).getByText('40 new').waitFor();
      if (input === 'Escape') await page.keyboard.press('Escape');
      else await unreadBar(ada).getByRole('button', { name: 'Stay here' }).click();
      await unreadBar(ada).waitFor({ state: 'hidden' });
      await until(() => ada.distanceToEnd(), (far) => far <= 1, 'the view stays at the end');
      await ben.send(`After ${input}`);
      await ada.bubble(`After ${input}`).waitFor();
      assert.equal(await unreadBar(ada).isVisible(), false, 'the bar does not come back');
    }
    assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('role')), 'log');
    assert.deepEqual([...ada.errors, ...ben.errors], []);
  }, SETTINGS));

test('the messages on the screen do not move when the unread bar goes', () =>
  runJourney(async (place) => {
    const { ada, ben, id } = await openAndLeave(place);
    const { page } = ada;
    await ben.sendMessages(id, lines(30));
    await waitForUnread(ada, '30');
    await goTo(ada, id);
    await unreadBar(ada).getByText('30 new').waitFor();
    await unreadBar(ada).getByRole('button', { name: 'Jump' }).focus();
    const moved = await page.locator('.message-log').evaluate(async (log) => {
      const tops = () => new Map([...log.querySelectorAll('parlor-message')].map((one) =>
        [/** @type {any} */ (one).seq, one.getBoundingClientRect().top]));
      const isThere = () => !(/** @type {HTMLElement} */ (document.querySelector('.unread-bar'))).hidden;
      let most = 0;
      // Near the end the view follows new messages.
      log.scrollTop -= 200;
      await new Promise(requestAnimationFrame);
      while (isThere()) {
        const before = tops();
        const at = log.scrollTop;
        log.scrollTop -= 40;
        const went = log.scrollTop - at;
        await new Promise(requestAnimationFrame);
        await new Promise(requestAnimationFrame);
        for (const [seq, top] of tops()) most = Math.max(most, Math.abs((before.get(seq) ?? top) - went - top));
      }
      return most;
    });
    assert.ok(moved <= 1, `a message moved by ${moved} px`);
    const focused = await page.evaluate(() => document.activeElement?.getAttribute('role'));
    assert.equal(focused, 'log', 'the focus is not lost either');
    assert.equal(await seesDivider(ada), true);
    assert.deepEqual([...ada.errors, ...ben.errors], []);
  }, SETTINGS));

test('a phone in dark mode shows the unread bar too', () =>
  runJourney(async (place) => {
    const { ada, ben, id } = await openAndLeave(place, { ...PHONE, ...DARK });
    await ben.sendMessages(id, lines(30));
    await goTo(ada, id);
    await unreadBar(ada).getByText('30 new').waitFor();
    await ada.checkAccessibility('unread above phone dark');
    await ada.assertNoHorizontalScroll();
    await ada.page.setViewportSize({ width: 320, height: 640 });
    await ada.assertNoHorizontalScroll();
    await ben.page.evaluate(() => fetch('/v1/me', {
      method: 'PATCH', headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'Benedikt-Maximilian-Theophil Okafor-Vandenberghe' }),
    }));
    const field = ada.page.getByPlaceholder(/^Write to .?Benedikt-Maximil/u);
    await field.waitFor();
    assert.ok(await field.evaluate((one) => one.clientHeight < 48), 'the composer has one line');
    await ada.takeScreenshot('narrow with a long name');
    await unreadBar(ada).getByRole('button', { name: 'Jump' }).tap();
    await until(() => seesDivider(ada), Boolean, 'the divider is on the screen');
    assert.deepEqual([...ada.errors, ...ben.errors], []);
  }, SETTINGS));

/** Returns the positions of the visible messages. @param {UserPage} person @returns {Promise<[number, number][]>} */
function readPositions({ page }) {
  return page.locator('.message-log').evaluate((log) => {
    const { top, bottom } = log.getBoundingClientRect();
    return [...log.querySelectorAll('parlor-message')].filter((one) => {
      const box = one.getBoundingClientRect();
      return box.bottom > top && box.top < bottom;
    }).map((one) => [/** @type {any} */ (one).seq, Math.round(one.getBoundingClientRect().top)]);
  });
}

/** Records in `window.tops` where a message is drawn in each frame, after the reactions to a changed size, such as the
 * offline banner's. @param {UserPage['page']} page @param {number} seq @returns {Promise<void>} */
function recordTops(page, seq) {
  return page.evaluate((held) => {
    const tops = /** @type {number[]} */ ([]);
    const probe = document.createElement('div');
    probe.style.cssText = 'position: fixed; inset: 0 auto auto 0; block-size: 1px; visibility: hidden';
    document.body.append(probe);
    new ResizeObserver(() => {
      const messages = [...document.querySelectorAll('.message-log parlor-message')];
      const message = messages.find((one) => /** @type {any} */ (one).seq === held);
      const top = message ? Math.round(message.getBoundingClientRect().top) : NaN;
      if (tops.at(-1) !== top) tops.push(top);
    }).observe(probe);
    const next = () => {
      probe.style.inlineSize = probe.style.inlineSize === '1px' ? '2px' : '1px';
      requestAnimationFrame(next);
    };
    next();
    Object.assign(window, { tops });
  }, seq);
}

/** @param {UserPage} person @param {number} conversation @param {string} text @returns {Promise<number>} its seq */
function seqOf({ page }, conversation, text) {
  return page.evaluate(async ([id, words]) => {
    const { messages } = await (await fetch(`/v1/conversations/${id}/messages?limit=100`)).json();
    return messages.find((/** @type {any} */ one) => one.text === words).seq;
  }, /** @type {const} */ ([conversation, text]));
}

/** Changes a message through the API, past the page. @param {UserPage} person @param {number} conversation
 * @param {number} seq @param {string|null} text null deletes it */
async function changeMessage({ page }, conversation, seq, text) {
  const status = await page.evaluate(async ([id, at, words]) => {
    const edit = {
      method: 'PATCH', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ text: words }),
    };
    const path = `/v1/conversations/${id}/messages/${at}`;
    return (await fetch(path, words === null ? { method: 'DELETE' } : edit)).status;
  }, /** @type {const} */ ([conversation, seq, text]));
  assert.equal(status, 200);
}

/** @param {UserPage} person @param {string} words */
async function search({ page }, words) {
  await page.getByRole('searchbox', { name: 'Search conversations and messages' }).fill(words);
}

test('a failed jump says why and moves nothing', () =>
  runJourney(async ({ server, proxy, browser }) => {
    const ada = await UserPage.open(browser, proxy.link(server.links.ada));
    const ben = await UserPage.open(browser, server.links.ben);
    const { page } = ada;
    await ada.openConversation(ITEM);
    await ben.openConversation(ITEM);
    const id = ada.conversationId();
    await ben.sendMessages(id, ['The needle', ...lines(170)]);
    const seq = (await seqOf(ben, id, 'Line 170')) - 170;
    await ben.sendMessages(id, ['About the needle', 'Of itself'], { reply_to: seq });
    await changeMessage(ben, id, seq, null);
    const quote = ada.bubble('About the needle').locator('button.quote', { hasText: 'This message was deleted' });
    await quote.waitFor();
    const before = await readPositions(ada);
    await quote.click();
    const toast = page.locator('.toast');
    await toast.getByText('That message was deleted.').waitFor();
    assert.deepEqual(await readPositions(ada), before);
    await ada.checkAccessibility('jump to what was deleted');
    // A result in another conversation, which cannot be loaded.
    await ada.openConversation(OTHER);
    await search(ada, 'Line 7');
    const results = page.locator('parlor-result');
    await until(() => results.count(), (count) => count > 3, 'the search has results');
    const there = await readPositions(ada);
    proxy.setState('closed');
    await results.last().click();
    await toast.getByText('Not shown: no connection.').waitFor();
    assert.deepEqual(await readPositions(ada), there);
    await page.getByRole('heading', { name: OTHER }).waitFor();
    proxy.setState('open');
    await page.locator('parlor-inbox:not([data-offline])').waitFor();
    await toast.click();
    await toast.waitFor({ state: 'detached' });
    await until(async () => {
      await results.last().press('Enter');
      return page.locator('parlor-message.jumped').count();
    }, (count) => count === 1, 'then the jump happens');
    assert.deepEqual([...ada.errors, ...ben.errors], []);
  }, SETTINGS));

test('search results follow edits and deletions', () =>
  runJourney(async (place) => {
    const { ada, ben, id } = await openAndLeave(place);
    const { page } = ada;
    await ben.sendMessages(id, ['A needle of brass', 'A needle of bone', 'A needle of pine']);
    const [brass, bone, pine] = await Promise.all(
      ['brass', 'bone', 'pine'].map((one) => seqOf(ben, id, `A needle of ${one}`)));
    const results = page.locator('parlor-result');
    await until(async () => {
      await search(ada, '');
      await search(ada, 'needle');
      await page.locator('.found-count').getByText('found').waitFor();
      return results.count();
    }, (count) => count === 3, 'all messages are found');
    await changeMessage(ben, id, brass, 'A small needle, made of brass');
    await results.getByText('A small needle, made of brass').waitFor();
    assert.equal(await results.locator('mark', { hasText: 'needle' }).count(), 3);
    assert.equal(await results.getByText('A needle of brass').count(), 0);
    await changeMessage(ben, id, bone, 'Something else altogether');
    await until(() => results.count(), (count) => count === 2, 'a result that no longer matches disappears');
    await changeMessage(ben, id, pine, null);
    await until(() => results.count(), (count) => count === 1, 'a deleted result disappears');
    await page.locator('.found-count').getByText('1 found').waitFor();
    assert.deepEqual([...ada.errors, ...ben.errors], []);
  }, SETTINGS));

test('loading earlier messages keeps the selection and the focus', () =>
  runJourney(async (place) => {
    const { ada, ben, id } = await openAndLeave(place);
    const { page } = ada;
    // All within one minute, so that the pages meet within a message group.
    await ben.sendMessages(id, lines(220));
    await page.reload();
    await goTo(ada, id);
    await ada.bubble('Line 220').waitFor();
    const first = () => page.evaluate(() => /** @type {any} */ (document.querySelector('parlor-message'))?.seq);
    const held = await first();
    await page.evaluate(() => {
      const messages = /** @type {HTMLElement} */ (document.querySelector('parlor-message'));
      messages.focus({ preventScroll: true });
      getSelection()?.selectAllChildren(/** @type {Node} */ (messages.querySelector('.text')));
      Object.assign(window, { held: messages, words: String(getSelection()) });
    });
    // A redraw before the scroll event does not undo the scrolling.
    const top = await page.locator('.message-log').evaluate((log) => {
      log.scrollTop = 0;
      /** @type {any} */ (document.querySelector('parlor-inbox')).render();
      return log.scrollTop;
    });
    assert.equal(top, 0);
    await until(first, (seq) => seq < held, 'earlier messages have loaded');
    const kept = await page.evaluate(() => {
      const { held: messages, words } = /** @type {any} */ (window);
      return [messages.isConnected, document.activeElement === messages, words !== '' && String(getSelection()) === words];
    });
    assert.deepEqual(kept, [true, true, true]);
    assert.deepEqual([...ada.errors, ...ben.errors], []);
  }, SETTINGS));

test('a member who is removed while reading older messages no longer sees the conversation', () =>
  runJourney(async ({ server, browser }) => {
    const ada = await UserPage.open(browser, server.links.ada);
    const ben = await UserPage.open(browser, server.links.ben);
    const me = await ada.page.evaluate(async () => (await (await fetch('/v1/me')).json()).id);
    const id = await ben.page.evaluate(async (user) => {
      const answer = await fetch('/v1/conversations', {
        method: 'POST', headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ client_id: crypto.randomUUID(), group: { title: 'Desk', users: [user] } }),
      });
      return (await answer.json()).conversation.id;
    }, me);
    await ben.sendMessages(id, lines(60));
    await goTo(ada, id);
    await ada.bubble('Line 60').waitFor();
    await ada.page.getByRole('log').focus();
    await ada.page.keyboard.press('Home');
    await until(() => ada.distanceToEnd(), (far) => far > 500, 'Ada reads further up');
    const status = await ben.page.evaluate(async ([group, user]) =>
      (await fetch(`/v1/conversations/${group}/members/${user}`, { method: 'DELETE' })).status, [id, me]);
    assert.equal(status, 200);
    await ada.page.getByRole('heading', { name: 'There is no such conversation' }).waitFor();
    assert.equal(await ada.page.locator('parlor-message').first().isVisible(), false);
    assert.deepEqual([...ada.errors, ...ben.errors], []);
  }, SETTINGS));

test('a user who reads older messages stays there, however much changed meanwhile', () =>
  runJourney(async ({ server, proxy, browser }) => {
    const ada = await UserPage.open(browser, proxy.link(server.links.ada));
    const ben = await UserPage.open(browser, server.links.ben);
    const { page } = ada;
    await ada.openConversation(ITEM);
    await ben.openConversation(ITEM);
    const id = ada.conversationId();
    await ben.sendMessages(id, lines(160));
    await ada.bubble('Line 160').waitFor();
    const seq = await seqOf(ben, id, 'Line 100');
    await page.locator('.message-log').hover();
    await until(async () => {
      await page.mouse.wheel(0, -400);
      return (await readPositions(ada))[0][0];
    }, (first) => first < seq, 'Ada reads further up');
    await until(() => page.locator('.floating-day.there').count(), (count) => count === 0, 'the view has settled');
    const before = await readPositions(ada);
    const [first] = before;
    await recordTops(page, before[1][0]);
    proxy.setState('closed');
    await ben.sendMessages(id, lines(60, 'While away'));
    await changeMessage(ben, id, before[1][0], 'Changed while away');
    proxy.setState('open');
    await page.getByRole('button', { name: '60 new' }).waitFor();
    await ada.bubble('Changed while away').waitFor();
    await until(() => readPositions(ada), (now) => now[0][0] === first[0] && now[0][1] === first[1], 'the view has not moved');
    assert.deepEqual(await page.evaluate(() => /** @type {any} */ (window).tops), [before[1][1]],
      'and never moved in between');
    await page.getByRole('button', { name: '60 new' }).click();
    await ada.bubble('While away 60').waitFor();
    assert.deepEqual([...ada.errors, ...ben.errors], []);
  }, { ...SETTINGS, PARLOR_LIMITS_CHANGES_ROWS_MAX: '20' }));
