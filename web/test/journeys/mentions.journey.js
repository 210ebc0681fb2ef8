/**
 * Mentions in a group: completed in the composer, drawn in the message, shown in the list until they are read.
 *
 * @import {Page} from 'playwright-core'
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runJourney } from './support/journey.js';
import { UserPage } from './support/user-page.js';
import { until } from './support/wait.js';

const OPTIONS = '.completion [role="option"]';

/** Ada opens a group with Ben and Mira. @param {UserPage} ada @returns {Promise<number>} */
const openGroup = (ada) => ada.page.evaluate(async () => {
  const people = await Promise.all(['Ben', 'Mira'].map(async (name) => {
    const found = await (await fetch(`/v1/users?query=${name}`)).json();
    return found.users[0].id;
  }));
  const answer = await fetch('/v1/conversations', {
    method: 'POST', headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ client_id: crypto.randomUUID(), group: { title: 'Umbrella desk', users: people } }),
  });
  return (await answer.json()).conversation.id;
});

/** @param {Page} page @param {number} id */
async function show(page, id) {
  await page.evaluate((conversation) => { location.hash = `#/c/${conversation}`; }, id);
  await page.locator('.composer textarea').waitFor();
}

/** @param {Page} page */
const field = (page) => page.getByRole('textbox', { name: 'Message' });
/** @param {Page} page @returns {Promise<string[]>} the mentions in the last message */
const mentions = (page) => page.locator('parlor-message').last().locator('.mention').allTextContents();
/** @param {Page} page */
const row = (page) => page.locator('parlor-row', { hasText: 'Umbrella desk' });

test('a member is mentioned by name: completed, kept through changes of the text, marked, and shown in the list until read', () =>
  runJourney(async ({ server, browser }) => {
    const ada = await UserPage.open(browser, server.links.ada);
    const ben = await UserPage.open(browser, server.links.ben);
    const { page } = ada;
    const id = await openGroup(ada);
    await show(page, id);
    await field(page).focus();
    await page.keyboard.type('Thanks, @');
    await until(() => page.locator(OPTIONS).count(), (count) => count === 2, 'everybody but Ada');
    await ada.checkAccessibility('completion of names');
    await ada.takeScreenshot('mention completion');
    await page.keyboard.type('be');
    await until(() => page.locator(OPTIONS).allTextContents(), (all) => all.length === 1 && all[0].includes('Ben Okafor'), 'Ben');
    await page.keyboard.press('Enter');
    assert.equal(await field(page).inputValue(), 'Thanks, @Ben Okafor ');
    assert.equal(await page.locator('.completion').isVisible(), false);
    await page.keyboard.type('and @mira');
    await page.locator(OPTIONS).first().waitFor();
    await page.keyboard.press('Tab');
    // Text before them moves them; a changed letter makes one text again.
    await page.keyboard.press('Home');
    await page.keyboard.type('Many ');
    await page.keyboard.press('End');
    for (let index = 0; index < 3; index += 1) await page.keyboard.press('Backspace');
    // A draft keeps them over a reload.
    await page.reload();
    await until(() => field(page).inputValue(), (text) => text === 'Many Thanks, @Ben Okafor and @Mira Sandov', 'the draft');
    await field(page).press('Enter');
    await until(() => mentions(page), (all) => all.join() === '@Ben Okafor', 'one mention');
    await row(ben.page).locator('.badge.at').waitFor();
    await row(ben.page).getByText('Mentions you').waitFor({ state: 'attached' });
    await ben.checkAccessibility('list with a mention');
    await ben.takeScreenshot('mention in the list');
    await row(ben.page).click();
    await until(() => ben.page.locator('parlor-message').last().locator('.mention.mine').allTextContents(), (all) => all.join() === '@Ben Okafor', 'it is marked');
    assert.match(await ben.page.locator('parlor-message').last().getAttribute('aria-label') ?? '', /Mentions you/u);
    await row(ben.page).locator('.badge.at').waitFor({ state: 'detached' });
    await ben.checkAccessibility('a message with a mention');
    await ben.takeScreenshot('mention in the message');

    // An edit keeps it, moved.
    await field(page).press('ArrowUp');
    await page.getByRole('button', { name: 'Save' }).waitFor();
    await page.keyboard.press('Home');
    await page.keyboard.type('So: ');
    await page.keyboard.press('Enter');
    await until(() => ben.page.locator('parlor-message').last().locator('.text').innerText(), (text) => text.startsWith('So: Many'), 'edited');
    assert.deepEqual(await mentions(ben.page), ['@Ben Okafor']);
    assert.deepEqual([...ada.errors, ...ben.errors], []);
  }));

test('a mention that waits for the connection is sent as one', () =>
  runJourney(async ({ server, browser }) => {
    const ada = await UserPage.open(browser, server.links.ada);
    const ben = await UserPage.open(browser, server.links.ben);
    const { page } = ada;
    const id = await openGroup(ada);
    await show(page, id);
    await field(page).focus();
    await page.keyboard.type('Hello @ben');
    await page.locator(OPTIONS).first().waitFor();
    await ada.context.setOffline(true);
    await page.keyboard.press('Enter');
    await page.keyboard.press('Enter');
    await until(() => mentions(page), (all) => all.join() === '@Ben Okafor', 'it waits');
    await ada.context.setOffline(false);
    await row(ben.page).locator('.badge.at').waitFor();
    assert.deepEqual([...ada.errors, ...ben.errors], []);
  }));

for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
  test(`mentions in ${colorScheme}, on a phone and from right to left`, () =>
    runJourney(async ({ server, browser }) => {
      const ada = await UserPage.open(browser, server.links.ada, { colorScheme });
      const id = await openGroup(ada);
      const me = await ada.page.evaluate(async () => (await (await fetch('/v1/me')).json()).id);
      const text = 'شكرا @Ada Winter وإلى اللقاء';
      const ben = await UserPage.open(browser, server.links.ben, {
        colorScheme, locale: 'ar', viewport: { width: 390, height: 760 },
      });
      const mentionIn = (/** @type {string} */ words) => ({ mentions: [{ user: me, at: words.indexOf('@'), length: 11 }] });
      for (const one of [text, 'Would *@Ada Winter* know, or `@Ada Winter`?']) await ben.sendMessages(id, [one], mentionIn(one));
      await show(ada.page, id);
      await until(() => ada.page.locator('.mention.mine').count(), (count) => count >= 2, 'both');
      await ada.checkAccessibility(`mentions ${colorScheme}`);
      await ada.takeScreenshot(`mentions 1280 ${colorScheme}`);
      await show(ben.page, id);
      await ben.page.locator('.mention').first().waitFor();
      const input = ben.page.locator('textarea');
      await input.click();
      await ben.page.keyboard.type('@');
      await ben.page.locator(OPTIONS).first().waitFor();
      await ben.checkAccessibility(`mentions from right to left ${colorScheme}`);
      await ben.takeScreenshot(`mentions 390 rtl ${colorScheme}`);
      await ben.assertNoHorizontalScroll();
      assert.deepEqual([...ada.errors, ...ben.errors], []);
    }));
}
