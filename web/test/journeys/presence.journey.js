/**
 * Presence, typing, receipts and group administration between users.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PICTURE } from './support/fixtures.js';
import { runJourney } from './support/journey.js';
import { UserPage } from './support/user-page.js';
import { until } from './support/wait.js';

test('a user sees that the other one comes online, types and goes offline', () =>
  runJourney(async ({ server, proxy, browser }) => {
    const ada = await UserPage.open(browser, server.links.ada);
    await ada.openConversation('Ben');
    const standing = () => ada.page.locator('.thread-head .presence').textContent();
    const ben = await UserPage.open(browser, proxy.link(server.links.ben));
    await until(standing, (words) => words === 'Online', 'Ben is online');
    assert.equal(await ada.page.locator('.thread-head .avatar.online').count(), 1);
    await ben.openConversation('Ada');

    const field = ben.page.getByRole('textbox', { name: 'Message' });
    await field.pressSequentially('Is it');
    await ada.page.getByRole('img', { name: 'Ben is typing' }).waitFor();
    await ada.page.locator('parlor-row .says.typing', { hasText: 'typing…' }).waitFor();
    await ada.checkAccessibility('the other is writing');
    await field.fill('Is it the black one?');
    await field.press('Enter');
    await ada.bubble('Is it the black one?').waitFor();
    await ada.page.getByRole('img', { name: 'Ben is typing' }).waitFor({ state: 'hidden' });

    await field.pressSequentially('And');
    await ada.page.getByRole('img', { name: 'Ben is typing' }).waitFor();
    await field.fill('');
    await ada.page.getByRole('img', { name: 'Ben is typing' }).waitFor({ state: 'hidden' });

    // Ben's network fails while they type: no indicator stays behind.
    await field.pressSequentially('Wait');
    await ada.page.getByRole('img', { name: 'Ben is typing' }).waitFor();
    proxy.setState('closed');
    await ada.page.getByRole('img', { name: 'Ben is typing' }).waitFor({ state: 'hidden' });
    await until(standing, (words) => /^Last seen /u.test(words ?? ''), 'Ben is offline');
    proxy.setState('open');
    await until(standing, (words) => words === 'Online', 'Ben is online again');

    // One user has two tabs: closing one changes nothing. Then the server is killed.
    const tab = await ben.context.newPage();
    await tab.goto(proxy.link(server.links.ben));
    await tab.locator('parlor-row').first().waitFor();
    await ben.page.close();
    await tab.getByRole('button', { name: /settings/u }).waitFor();
    assert.equal(await standing(), 'Online');
    await server.stop('SIGKILL');
    await until(standing, (words) => words !== 'Online', 'no user is shown as online without a connection');
    await server.run('demo', {}, (text) => /Stop/u.test(text));
    await until(standing, (words) => words === 'Online', 'and both are online again', 30_000);
    assert.deepEqual(ada.errors, []);
  }));

test('presence and receipts can be switched off', () =>
  runJourney(async ({ server, browser }) => {
    const ada = await UserPage.open(browser, server.links.ada);
    const ben = await UserPage.open(browser, server.links.ben);
    await ada.openConversation('Ben');
    const standing = () => ada.page.locator('.thread-head .presence').textContent();
    await until(standing, (words) => words === 'Online', 'Ben is online');
    await ben.page.getByRole('button', { name: /settings/u }).click();
    await ben.page.getByRole('switch', { name: /Show when I am online/u }).click();
    await until(standing, (words) => words === '', 'Ben’s presence is no longer shown');
    await ben.page.getByRole('switch', { name: /Show how far I have read/u }).click();
    await ben.checkAccessibility('settings of what others see');

    await ada.send('Can you see this?');
    await ada.page.getByText('Sent', { exact: true }).or(ada.page.getByText('Delivered', { exact: true })).first()
      .waitFor();
    await ben.page.goto(server.links.ben);
    await ben.openConversation('Ada');
    await ben.page.bringToFront();
    await ben.bubble('Can you see this?').waitFor();
    await ben.send('I can.');
    await ada.bubble('I can.').waitFor();
    await ada.send('And this?');
    await ben.bubble('And this?').waitFor();
    await until(() => ada.page.locator('parlor-message-group').last().textContent(), (words) => /Delivered/u.test(words ?? ''),
      'delivery is shown, reading is not');
    assert.equal(await ada.page.locator('parlor-message-group', { hasText: 'Can you see this?' }).getByText('Read').count(), 0);
    assert.deepEqual([...ada.errors, ...ben.errors], []);
  }));

test('a group gets a name, a picture, admins and a new owner', () =>
  runJourney(async ({ server, browser }) => {
    const ada = await UserPage.open(browser, server.links.ada);
    const ben = await UserPage.open(browser, server.links.ben);
    const { page } = ada;
    await page.getByRole('button', { name: 'New conversation' }).click();
    const found = page.locator('.picker .people button');
    const find = page.getByRole('searchbox', { name: 'Find people' });
    await page.getByText('Type two letters of a name.').waitFor();
    assert.equal(await found.count(), 0, 'no presence is shown before');
    await find.fill('be');
    await found.filter({ hasText: 'Ben' }).click();
    await find.fill('mira');
    await found.filter({ hasText: 'Mira' }).click();
    await page.getByLabel('Name of the group').fill('Night desk');
    await page.getByRole('button', { name: /Start a group/u }).click();
    await page.getByRole('heading', { name: 'Night desk', exact: true }).waitFor();
    await ada.send('Who has the keys?');
    await ben.page.locator('parlor-row', { hasText: 'Night desk' }).click();

    await page.getByRole('button', { name: /people: show who/u }).click();
    const dialog = page.locator('dialog.group');
    await dialog.getByLabel('Name of the group').fill('The night desk');
    await dialog.getByRole('button', { name: 'Save' }).click();
    await ben.page.getByRole('heading', { name: 'The night desk' }).waitFor();
    await ben.page.locator('parlor-divider', { hasText: 'named the group' }).waitFor();
    await dialog.locator('input[type=file]').setInputFiles({ name: 'g.png', mimeType: 'image/png', buffer: PICTURE });
    await ben.page.locator('.thread-head .avatar:not(.pair) img').waitFor();
    await dialog.locator('li', { hasText: 'Ben' }).getByRole('combobox').selectOption('moderator');
    await ben.page.locator('parlor-divider', { hasText: 'made you a moderator' }).waitFor();
    await ada.checkAccessibility('a group');

    // Ben is an admin now, too: the open dialog follows the change.
    await ben.page.getByRole('button', { name: /people: show who/u }).click();
    const bens = ben.page.locator('dialog.group');
    await bens.locator('li').first().waitFor();
    const before = await bens.locator('li').count();
    await dialog.getByRole('button', { name: 'Add people' }).click();
    await page.locator('.picker').getByLabel('They see').selectOption('from_start');
    await find.fill('tom');
    await found.first().click();
    await page.getByRole('button', { name: 'Add', exact: true }).click();
    await until(() => bens.locator('li').count(), (count) => count === before + 1, 'the dialog follows the change');
    await bens.getByRole('button', { name: /^Remove /u }).last().click();
    await ben.page.getByRole('button', { name: /^Remove /u }).last().click();
    await until(() => dialog.locator('li').count(), (count) => count === before, 'and so does every other place');

    await dialog.getByRole('button', { name: 'Leave group' }).click();
    await page.getByRole('button', { name: 'Leave group' }).last().click();
    await ben.page.locator('parlor-divider', { hasText: 'the owner now' }).waitFor();
    await until(() => page.locator('parlor-row', { hasText: 'The night desk' }).count(), (count) => count === 0,
      'it is gone');
    await bens.locator('li', { hasText: 'Ben' }).locator('.note', { hasText: 'Owner' }).waitFor();
    assert.deepEqual([...ada.errors, ...ben.errors], []);
  }));
