/**
 * Reporting a message, settling the report, and the warning of its sender.
 *
 * @import {Browser, Page} from 'playwright-core'
 * @import {TestServer} from './support/test-server.js'
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { ITEM } from './support/fixtures.js';
import { runJourney } from './support/journey.js';
import { UserPage } from './support/user-page.js';

const SAID = 'Pay me 50 first.';

/** Adds a moderator, who is in no conversation, and opens their page. @param {Browser} browser @param {TestServer} server
 * @param {string} login @param {string} name */
async function openModerator(browser, server, login, name) {
  const { stdout } = await server.runCommand('user', 'add', login, '--name', name, '--json');
  const person = await UserPage.open(browser, `http://127.0.0.1:${server.port}/`);
  await person.page.getByLabel('E-mail or name').fill(login);
  await person.page.getByLabel('Password').fill(JSON.parse(stdout).password);
  await person.page.getByRole('button', { name: 'Sign in' }).click();
  await person.page.getByRole('heading', { name: 'No conversations yet' }).waitFor();
  await server.runCommand('user', 'moderator', login, 'on');
  await person.page.getByRole('button', { name: 'Reports, 0 open' }).click();
  await person.page.getByRole('heading', { name: 'No open reports' }).waitFor();
  return person;
}

/** @param {Page} page */
const queue = (page) => page.locator('parlor-reports');

/** @param {Page} page */
const focusedText = (page) => page.evaluate(() => document.activeElement?.textContent ?? '');

test('a moderator sees a report at once and settles it without the conversation, and its sender is warned', () =>
  runJourney(async ({ server, browser }) => {
    const [ada, ben] = [await UserPage.open(browser, server.links.ada), await UserPage.open(browser, server.links.ben)];
    const [cem, dora] = [await openModerator(browser, server, 'cem', 'Cem Acar'), await openModerator(browser, server, 'dora', 'Dora Blum')];
    await ben.openConversation(ITEM);
    await ben.send(SAID);

    await ada.openConversation(ITEM);
    assert.equal(await ada.page.getByRole('button', { name: /^Reports/u }).count(), 0, 'Ada is no moderator');
    await ada.bubble(SAID).click({ button: 'right' });
    await ada.page.getByRole('menuitem', { name: 'Report…' }).click();
    const dialog = ada.page.getByRole('dialog');
    await dialog.getByRole('button', { name: 'Report', exact: true }).click();
    await dialog.getByText('Choose what is wrong with it.').waitFor();
    await ada.checkAccessibility('reporting a message');
    await dialog.getByLabel('Fraud').check();
    await dialog.getByRole('textbox').fill('They want money first.');
    await dialog.getByRole('button', { name: 'Report', exact: true }).click();
    await ada.page.getByText('Reported. A moderator will look at it.').waitFor();

    for (const { page } of [cem, dora]) {
      await page.getByRole('button', { name: 'Reports, 1 open' }).waitFor();
      await queue(page).getByText(SAID).waitFor();
    }
    await cem.checkAccessibility('a report in the queue');
    for (const { page } of [cem, dora]) {
      await queue(page).getByRole('link', { name: SAID }).click();
      await queue(page).locator('.reported').getByText(SAID).waitFor();
      await queue(page).getByText('They want money first.').waitFor();
    }
    await cem.checkAccessibility('a report');
    const saving = cem.page.waitForEvent('download');
    await queue(cem.page).getByRole('link', { name: 'Save evidence' }).click();
    assert.ok(readFileSync(await (await saving).path(), 'utf8').includes(SAID));

    const note = queue(dora.page).getByRole('textbox');
    await note.fill('It is a pattern.');
    await queue(dora.page).getByRole('link', { name: 'Back to the reports' }).click();
    await queue(dora.page).getByRole('link', { name: SAID }).click();
    await queue(dora.page).locator('.reported').waitFor();
    assert.equal(await note.inputValue(), 'It is a pattern.', 'a note that was not sent stays');

    await queue(cem.page).getByRole('textbox').fill('The first time.');
    await queue(cem.page).getByRole('button', { name: 'Remove and warn' }).click();
    await queue(cem.page).getByText('You removed the message and warned Ben Okafor.').waitFor();
    assert.equal(await focusedText(cem.page), 'Back to the reports', 'the way on is in the place of the button');
    await cem.checkAccessibility('a settled report');
    await queue(dora.page).getByText('Cem Acar removed the message and warned Ben Okafor.').waitFor();
    await queue(dora.page).getByText('The first time.').waitFor();
    await queue(dora.page).getByText('Somebody else has settled this report.').waitFor();
    assert.deepEqual([await note.inputValue(), await note.isEditable()], ['It is a pattern.', false], 'what was written can be copied');
    assert.equal(await queue(dora.page).getByRole('button', { name: 'Dismiss' }).count(), 0);
    await dora.checkAccessibility('a report that somebody else settled');
    assert.equal(await queue(dora.page).getByText(SAID).count(), 0, 'the copies are gone');
    await dora.page.getByRole('button', { name: 'Reports, 0 open' }).waitFor();

    await ada.page.locator('parlor-thread').getByText('This message was deleted').waitFor();
    const warning = ben.page.getByRole('region', { name: 'Warning' });
    await warning.getByText('warns you').waitFor();
    await ben.checkAccessibility('a warning');
    await warning.getByRole('button', { name: 'Show message' }).click();
    await ben.page.locator('parlor-thread').getByText('This message was deleted').waitFor();
    await warning.getByRole('button', { name: 'OK' }).click();
    await warning.waitFor({ state: 'detached' });
    assert.equal(await ben.page.evaluate(() => document.activeElement === document.body), false, 'the focus is not lost');
    await ben.page.reload();
    await ben.page.locator('parlor-row').first().waitFor();
    assert.equal(await warning.count(), 0, 'it was read');
    assert.deepEqual([...ada.errors, ...ben.errors, ...cem.errors, ...dora.errors], []);
  }));
