/**
 * Drafts on two devices of one user.
 *
 * @import {Page} from 'playwright-core'
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ITEM } from './support/fixtures.js';
import { runJourney } from './support/journey.js';
import { UserPage } from './support/user-page.js';
import { until } from './support/wait.js';

/** @param {Page} page */
const field = (page) => page.getByRole('textbox', { name: 'Message' });
/** @param {Page} page @returns {Promise<{text: string}[]>} what the server has */
const saved = (page) => page.evaluate(async () => (await (await fetch('/v1/me')).json()).drafts ?? []);
/** @param {Page} page @param {string} text waits until the server has it, or nothing */
const untilSaved = (page, text) => until(() => saved(page), (all) => (all[0]?.text ?? '') === text, `saved: ${text}`);
/** @param {Page} page @param {string} text waits until the field has it */
const untilShown = (page, text) => until(() => field(page).inputValue(), (value) => value === text, `shown: ${text}`);
/** @param {Page} page @param {string} text the row with the draft */
const draftIn = (page, text) => page.locator('parlor-row', { hasText: text }).locator('.draft');
/** @param {Page} page */
const leave = (page) => page.locator('parlor-row', { hasText: 'Tomás Ferreira' }).first().click();

test('a draft follows the user to another device, and goes with the message', () =>
  runJourney(async ({ server, browser }) => {
    const desk = await UserPage.open(browser, server.links.ada);
    const phone = await UserPage.open(browser, server.links.ada);
    const ben = await UserPage.open(browser, server.links.ben);
    await desk.openConversation(ITEM);
    await field(desk.page).pressSequentially('Written at the desk');
    await untilSaved(phone.page, 'Written at the desk');
    await draftIn(phone.page, 'Written at the desk').waitFor();
    await phone.takeScreenshot('draft of another device');
    assert.deepEqual(await saved(ben.page), []);
    await phone.openConversation(ITEM);
    assert.equal(await field(phone.page).inputValue(), 'Written at the desk');
    await field(phone.page).press('End');
    await field(phone.page).pressSequentially(', sent from the phone');
    await untilSaved(desk.page, 'Written at the desk, sent from the phone');
    assert.equal(await field(desk.page).inputValue(), 'Written at the desk', 'the open field stays');
    await phone.takeScreenshot('draft continued');
    await field(phone.page).press('Enter');
    await untilSaved(phone.page, '');
    await ben.openConversation(ITEM);
    await ben.page.getByText('Written at the desk, sent from the phone').first().waitFor();
    await untilShown(desk.page, '');

    // Shown on both: what one of them sends disappears from the other.
    await field(desk.page).pressSequentially('Once more');
    await untilSaved(desk.page, 'Once more');
    await phone.page.reload();
    await untilShown(phone.page, 'Once more');
    await field(phone.page).press('Enter');
    await untilShown(desk.page, '');

    // Left at once, and continued without a connection.
    await field(desk.page).fill('Left in a hurry');
    await leave(desk.page);
    await untilSaved(desk.page, 'Left in a hurry');
    await desk.context.setOffline(true);
    await desk.openConversation(ITEM);
    await field(desk.page).press('End');
    await field(desk.page).pressSequentially(', and offline');
    await leave(desk.page);
    await draftIn(desk.page, 'and offline').waitFor();
    await desk.context.setOffline(false);
    await desk.openConversation(ITEM);
    assert.equal(await field(desk.page).inputValue(), 'Left in a hurry, and offline');
    await field(desk.page).press('Enter');
    await untilSaved(desk.page, '');
    assert.deepEqual([...desk.errors, ...phone.errors, ...ben.errors], []);
  }));
