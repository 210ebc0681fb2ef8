/**
 * What messages show: system messages, receipts, and one message of each kind in every theme.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ITEM, PHONE } from './support/fixtures.js';
import { chooseInMenu, field, message, touch } from './support/message-steps.js';
import { runJourney } from './support/journey.js';
import { UserPage } from './support/user-page.js';
import { until } from './support/wait.js';

test('in a group, system messages say what happened, and ticks show who has read and when', () =>
  runJourney(async ({ server, browser }) => {
    const ada = await UserPage.open(browser, server.links.ada);
    const ben = await UserPage.open(browser, server.links.ben);
    const { page } = ada;
    const group = await openNightDesk(ada);
    await page.locator('parlor-row', { hasText: 'Umbrella desk' }).click();
    await page.locator('parlor-divider', { hasText: 'You named the group Umbrella desk' }).waitFor();
    await page.locator('parlor-divider', { hasText: 'You removed Mira Sandoval' }).waitFor();
    await page.locator('parlor-divider', { hasText: 'You added Mira Sandoval' }).waitFor();
    await ada.checkAccessibility('messages lines');
    await ada.send('Who fetches it at five?');
    await until(() => page.locator('parlor-message-group').last().locator('.meta').innerText(),
      (text) => /Sent|Delivered/u.test(text), 'the message is sent');
    assert.equal(ada.conversationId(), group);
    await ben.openConversation('Umbrella desk');
    await ben.page.locator('parlor-divider', { hasText: 'Ada Winter added Mira Sandoval' }).waitFor();
    await page.getByRole('button', { name: /^Read by 1 of \d$/u }).click();
    const dialog = page.getByRole('dialog', { name: /^Read by 1 of/u });
    await dialog.getByText('Ben Okafor').waitFor();
    const reader = dialog.locator('.reader', { hasText: 'Ben Okafor' });
    assert.match(await reader.locator('time').innerText(), /^\d\d:\d\d$/u);
    await ada.checkAccessibility('messages read by');
    assert.deepEqual([...ada.errors, ...ben.errors], []);
  }));

test('in a large group the readers are loaded on request', () =>
  runJourney(async ({ server, browser }) => {
    const ada = await UserPage.open(browser, server.links.ada);
    const ben = await UserPage.open(browser, server.links.ben);
    const name = 'Lost and found desk';
    await ada.openConversation(name);
    await ada.send('Who comes on Monday?');
    await ben.openConversation(name);
    await message(ben, 'on Monday?').waitFor();
    await ben.send('I do.');
    await message(ada, 'I do.').waitFor();
    const dialog = ada.page.getByRole('dialog', { name: 'Read by 1 of 3' });
    await until(async () => {
      await ada.page.getByRole('button', { name: 'Who has read it' }).click();
      await ada.page.getByRole('dialog').getByText('Mira Sandoval').waitFor();
      const count = await dialog.count();
      if (count === 0) await ada.page.keyboard.press('Escape');
      return count;
    }, (count) => count === 1, 'Ben has read it');
    await dialog.locator('.reader', { hasText: 'Ben Okafor' }).locator('time').waitFor();
    assert.deepEqual([...ada.errors, ...ben.errors], []);
  }, { PARLOR_LIMITS_CONVERSATION_FAN_OUT_MAX: '2' }));

/** Ada creates a group with Ben and Mira, renames it, removes Mira and adds them again. @param {UserPage} ada
 * @returns {Promise<number>} */
function openNightDesk({ page }) {
  return page.evaluate(async () => {
    const ask = async (/** @type {string} */ method, /** @type {string} */ path, /** @type {unknown} */ body) => {
      const answer = await fetch(path, {
        method, headers: { 'content-type': 'application/json' }, ...(body ? { body: JSON.stringify(body) } : {}),
      });
      if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status}`);
      return answer.json();
    };
    const id = async (/** @type {string} */ name) => (await ask('GET', `/v1/users?query=${name}`, null)).users[0].id;
    const [ben, mira] = [await id('Ben'), await id('Mira')];
    const { conversation } = await ask('POST', '/v1/conversations', {
      client_id: crypto.randomUUID(), group: { title: 'Desk', users: [ben, mira] },
    });
    const base = `/v1/conversations/${conversation.id}`;
    await ask('PATCH', base, { title: 'Umbrella desk' });
    await ask('DELETE', `${base}/members/${mira}`, null);
    await ask('POST', `${base}/members`, { users: [mira] });
    return conversation.id;
  });
}

test('all kinds of messages pass the accessibility checks: light, dark, high contrast and right to left', () =>
  runJourney(async ({ server, browser }) => {
    const ben = await UserPage.open(browser, server.links.ben);
    await ben.openConversation(ITEM);
    const writer = await UserPage.open(browser, server.links.ada);
    await writer.openConversation(ITEM);
    await sendEveryKind(writer, ben);
    for (const [name, options] of Object.entries({
      light: { colorScheme: 'light' }, dark: { colorScheme: 'dark' }, contrast: { contrast: 'more' },
      'contrast dark': { contrast: 'more', colorScheme: 'dark' }, 'phone light': { ...PHONE, colorScheme: 'light' },
      'phone dark': { ...PHONE, colorScheme: 'dark' },
    })) {
      const ada = await UserPage.open(browser, server.links.ada, /** @type {any} */ (options));
      await ada.openConversation(ITEM);
      await message(ada, 'By the flower stall').waitFor();
      await ada.checkAccessibility(`messages all ${name}`);
      await ada.assertNoHorizontalScroll();
      if (name.startsWith('phone')) {
        await touch(ada.page, message(ada, 'And a hat').locator('.bubble'), 700);
        await ada.page.getByRole('dialog').waitFor();
      } else {
        await message(ada, 'By the flower stall').hover();
        await ada.page.getByRole('button', { name: 'More', exact: true }).click();
      }
      await ada.checkAccessibility(`messages menu ${name}`);
      await ada.page.keyboard.press('Escape');
      if (name === 'light') {
        await ada.page.evaluate(() => { document.documentElement.dir = 'rtl'; });
        await message(ada, 'By the flower stall').hover();
        await ada.checkAccessibility('messages right to left');
      }
      assert.deepEqual(ada.errors, []);
      await ada.context.close();
    }
  }));

/** Sends one message of each kind. @param {UserPage} ada @param {UserPage} ben */
async function sendEveryKind(ada, ben) {
  const conversation = ada.conversationId();
  const last = () => ada.page.evaluate(async (id) =>
    (await (await fetch(`/v1/conversations/${id}`)).json()).conversation.last_seq, conversation);
  await ben.sendMessages(conversation, ['See *bold*, _this_, and `ref-2041`, at https://wien.example/karlsplatz.']);
  await ben.sendMessages(conversation, ['The list:\n```\n1 umbrella\n2 gloves\n```\nThat is all.', '🎉🙌']);
  await ada.sendMessages(conversation, ['I will wear a green coat.', 'And a hat.'], { reply_to: await last() - 1 });
  const question = 'By the flower stall at the east exit, at half past five?';
  await ben.sendMessages(conversation, [question], { subject: 'The handover' });
  const seq = await last();
  await ada.sendMessages(conversation, ['I will be there.'], { reply_to: seq });
  for (const [person, emoji, at] of /** @type {[UserPage, string, number][]} */ ([
    [ada, '👍', seq], [ben, '👍', seq], [ben, '🙏', seq], [ben, '❤️', seq - 1], [ada, '😂', seq - 2],
  ])) assert.equal(await react(person, conversation, at, emoji), 200);
  await ben.send('A mistake.');
  await message(ada, 'A mistake.').waitFor();
  await chooseInMenu(ben, 'A mistake.', 'Delete for everyone');
  await ben.page.getByRole('button', { name: 'Delete for everyone' }).click();
  await ada.page.locator('parlor-thread').getByText('This message was deleted').waitFor();
  await chooseInMenu(ada, 'I will be there.', 'Edit');
  await field(ada).fill('I will be there, with an umbrella.');
  await field(ada).press('Enter');
  await message(ben, 'with an umbrella').getByText('edited').waitFor();
}

/** @param {UserPage} person @param {number} conversation @param {number} seq @param {string} emoji */
function react({ page }, conversation, seq, emoji) {
  const path = `/v1/conversations/${conversation}/messages/${seq}/reactions/${encodeURIComponent(emoji)}`;
  return page.evaluate(async (where) => (await fetch(where, { method: 'PUT' })).status, path);
}
