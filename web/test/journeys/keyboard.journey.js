/**
 * The keyboard: the switcher, the sheet of shortcuts, which key sends, and editing the last message.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ITEM, PHONE } from './support/fixtures.js';
import { field } from './support/message-steps.js';
import { runJourney } from './support/journey.js';
import { UserPage } from './support/user-page.js';
import { until } from './support/wait.js';

test('Ctrl+K finds conversations by name and by what they are about, and people, and opens them', () =>
  runJourney(async ({ server, browser }) => {
    const ada = await UserPage.open(browser, server.links.ada);
    const { page } = ada;
    await ada.openConversation('Tomás Ferreira');
    await field(ada).focus();
    await page.keyboard.press('Control+k');
    const dialog = page.getByRole('dialog', { name: 'Go to a conversation or a person' });
    const options = dialog.getByRole('option');
    await dialog.waitFor();
    assert.ok((await options.count()) > 3, 'all conversations at first');
    const row = await options.first().boundingBox();
    assert.ok(row && row.height >= 44 && row.width > 300, JSON.stringify(row));
    await ada.checkAccessibility('switcher');
    await page.keyboard.press('ArrowDown');
    assert.equal(await options.nth(1).getAttribute('aria-selected'), 'true');
    const active = await dialog.getByRole('combobox').getAttribute('aria-activedescendant');
    assert.equal(await options.nth(1).getAttribute('id'), active);
    await page.keyboard.type(ITEM);
    await until(() => options.count(), (count) => count === 1, 'what it is about');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Ben Okafor' }).waitFor();
    await until(() => field(ada).evaluate((one) => one === document.activeElement), Boolean, 'one can write at once');
    // A person, with whom there is no conversation without a context.
    await page.keyboard.press('Control+k');
    await page.keyboard.type('mira');
    await until(() => options.count(), (count) => count === 2, 'a conversation and a person');
    await page.keyboard.press('ArrowUp');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Mira Sandoval', exact: true }).waitFor();
    await page.keyboard.press('Control+k');
    await page.keyboard.type('nobody like it');
    await dialog.getByText('Nothing found.').waitFor();
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
    assert.deepEqual(ada.errors, []);
  }));

test('Ctrl+/ and ? show the shortcuts, and ? is written where one writes', () =>
  runJourney(async ({ server, browser }) => {
    const ada = await UserPage.open(browser, server.links.ada);
    const { page } = ada;
    await ada.openConversation(ITEM);
    await field(ada).focus();
    await page.keyboard.type('Why?');
    assert.equal(await field(ada).inputValue(), 'Why?');
    await page.keyboard.press('Control+/');
    const dialog = page.getByRole('dialog', { name: 'Keyboard shortcuts' });
    await dialog.waitFor();
    await ada.checkAccessibility('shortcuts');
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
    assert.equal(await field(ada).evaluate((one) => one === document.activeElement), true, 'the focus is back');
    await page.locator('parlor-row').first().focus();
    await page.keyboard.press('?');
    await dialog.waitFor();
    for (const width of [1280, 390]) {
      await page.setViewportSize({ width, height: 800 });
      const body = await dialog.boundingBox();
      for (const box of await Promise.all((await dialog.locator('kbd').all()).map((one) => one.boundingBox()))) {
        assert.ok(body && box && box.x >= body.x && box.x + box.width <= body.x + body.width, JSON.stringify([body, box]));
      }
    }
    await ada.takeScreenshot('shortcuts 390');
    await page.emulateMedia({ colorScheme: 'dark', forcedColors: 'active' });
    await ada.takeScreenshot('shortcuts 390 forced colours');
    assert.deepEqual(ada.errors, []);
  }));

test('by choice Ctrl+Enter sends and Enter starts a new line; the empty field edits the last message', () =>
  runJourney(async ({ server, browser }) => {
    const ada = await UserPage.open(browser, server.links.ada);
    const { page } = ada;
    await page.evaluate(() => { location.hash = '#/settings'; });
    await page.getByRole('radio', { name: 'Ctrl Enter' }).check();
    const heading = page.getByRole('heading', { name: 'Settings', exact: true });
    const isAtHeading = () => heading.evaluate((one) => one === document.activeElement);
    await page.keyboard.press('F6');
    assert.equal(await page.locator('parlor-row').first().evaluate((one) => one.contains(document.activeElement)), true);
    await page.keyboard.press('F6');
    assert.equal(await isAtHeading(), true, 'F6 goes from the list to the settings');
    await ada.openConversation(ITEM);
    await field(ada).focus();
    await page.keyboard.type('one');
    await page.keyboard.press('Enter');
    await page.keyboard.type('two');
    assert.equal(await field(ada).inputValue(), 'one\ntwo');
    assert.equal(await page.getByRole('button', { name: 'Send', exact: true }).getAttribute('title'), 'Send');
    await page.keyboard.press('Control+Enter');
    await until(() => field(ada).inputValue(), (text) => text === '', 'it is sent');
    await until(() => page.locator('parlor-message').last().evaluate((one) => /** @type {any} */ (one).seq), (seq) => seq > 0,
      'the server has it');
    await page.keyboard.press('ArrowUp');
    await until(() => field(ada).inputValue(), (text) => text === 'one\ntwo', 'the last message is edited');
    await page.keyboard.press('Escape');
    // The choice stays.
    await page.reload();
    await page.locator('parlor-message-group').first().waitFor();
    await field(ada).focus();
    await page.keyboard.type('a');
    await page.keyboard.press('Enter');
    assert.equal(await field(ada).inputValue(), 'a\n');
    assert.deepEqual(ada.errors, []);
  }));

test('on a phone the keyboard has a key for a new line', () =>
  runJourney(async ({ server, browser }) => {
    const ada = await UserPage.open(browser, server.links.ada, PHONE);
    await ada.openConversation(ITEM);
    assert.equal(await field(ada).getAttribute('enterkeyhint'), 'enter');
    assert.deepEqual(ada.errors, []);
  }));
