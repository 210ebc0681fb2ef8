/**
 * Actions on messages: reply, edit, delete, react, forward, copy; by pointer, touch and keyboard.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ITEM, PHONE } from './support/fixtures.js';
import { chooseInMenu, field, message, openMenu, touch, openBoth } from './support/message-steps.js';
import { runJourney } from './support/journey.js';
import { until } from './support/wait.js';

/** Long enough to open the menu of a new message on a slow machine. */
const EDIT_WITHIN_MS = 12_000;

test('a user edits their own message, and both see it', () =>
  runJourney(async (place) => {
    const { ada, ben } = await openBoth(place);
    await ada.send('At the west exit.');
    await message(ben, 'At the west exit.').waitFor();
    await field(ada).fill('');
    await field(ada).press('ArrowUp');
    await ada.page.getByText('Edit message').waitFor();
    assert.equal(await field(ada).inputValue(), 'At the west exit.');
    await field(ada).press('Escape');
    assert.equal(await ada.page.getByText('Edit message').isVisible(), false);
    // The draft is kept during an edit.
    await field(ada).fill('half a thought');
    await chooseInMenu(ada, 'At the west exit.', 'Edit');
    assert.equal(await field(ada).inputValue(), 'At the west exit.');
    await field(ada).fill('At the *east* exit.');
    await ada.takeScreenshot('messages edit');
    // The edit is kept while another conversation is open.
    await ada.openConversation('Mira Sandoval');
    assert.equal(await ada.page.getByText('Edit message').isVisible(), false);
    await ada.openConversation(ITEM);
    assert.equal(await field(ada).inputValue(), 'At the *east* exit.');
    await field(ada).press('Enter');
    const changed = message(ben, 'east');
    await changed.getByText('edited').waitFor();
    assert.equal(await changed.locator('b').innerText(), 'east');
    assert.equal(await field(ada).inputValue(), 'half a thought');
    await message(ada, 'east').getByText('edited').waitFor();
    await until(() => ben.page.locator('parlor-row', { hasText: ITEM }).innerText(),
      (text) => text.includes('At the east exit.'), 'the list shows the edited text');
    await ada.page.reload();
    await ada.openConversation(ITEM);
    await message(ada, 'east').getByText('edited').waitFor();
    assert.equal(await message(ada, 'At the west exit.').count(), 0);
    assert.deepEqual([...ada.errors, ...ben.errors], []);
  }));

test('the composer says when it is too late to edit, and the menu no longer offers it', () =>
  runJourney(async (place) => {
    const { ada } = await openBoth(place);
    await ada.send('Too early.');
    await until(() => message(ada, 'Too early.').getAttribute('aria-label'),
      (name) => !name?.includes('Sending'), 'the message is sent');
    const sentBy = Date.now();
    await chooseInMenu(ada, 'Too early.', 'Edit');
    await field(ada).fill('Too late.');
    await until(() => Date.now() - sentBy, (passed) => passed > EDIT_WITHIN_MS, 'the operator’s time has passed');
    await field(ada).press('Enter');
    await ada.page.getByText('Not changed: it is too late.').waitFor();
    assert.equal(await field(ada).inputValue(), 'Too late.', 'no typed text is lost');
    await field(ada).press('Escape');
    await openMenu(ada, 'Too early.');
    await ada.page.getByRole('menuitem', { name: 'Reply' }).waitFor();
    assert.equal(await ada.page.getByRole('menuitem', { name: 'Edit' }).count(), 0);
  }, { PARLOR_MESSAGES_EDIT_WITHIN_MS: `${EDIT_WITHIN_MS}` }));

test('a message is deleted for everyone, and for oneself', () =>
  runJourney(async (place) => {
    const { ada, ben } = await openBoth(place);
    await ada.send('My number is 4711.');
    await ben.send('I noted it.');
    await message(ada, 'I noted it.').waitFor();
    await message(ben, 'My number is 4711.').waitFor();
    await chooseInMenu(ada, 'My number is 4711.', 'Delete for everyone');
    await ada.page.getByText('The text is removed for Ben too. This cannot be undone.').waitFor();
    await ada.checkAccessibility('messages question');
    await ada.page.getByRole('button', { name: 'Keep it' }).click();
    await message(ada, 'My number is 4711.').waitFor();
    await chooseInMenu(ada, 'My number is 4711.', 'Delete for everyone');
    await ada.page.getByRole('button', { name: 'Delete for everyone' }).click();
    await ada.page.locator('parlor-thread').getByText('This message was deleted').waitFor();
    await ben.page.locator('parlor-thread').getByText('This message was deleted').waitFor();
    for (const one of [ada, ben]) {
      await until(() => one.page.getByText('4711').count(), (count) => count === 0, 'the text is nowhere on the page');
    }
    await ada.checkAccessibility('messages deleted');
    await chooseInMenu(ada, 'I noted it.', 'Delete for me');
    await ada.page.getByRole('button', { name: 'Delete for me' }).click();
    await message(ada, 'I noted it.').waitFor({ state: 'detached' });
    await message(ben, 'I noted it.').waitFor();
    await ada.page.reload();
    await ada.openConversation(ITEM);
    await ada.page.locator('parlor-thread').getByText('This message was deleted').waitFor();
    assert.equal(await message(ada, 'I noted it.').count(), 0, 'forever');
    // A deleted message can be hidden too.
    await chooseInMenu(ada, 'This message was deleted', 'Delete for me');
    await ada.page.getByRole('button', { name: 'Delete for me' }).click();
    await ada.page.locator('parlor-thread').getByText('This message was deleted').waitFor({ state: 'detached' });
    assert.deepEqual([...ada.errors, ...ben.errors], []);
  }));

test('a reply quotes its message, follows its changes and leads to it', () =>
  runJourney(async (place) => {
    const { ada, ben } = await openBoth(place);
    await ben.send('Is it the one with the scratch?');
    await message(ada, 'the scratch?').waitFor();
    await ada.sendMessages(ada.conversationId(), Array.from({ length: 30 }, (_, index) => `And another thing, ${index + 1}.`));
    await message(ada, 'And another thing, 30.').waitFor();
    await message(ada, 'the scratch?').scrollIntoViewIfNeeded();
    await chooseInMenu(ada, 'the scratch?', 'Reply');
    await ada.page.locator('.replying', { hasText: 'Reply to Ben' }).waitFor();
    await ada.takeScreenshot('messages reply');
    assert.equal(await field(ada).evaluate((one) => one === document.activeElement), true);
    await field(ada).fill('Yes, on the left.');
    await field(ada).press('Enter');
    const quote = message(ben, 'Yes, on the left.').locator('.quote');
    await quote.getByText('Is it the one with the scratch?').waitFor();
    assert.equal(await ada.page.locator('.replying').isVisible(), false);
    await message(ada, 'Yes, on the left.').locator('.quote').click();
    const target = message(ada, 'the scratch?');
    await until(() => target.evaluate((one) => one.getBoundingClientRect().top),
      (top) => top > 0 && top < 700, 'the quote jumps to its message');
    await until(() => target.evaluate((one) => one.matches('.jumped')), Boolean, 'the target message is highlighted');
    // A quote is no copy: it follows the changes of its message.
    await chooseInMenu(ben, 'the scratch?', 'Edit');
    await field(ben).fill('Is it the one with the torn strap?');
    await field(ben).press('Enter');
    await message(ada, 'Yes, on the left.').locator('.quote').getByText('torn strap').waitFor();
    await chooseInMenu(ben, 'the torn strap?', 'Delete for everyone');
    await ben.page.getByRole('button', { name: 'Delete for everyone' }).click();
    await message(ada, 'Yes, on the left.').locator('.quote').getByText('This message was deleted').waitFor();
    // Shift and the up key reply to the last message.
    await field(ada).fill('');
    await field(ada).press('Shift+ArrowUp');
    await ada.page.getByText('Reply to yourself').waitFor();
    await field(ada).press('Escape');
    assert.equal(await ada.page.getByText('Reply to yourself').isVisible(), false);
    assert.deepEqual([...ada.errors, ...ben.errors], []);
  }));

test('both users react, and each sees it at once', () =>
  runJourney(async (place) => {
    const { ada, ben } = await openBoth(place);
    await ben.send('I can fetch it at five.');
    await message(ada, 'at five.').hover();
    await ada.page.getByRole('button', { name: 'More', exact: true }).click();
    await ada.page.getByRole('menuitemcheckbox', { name: 'React with thumbs up' }).click();
    const there = message(ben, 'at five.').getByRole('button', { name: 'thumbs up: Ada Winter' });
    await there.click();
    const both = message(ada, 'at five.').getByRole('button', { name: 'thumbs up: Ada Winter and Ben Okafor' })
      .or(message(ada, 'at five.').getByRole('button', { name: 'thumbs up: You and Ben Okafor' }));
    await both.waitFor();
    assert.equal(await both.locator('.count').innerText(), '2');
    assert.equal(await both.getAttribute('aria-pressed'), 'true');
    // Any emoji, found by a word, and one from the keyboard.
    await message(ada, 'at five.').hover();
    await ada.page.getByRole('button', { name: 'React', exact: true }).click();
    await ada.checkAccessibility('messages emoji');
    await ada.page.getByRole('searchbox', { name: 'Find an emoji' }).fill('umbr');
    await ada.page.keyboard.press('Enter');
    // Ben has never opened the emoji picker.
    await message(ben, 'at five.').getByRole('button', { name: /^umbrella.*: Ada Winter$/u }).waitFor();
    await ada.takeScreenshot('messages reactions');
    await chooseInMenu(ada, 'at five.', 'Who reacted');
    const dialog = ada.page.getByRole('dialog', { name: 'Reactions' });
    await dialog.getByText('Ben Okafor').waitFor();
    await ada.checkAccessibility('messages who reacted');
    await ada.page.keyboard.press('Escape');
    await both.click();
    await message(ben, 'at five.').getByRole('button', { name: 'thumbs up: You', exact: true }).waitFor();
    await message(ben, 'at five.').getByRole('button', { name: 'thumbs up: You', exact: true }).click();
    await message(ada, 'at five.').getByRole('button', { name: /thumbs up/u }).waitFor({ state: 'detached' });
    await ada.page.reload();
    await ada.openConversation(ITEM);
    await message(ada, 'at five.').getByRole('button', { name: 'umbrella: You' }).waitFor();
    assert.deepEqual([...ada.errors, ...ben.errors], []);
  }));

test('a message is forwarded to another conversation, and copied', () =>
  runJourney(async (place) => {
    const { ada, ben } = await openBoth(place, { permissions: ['clipboard-read', 'clipboard-write'] });
    await ben.send('Depot 4, row B, *until six*.');
    await message(ada, 'Depot 4').waitFor();
    await chooseInMenu(ada, 'Depot 4', 'Copy text');
    await ada.page.getByText('Copied').waitFor();
    assert.equal(await ada.page.evaluate(() => navigator.clipboard.readText()), 'Depot 4, row B, *until six*.');
    await chooseInMenu(ada, 'Depot 4', 'Forward');
    const dialog = ada.page.getByRole('dialog', { name: 'Forward to' });
    await dialog.getByText('Depot 4, row B, until six.').waitFor();
    await dialog.getByRole('searchbox').fill('tomás');
    await dialog.getByRole('button', { name: /Tomás/u }).click();
    await ada.checkAccessibility('messages forward');
    await dialog.getByRole('button', { name: /^Forward to Tomás/u }).click();
    await ada.page.getByRole('heading', { name: /Tomás/u }).waitFor();
    const sent = message(ada, 'Depot 4');
    await sent.getByText('Forwarded').waitFor();
    await until(() => sent.getAttribute('aria-label'),
      (name) => /^You, .*Forwarded\. Depot 4/u.test(name ?? ''), 'a screen reader reads the subject');
    assert.deepEqual([...ada.errors, ...ben.errors], []);
  }));

test('a message has a subject on request', () =>
  runJourney(async (place) => {
    const { ada, ben } = await openBoth(place);
    await ada.page.getByRole('button', { name: 'Add a subject' }).click();
    const subject = ada.page.getByRole('textbox', { name: 'Subject' });
    assert.equal(await subject.evaluate((one) => one === document.activeElement), true);
    await subject.fill('The <b>handover</b>');
    await subject.press('Enter');
    await ada.page.keyboard.type('At ten, by the flower stall.');
    await ada.takeScreenshot('messages subject');
    await ada.page.reload();
    await ada.openConversation(ITEM);
    assert.equal(await subject.inputValue(), 'The <b>handover</b>', 'the subject is part of the draft');
    await field(ada).press('Enter');
    const there = message(ben, 'flower stall');
    assert.equal(await there.locator('.subject').innerText(), 'The <b>handover</b>');
    assert.equal(await subject.isVisible(), false);
    await chooseInMenu(ada, 'flower stall', 'Edit');
    await subject.fill('x'.repeat(256));
    await ada.page.getByText('1 character too many. The limit is 255.').waitFor();
    assert.equal(await ada.page.getByRole('button', { name: 'Save' }).isDisabled(), true);
    await subject.fill('The handover');
    await subject.press('Enter');
    await field(ada).press('Enter');
    await until(() => there.locator('.subject').innerText(), (text) => text === 'The handover',
      'the subject changes too');
    assert.deepEqual([...ada.errors, ...ben.errors], []);
  }));

test('every message action works with the keyboard alone', () =>
  runJourney(async (place) => {
    const { ada, ben } = await openBoth(place);
    await ben.send('First.');
    await ben.send('Second, at https://a.example/x.');
    await message(ada, 'Second').waitFor();
    const { page } = ada;
    const at = () => page.evaluate(() =>
      document.activeElement?.closest('parlor-message')?.getAttribute('aria-label') ?? '');
    await page.locator('.message-log').focus();
    await page.keyboard.press('ArrowUp');
    assert.match(await at(), /^Ben Okafor, \d\d:\d\d\. Second/u);
    await page.keyboard.press('ArrowUp');
    assert.match(await at(), /First/u);
    await page.keyboard.press('ArrowDown');
    await ada.checkAccessibility('messages focused');
    // Tab reaches the controls of the message, and none of others.
    await page.keyboard.press('Tab');
    assert.equal(await page.evaluate(() => document.activeElement?.tagName), 'A');
    await page.keyboard.press('Escape');
    assert.match(await at(), /Second/u);
    await page.keyboard.press('Enter');
    await page.getByRole('menu').waitFor();
    assert.equal(await page.evaluate(() => document.activeElement?.textContent), 'ReplyR');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowUp');
    await page.keyboard.press('ArrowUp');
    await page.keyboard.press('ArrowRight');
    assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('aria-label')), 'React with red heart');
    await page.keyboard.press('Enter');
    await message(ben, 'Second').getByRole('button', { name: 'red heart: Ada Winter' }).waitFor();
    assert.match(await at(), /Second/u, 'the focus returns');
    await page.keyboard.press('Enter');
    await page.keyboard.press('Escape');
    await page.getByRole('menu').waitFor({ state: 'detached' });
    assert.match(await at(), /Second/u);
    await page.keyboard.press('f');
    await page.getByRole('dialog', { name: 'Forward to' }).waitFor();
    await page.keyboard.press('Escape');
    assert.match(await at(), /Second/u);
    await page.keyboard.press('r');
    await page.locator('.replying', { hasText: 'Reply to Ben' }).waitFor();
    await page.keyboard.type('By keys.');
    await page.keyboard.press('Enter');
    await message(ben, 'By keys.').locator('.quote').waitFor();
    await page.keyboard.press('ArrowUp');
    await page.getByText('Edit message').waitFor();
    await page.keyboard.press('Escape');
    await page.locator('.message-log').focus();
    await page.keyboard.press('ArrowUp');
    await page.keyboard.press('Delete');
    await page.getByText('Delete this message for you?').waitFor();
    await page.keyboard.press('Escape');
    assert.match(await at(), /By keys/u);
    await page.keyboard.press('Escape');
    assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('role')), 'log');
    assert.deepEqual([...ada.errors, ...ben.errors], []);
  }));

test('a right click opens the menu too, except on a selection or a link', () =>
  runJourney(async (place) => {
    const { ada, ben } = await openBoth(place);
    await ben.send('See https://a.example/x there.');
    const there = message(ada, 'there.');
    await there.waitFor();
    const menu = ada.page.getByRole('menu');
    await there.locator('.text').click({ button: 'right', position: { x: 6, y: 8 } });
    await menu.waitFor();
    await ada.page.mouse.click(1000, 300);
    await menu.waitFor({ state: 'detached' });
    await there.locator('a').click({ button: 'right' });
    assert.equal(await menu.count(), 0);
    await there.locator('.text').click({ clickCount: 3, position: { x: 6, y: 8 } });
    assert.match(await ada.page.evaluate(() => String(getSelection())), /See/u, 'text can be selected');
    await there.locator('.text').click({ button: 'right', position: { x: 6, y: 8 } });
    assert.equal(await menu.count(), 0);
    assert.deepEqual([...ada.errors, ...ben.errors], []);
  }));

test('a long press opens a sheet with the message on top', () =>
  runJourney(async (place) => {
    const { ada, ben } = await openBoth(place, PHONE);
    await ben.send('I pass Karlsplatz every day.');
    await message(ada, 'Karlsplatz').waitFor();
    await touch(ada.page, message(ada, 'Karlsplatz').locator('.bubble'), 700);
    const sheet = ada.page.getByRole('dialog', { name: 'Message from Ben' });
    await sheet.getByText('I pass Karlsplatz every day.').waitFor();
    await ada.checkAccessibility('messages sheet phone');
    await ada.assertNoHorizontalScroll();
    await sheet.getByRole('menuitemcheckbox', { name: 'React with folded hands' }).tap();
    await message(ben, 'Karlsplatz').getByRole('button', { name: 'folded hands: Ada Winter' }).waitFor();
    // A short touch and a moving touch open nothing.
    await touch(ada.page, message(ada, 'Karlsplatz').locator('.bubble'), 100);
    await touch(ada.page, message(ada, 'Karlsplatz').locator('.bubble'), 700, 60);
    assert.equal(await sheet.count(), 0);
    await touch(ada.page, message(ada, 'Karlsplatz').locator('.bubble'), 700);
    await sheet.getByRole('menuitem', { name: 'More reactions' }).tap();
    await ada.page.getByRole('searchbox', { name: 'Find an emoji' }).waitFor();
    await ada.checkAccessibility('messages emoji phone');
    await ada.page.keyboard.press('Escape');
    await touch(ada.page, message(ada, 'Karlsplatz').locator('.bubble'), 700);
    await sheet.getByRole('menuitem', { name: 'Reply' }).tap();
    await ada.page.locator('.replying', { hasText: 'Reply to Ben' }).waitFor();
    await ada.checkAccessibility('messages reply phone');
    assert.deepEqual([...ada.errors, ...ben.errors], []);
  }));
