/**
 * Input methods: keys, touch and right click, what is refused at once, and what is printed.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { attach, fileOf } from './support/file-steps.js';
import { ITEM, PHONE } from './support/fixtures.js';
import { field, message, openBoth } from './support/message-steps.js';
import { runJourney } from './support/journey.js';
import { UserPage } from './support/user-page.js';
import { until } from './support/wait.js';

test('on a touch screen Enter starts a new line and the button sends; both sides show the line breaks', () =>
  runJourney(async (place) => {
    const { ada, ben } = await openBoth(place, PHONE);
    const { page } = ada;
    await field(ada).tap();
    await page.keyboard.type('one');
    await page.keyboard.press('Enter');
    await page.keyboard.type('two');
    assert.equal(await field(ada).inputValue(), 'one\ntwo');
    await page.getByRole('button', { name: 'Send', exact: true }).tap();
    for (const person of [ada, ben]) {
      const words = message(person, 'two').locator('.text');
      await words.waitFor();
      const lines = await words.evaluate((one) => {
        const range = document.createRange();
        range.selectNodeContents(one);
        return new Set([...range.getClientRects()].map((rect) => Math.round(rect.top))).size;
      });
      assert.equal(lines, 2);
    }
    for (const role of ['You: Owner', 'Ben: Finder']) assert.ok(await page.getByText(role).isVisible(), role);
    assert.deepEqual([...ada.errors, ...ben.errors], []);
  }));

test('the letters in the menu reply to, edit and forward the focused message', () =>
  runJourney(async (place) => {
    const { ada, ben } = await openBoth(place);
    const { page } = ada;
    await ben.send('See https://wien.example/karlsplatz then.');
    await message(ada, 'karlsplatz').waitFor();
    await ada.send('I will be there.');
    await message(ben, 'I will be there.').waitFor();
    await until(() => message(ada, 'I will be there.').evaluate((one) => /** @type {any} */ (one).seq), (seq) => seq > 0,
      'the message is sent');
    await message(ada, 'I will be there.').focus();
    await page.keyboard.press('e');
    await page.getByText('Edit message').waitFor();
    assert.equal(await field(ada).inputValue(), 'I will be there.');
    await page.keyboard.press('Escape');
    await message(ada, 'karlsplatz').focus();
    await page.keyboard.press('r');
    await page.getByText('Reply to Ben').waitFor();
    assert.equal(await field(ada).inputValue(), '', 'the letter is not typed');
    await page.keyboard.press('Escape');
    // With the focus on a link of the message, and with another keyboard layout.
    await message(ada, 'karlsplatz').focus();
    await message(ada, 'karlsplatz').locator('a').focus();
    await message(ada, 'karlsplatz').locator('a').evaluate((one) => one.dispatchEvent(
      new KeyboardEvent('keydown', { key: 'к', code: 'KeyR', bubbles: true, cancelable: true })));
    await page.getByText('Reply to Ben').waitFor();
    await page.keyboard.press('Escape');
    await message(ada, 'karlsplatz').focus();
    await page.keyboard.press('f');
    await page.getByRole('dialog', { name: 'Forward to' }).waitFor();
    assert.equal(await page.getByRole('dialog').getByRole('searchbox').inputValue(), '');
    assert.deepEqual([...ada.errors, ...ben.errors], []);
  }));

test('a far too long text is not pasted and names the limit; a file that is too large leaves no draft', () =>
  runJourney(async ({ server, browser }) => {
    const ada = await UserPage.open(browser, server.links.ada);
    const { page } = ada;
    await ada.openConversation(ITEM);
    await field(ada).fill('Before.');
    const taken = await field(ada).evaluate((one) => {
      const data = new DataTransfer();
      data.setData('text/plain', 'x'.repeat(3_700_000));
      return one.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true }));
    });
    assert.equal(taken, false, 'the browser does not paste it either');
    await page.getByText('Not pasted: 3,700,000 characters. The limit is 10,000.').waitFor();
    assert.equal(await field(ada).inputValue(), 'Before.');
    await field(ada).fill('');
    await attach(ada, [fileOf('large.bin', 70_000)]);
    await page.locator('.upload', { hasText: 'The limit is' }).waitFor();
    await ada.openConversation('Lost and found desk');
    const row = page.locator('parlor-row', { hasText: ITEM });
    await until(() => row.innerText(), (text) => !text.includes('Draft'), 'no draft is left');
    await page.reload();
    await row.waitFor();
    await ada.openConversation(ITEM);
    assert.equal(await page.locator('.upload').count(), 0);
    assert.doesNotMatch(await row.innerText(), /Draft/u);
    assert.deepEqual(ada.errors, []);
  }, { PARLOR_LIMITS_UPLOAD_BYTES_MAX: '60000' }));

test('keys move between regions and to the unread messages, and a right click opens the menu of a row', () =>
  runJourney(async ({ server, browser }) => {
    const ada = await UserPage.open(browser, server.links.ada);
    const { page } = ada;
    const focused = (/** @type {string} */ selector) => page.evaluate((one) => document.activeElement?.closest(one) !== null, selector);
    await ada.openConversation('Lost and found desk');
    await page.keyboard.press('F6');
    assert.ok(await focused('parlor-list'), 'from the composer around to the list');
    await page.keyboard.press('F6');
    assert.ok(await focused('.message-log'), 'to the messages');
    await page.keyboard.press('F6');
    assert.ok(await focused('parlor-composer'), 'to the composer');
    await page.keyboard.press('Shift+F6');
    assert.ok(await focused('.message-log'), 'and back');
    await page.getByRole('button', { name: 'Go to the message field' }).focus();
    assert.ok(await page.getByRole('button', { name: 'Go to the message field' }).isVisible());
    await ada.checkAccessibility('skip links');
    await page.keyboard.press('Enter');
    assert.ok(await focused('parlor-composer'), 'the link leads there');

    const row = page.locator('parlor-row', { hasText: ITEM });
    await row.click({ button: 'right' });
    await page.getByRole('menu', { name: 'Conversation with Ben Okafor' }).waitFor();
    await ada.checkAccessibility('menu of a row');
    await page.keyboard.press('Escape');
    await page.keyboard.press('Alt+Shift+ArrowDown');
    await until(() => row.getAttribute('aria-selected'), (selected) => selected === 'true',
      'the unread conversation is open');
    assert.deepEqual(ada.errors, []);
  }));

test('a menu marks as read; an emoji is inserted at the cursor; printing prints the messages', () =>
  runJourney(async ({ server, browser }) => {
    const ada = await UserPage.open(browser, server.links.ada);
    const { page } = ada;
    const row = page.locator('parlor-row', { hasText: ITEM });
    await row.locator('.badge').waitFor();
    await row.click({ button: 'right' });
    await page.getByRole('menuitem', { name: 'Mark as read' }).click();
    await row.locator('.badge').waitFor({ state: 'detached' });
    await page.reload();
    await row.waitFor();
    assert.equal(await row.locator('.badge').count(), 0, 'the server has the marker');
    await ada.openConversation(ITEM);
    await field(ada).fill('Sun !');
    await field(ada).evaluate((one) => /** @type {HTMLTextAreaElement} */ (one).setSelectionRange(4, 4));
    await page.getByRole('button', { name: 'Add an emoji' }).click();
    await page.getByRole('searchbox', { name: 'Find an emoji' }).fill('umbrella');
    await page.keyboard.press('Enter');
    await until(() => field(ada).inputValue(), (text) => /^Sun \p{Extended_Pictographic}\uFE0F?!$/u.test(text),
      'the emoji is at the cursor');
    await page.emulateMedia({ media: 'print' });
    for (const part of ['parlor-list', 'parlor-composer', '.thread-head .tool']) {
      assert.equal(await page.locator(part).first().isVisible(), false, part);
    }
    const log = await page.locator('.message-log').evaluate((one) => [one.clientHeight, one.scrollHeight]);
    assert.equal(log[0], log[1], 'the whole conversation is printed');
    assert.deepEqual(ada.errors, []);
  }));
