/**
 * What another application shares with the inbox, after its address has reached the page (`offline.journey.js` has the way
 * there).
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ITEM } from './support/fixtures.js';
import { runJourney } from './support/journey.js';
import { UserPage } from './support/user-page.js';
import { until } from './support/wait.js';

test('a closed conversation cannot be picked, and says so; the text waits for another', () =>
  runJourney(async ({ server, browser }) => {
    const ada = await UserPage.open(browser, server.links.ada);
    const { page } = ada;
    const closed = (/** @type {string|Buffer} */ text) => String(text).replaceAll('"closed":false', '"closed":true');
    await page.routeWebSocket(/\/v1\/socket/u, (socket) => {
      const way = socket.connectToServer();
      way.onMessage((frame) => socket.send(closed(frame)));
    });
    await page.route(/\/v1\/conversations/u, async (route) => {
      const response = await route.fetch();
      await route.fulfill({ response, body: closed(await response.text()) });
    });
    await page.goto(`${new URL('/', server.links.ada).href}?${new URLSearchParams({ 'share-text': 'Words to share' })}`);
    const dialog = page.getByRole('dialog', { name: 'Share with' });
    await dialog.getByRole('option', { name: ITEM }).first().click();
    await dialog.getByText('is closed. No more messages can be sent. Choose another conversation.').waitFor();
    await ada.checkAccessibility('a closed conversation for what is shared');
    await dialog.getByRole('option', { name: 'Lost and found desk' }).click();
    const field = page.getByRole('textbox', { name: 'Message' });
    await until(() => field.inputValue(), (text) => text === 'Words to share', 'the text waits');
    assert.ok(!page.url().includes('share'));
    await page.reload();
    await page.locator('parlor-row').first().waitFor();
    assert.equal(await dialog.count(), 0, 'a reload does not share it again');
    assert.deepEqual(ada.errors, []);
  }));

test('what was shared before somebody signed in waits for them', () =>
  runJourney(async ({ server, browser }) => {
    const context = await browser.newContext({ locale: 'en-GB' });
    const ada = new UserPage(context, await context.newPage());
    await ada.page.goto(`${new URL('/', server.links.ada).href}?share-url=https%3A%2F%2Fexample.com%2Fbench`);
    await ada.page.locator('parlor-sign-in form').waitFor();
    await ada.page.goto(server.links.ada);
    await ada.page.getByRole('dialog', { name: 'Share with' }).getByRole('option', { name: 'Mira' }).click();
    await until(() => ada.page.getByRole('textbox', { name: 'Message' }).inputValue(), (text) => text === 'https://example.com/bench', 'it waits');
    assert.deepEqual(ada.errors, []);
  }));
