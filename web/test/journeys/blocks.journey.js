/**
 * Blocking: from a message and from the list, on two devices of one user, and what the other one sees.
 *
 * @import {Page} from 'playwright-core'
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ITEM } from './support/fixtures.js';
import { runJourney } from './support/journey.js';
import { UserPage } from './support/user-page.js';

/** @param {Page} page */
const notice = (page) => page.locator('parlor-composer .closed');

/** @param {Page} page @param {string} text */
const rowOf = (page, text) => page.locator('parlor-row', { hasText: text }).first();

test('who blocks somebody sees a notice on all devices, and the other one learns that nothing is delivered', () =>
  runJourney(async ({ server, browser }) => {
    const desk = await UserPage.open(browser, server.links.ada);
    const phone = await UserPage.open(browser, server.links.ada, { viewport: { width: 390, height: 800 } });
    const ben = await UserPage.open(browser, server.links.ben);
    for (const person of [desk, phone, ben]) await person.openConversation(ITEM);

    await rowOf(desk.page, ITEM).click({ button: 'right' });
    await desk.page.getByRole('menuitem', { name: /^Block .*Ben/u }).click();
    await desk.checkAccessibility('the question before a block');
    await desk.page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click();
    assert.equal(await notice(desk.page).isVisible(), false, 'nothing has happened');

    const message = desk.page.locator('parlor-message').last();
    await message.click({ button: 'right' });
    await desk.page.getByRole('menuitem', { name: /^Block .*Ben/u }).click();
    await desk.page.getByRole('dialog').getByRole('button', { name: 'Block', exact: true }).click();
    for (const { page } of [desk, phone]) {
      await notice(page).getByText('You blocked').waitFor();
      assert.equal(await page.getByRole('textbox', { name: 'Message' }).isVisible(), false);
    }
    await desk.checkAccessibility('a conversation with a blocked user');
    await desk.takeScreenshot('blocked 1280');
    await phone.takeScreenshot('blocked 390');

    await ben.send('Are you there?');
    await ben.page.getByText('Not sent: not allowed.').first().waitFor();
    assert.equal(await ben.page.getByText('blocked').count(), 0, 'Ben is not told why');

    await notice(phone.page).getByRole('button', { name: 'Unblock' }).click();
    for (const { page } of [desk, phone]) await page.getByRole('textbox', { name: 'Message' }).waitFor();
    await ben.page.getByRole('button', { name: 'Retry' }).first().click();
    await desk.page.getByText('Are you there?').first().waitFor();
    assert.deepEqual([...desk.errors, ...phone.errors, ...ben.errors], []);
  }));

test('the settings list everybody who is blocked, and end it', () =>
  runJourney(async ({ server, browser }) => {
    const ada = await UserPage.open(browser, server.links.ada);
    const { page } = ada;
    await rowOf(page, ITEM).click({ button: 'right' });
    await page.getByRole('menuitem', { name: /^Block .*Ben/u }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Block', exact: true }).click();
    await page.locator('.toast', { hasText: 'is blocked' }).waitFor();
    await page.goto(`${page.url().split('#')[0]}#/settings`);
    const unblock = page.getByRole('button', { name: /^Unblock .*Ben/u });
    await unblock.scrollIntoViewIfNeeded();
    await ada.checkAccessibility('settings with a blocked user');
    await ada.takeScreenshot('blocked people');
    await unblock.click();
    await page.getByText('You have blocked nobody.').waitFor();
    assert.deepEqual(ada.errors, []);
  }));
