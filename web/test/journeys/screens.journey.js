/**
 * Every screen, wide and narrow, light and dark: axe finds nothing, nothing scrolls sideways, and each screen works.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ITEM, PHONE } from './support/fixtures.js';
import { runJourney } from './support/journey.js';
import { UserPage } from './support/user-page.js';
import { until } from './support/wait.js';

test('a phone in dark mode shows one pane with a back button', () =>
  runJourney(async ({ server, browser }) => {
    const ada = await UserPage.open(browser, server.links.ada, { ...PHONE, colorScheme: 'dark' });
    const { page } = ada;
    await ada.checkAccessibility('phone dark list');
    await ada.openConversation(ITEM);
    assert.equal(await page.locator('parlor-list').isVisible(), false);
    await ada.checkAccessibility('phone dark thread');
    const background = await page.locator('parlor-thread').evaluate((one) => getComputedStyle(one).backgroundColor);
    assert.equal(background, 'rgb(29, 28, 27)');
    await ada.assertNoHorizontalScroll();
    await page.getByRole('button', { name: 'Back to all conversations' }).tap();
    assert.equal(await page.locator('parlor-thread').isVisible(), false);
    await until(() => page.evaluate(() => document.activeElement?.textContent ?? ''),
      (text) => text.includes(ITEM), 'the focus returns');
    await page.getByRole('button', { name: /settings/u }).tap();
    await ada.checkAccessibility('phone dark settings');
    await ada.assertNoHorizontalScroll();
    await page.setViewportSize({ width: 320, height: 640 });
    await ada.assertNoHorizontalScroll();
    await page.goBack();
    await ada.openConversation('Lost and found desk');
    await ada.assertNoHorizontalScroll();
    assert.deepEqual(ada.errors, []);
  }));

test('every screen passes the accessibility checks, light and dark', () =>
  runJourney(async ({ server, browser }) => {
    for (const scheme of /** @type {const} */ (['light', 'dark'])) {
      const ada = await UserPage.open(browser, server.links.ada, { colorScheme: scheme });
      const { page } = ada;
      await ada.checkAccessibility(`${scheme} list`);
      await ada.openConversation(ITEM);
      if (scheme === 'light') await ada.takeScreenshot('inbox');
      await ada.checkAccessibility(`${scheme} thread`);
      await ada.openConversation('Lost and found desk');
      await ada.checkAccessibility(`${scheme} group`);
      await page.getByRole('button', { name: /people: show who/u }).click();
      await page.getByRole('dialog').waitFor();
      await ada.checkAccessibility(`${scheme} members`);
      await page.keyboard.press('Escape');
      await page.getByRole('button', { name: 'New conversation' }).click();
      await page.getByRole('searchbox', { name: 'Find people' }).fill('be');
      await page.getByRole('button', { name: 'Ben Okafor', exact: true }).waitFor();
      await ada.checkAccessibility(`${scheme} new conversation`);
      // In a field with text, Escape clears the text first.
      await page.getByRole('searchbox', { name: 'Find people' }).fill('');
      await page.keyboard.press('Escape');
      await page.getByRole('button', { name: /settings/u }).click();
      await page.getByText('This device').waitFor();
      await ada.checkAccessibility(`${scheme} settings`);
      await page.getByRole('searchbox', { name: 'Search conversations' }).fill('nothing like it');
      await page.getByRole('heading', { name: 'Nothing found for' }).waitFor();
      await ada.checkAccessibility(`${scheme} nothing found`);
      assert.deepEqual(ada.errors, []);
      await ada.context.close();
    }
  }));

test('a group is created and left', () =>
  runJourney(async ({ server, browser }) => {
    const ada = await UserPage.open(browser, server.links.ada);
    const ben = await UserPage.open(browser, server.links.ben);
    const { page } = ada;
    await page.getByRole('button', { name: 'New conversation' }).click();
    const find = page.getByRole('searchbox', { name: 'Find people' });
    await find.fill('ben');
    await page.getByRole('button', { name: 'Ben Okafor', exact: true }).click();
    await find.fill('mira');
    await page.getByRole('button', { name: 'Mira Sandoval', exact: true }).click();
    await page.getByRole('textbox', { name: 'Name of the group' }).fill('Umbrella handover');
    await page.getByRole('button', { name: 'Start a group of 3' }).click();
    await page.getByRole('heading', { name: 'Umbrella handover', exact: true }).waitFor();
    await page.getByText('Write the first message to Umbrella handover').waitFor();
    await ada.checkAccessibility('first message');
    const row = ben.page.locator('parlor-row', { hasText: 'Umbrella handover' });
    assert.equal(await row.count(), 0, 'an empty conversation is not shown to the others');
    await ada.send('Who of you brings it?');
    await row.waitFor();
    await row.click();
    await ben.bubble('Who of you brings it?').waitFor();
    await until(() => page.locator('parlor-message-group').last().locator('.meta').innerText(),
      (text) => text.includes('Read by 1 of 2'), 'the receipts are shown');
    await page.getByRole('button', { name: 'Read by 1 of 2' }).click();
    await page.getByText('Not yet delivered').waitFor();
    await ada.checkAccessibility('readers');
    await page.keyboard.press('Escape');
    await ben.page.getByRole('button', { name: /people: show who/u }).click();
    await ben.page.getByRole('button', { name: 'Leave group' }).click();
    await ben.page.getByRole('button', { name: 'Leave group' }).last().click();
    await row.waitFor({ state: 'detached' });
    await page.getByText('2 people').waitFor();
    assert.deepEqual([...ada.errors, ...ben.errors], []);
  }));

test('a link to an item opens its conversation, and a link to nothing says so', () =>
  runJourney(async ({ server, browser }) => {
    const ben = await UserPage.open(browser, server.links.ben);
    const { page } = ben;
    const home = new URL(page.url()).origin;
    await page.goto(`${home}/#/open?type=item&id=5&role=owner`);
    await page.getByRole('heading', { name: 'Ada Winter' }).waitFor();
    await page.getByText(ITEM).last().waitFor();
    await server.runCommand('context', 'put', '--type', 'item', '--id', '77', '--title', 'A lost key', '--role', 'finder=ben');
    await server.runCommand('context', 'put', '--type', 'item', '--id', '78', '--title', 'Found', '--role', 'owner=ada',
      '--role', 'finder=ben');
    await server.runCommand('context', 'close', '--type', 'item', '--id', '78');
    const reasons = [
      ['type=item&id=no-such-thing&role=owner', /This is gone|You may not write here/u],
      ['type=item&id=77&role=owner', 'There is nobody to write to'],
      ['type=item&id=77&role=finder', 'This is yours'],
      ['type=item&id=78&role=owner', 'This is closed'],
      ['type=item', 'The link is not complete'],
    ];
    for (const [query, words] of reasons) {
      await page.goto(`${home}/#/open?${query}`);
      await page.getByRole('heading', { name: words }).waitFor();
      assert.equal(await page.getByText('did not answer').count(), 0);
    }
    await ben.checkAccessibility('nothing to open');
    await page.goto(`${home}/#/c/987654321`);
    await page.getByText('There is no such conversation').waitFor();
    await ben.checkAccessibility('no such conversation');
    assert.deepEqual(ben.errors, []);
  }));

test('a link to one’s own item says so, also after a reload', () =>
  runJourney(async ({ server, browser }) => {
    const ada = await UserPage.open(browser, server.links.ada);
    const ben = await UserPage.open(browser, server.links.ben);
    const { page } = ada;
    const failed = page.getByRole('heading', { name: 'This is yours' });
    await page.goto(`${new URL(page.url()).origin}/#/open?type=item&id=5&role=owner`);
    await failed.waitFor();
    await page.reload();
    await failed.waitFor();
    await ben.openConversation(ITEM);
    await ben.send('This draws everything again.');
    await page.locator('parlor-row', { hasText: 'This draws everything again.' }).waitFor();
    assert.equal(await failed.isVisible(), true, 'the state stays');
    await page.getByRole('button', { name: 'Back to all conversations' }).click();
    await page.getByRole('heading', { name: 'Choose a conversation' }).waitFor();
    assert.equal(await failed.count(), 0);
    assert.deepEqual([...ada.errors, ...ben.errors], []);
  }));

test('a right-to-left page is mirrored', () =>
  runJourney(async ({ server, browser }) => {
    const ada = await UserPage.open(browser, server.links.ada);
    await ada.page.evaluate(() => { document.documentElement.dir = 'rtl'; });
    await ada.openConversation(ITEM);
    const own = await ada.page.locator('parlor-message-group.own .bubble').last().boundingBox();
    const log = await ada.page.locator('.message-log').boundingBox();
    const list = await ada.page.locator('parlor-list').boundingBox();
    assert.ok(own && log && list);
    assert.ok(own.x - log.x < log.x + log.width - own.x - own.width, 'own messages are on the left');
    assert.ok(list.x > log.x, 'the list is on the right');
    await ada.checkAccessibility('right to left');
  }));

test('signing out leaves nothing behind, and the sign-in page shows what is wrong', () =>
  runJourney(async ({ server, browser }) => {
    const ada = await UserPage.open(browser, server.links.ada);
    const { page } = ada;
    await ada.openConversation(ITEM);
    await page.getByRole('textbox', { name: 'Message' }).fill('a draft');
    await page.evaluate(() => localStorage.setItem('parlor:999:draft:1', '"somebody else’s"'));
    await page.reload();
    await ada.openConversation(ITEM);
    assert.equal(await page.evaluate(() => localStorage.getItem('parlor:999:draft:1')), null);
    await page.getByRole('button', { name: /settings/u }).click();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByRole('heading', { name: 'Sign in' }).waitFor();
    assert.deepEqual(await ada.storedKeys(), []);
    await ada.checkAccessibility('sign in');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByText('Fill this in.').first().waitFor();
    await page.getByLabel('E-mail or name').fill('ada');
    await page.getByLabel('Password').fill('not the right one');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByText('Wrong name or password. Check both and try again.').waitFor();
    await ada.checkAccessibility('sign in refused');
    assert.deepEqual(ada.errors, []);
  }));

test('a session that was ended elsewhere leads to the sign-in page', () =>
  runJourney(async ({ server, browser }) => {
    const ada = await UserPage.open(browser, server.links.ada);
    const other = await UserPage.open(browser, server.links.ada);
    await ada.openConversation(ITEM);
    await other.page.getByRole('button', { name: /settings/u }).click();
    await other.page.getByRole('button', { name: /End the session on/u }).first().click();
    await ada.page.getByRole('heading', { name: 'Sign in' }).waitFor();
    assert.deepEqual(await ada.storedKeys(), []);
  }));
