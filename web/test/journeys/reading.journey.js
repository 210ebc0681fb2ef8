/**
 * Reading: new messages, the scroll position, and what arrives above and below.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ITEM } from './support/fixtures.js';
import { runJourney } from './support/journey.js';
import { UserPage } from './support/user-page.js';
import { until } from './support/wait.js';

test('new messages are counted, marked with one bar, and read only while they are on the screen', () =>
  runJourney(async ({ server, browser }) => {
    const ada = await UserPage.open(browser, server.links.ada);
    const ben = await UserPage.open(browser, server.links.ben);
    await ada.openConversation(ITEM);
    await ada.page.goto(`${new URL(ada.page.url()).origin}/#/`);
    await ben.openConversation(ITEM);
    const row = ada.page.locator('parlor-row', { hasText: ITEM });
    await until(() => row.locator('.badge').count(), (count) => count === 0, 'everything is read at first');

    await ben.send('One thing is new.');
    await until(() => row.locator('.badge').allInnerTexts(), (texts) => texts[0] === '1',
      'the badge counts the message');
    await until(() => ada.page.title(), (title) => title.startsWith('(1) '), 'and so does the title');
    await until(() => ben.page.locator('parlor-message-group').last().locator('.meta').innerText(),
      (text) => text.includes('Delivered'), 'it arrived and is unread');
    await ada.checkAccessibility('list with news');

    await row.click();
    await ada.page.getByRole('separator', { name: /1 new message/u }).waitFor();
    await until(() => ben.page.locator('parlor-message-group').last().locator('.meta').innerText(),
      (text) => text.includes('Read'), 'then it counts as read');
    await until(() => row.locator('.badge').count(), (count) => count === 0, 'the badge disappears');
    assert.equal(await ada.page.getByRole('separator', { name: /1 new message/u }).count(), 1, 'the divider stays');
    await ben.send('And another.');
    await ada.bubble('And another.').waitFor();
    assert.equal(await ada.page.getByRole('separator', { name: /new message/u }).count(), 1);
    await ada.page.keyboard.press('Alt+ArrowDown');
    await ada.page.keyboard.press('Alt+ArrowUp');
    await ada.bubble('And another.').waitFor();
    assert.equal(await ada.page.getByRole('separator', { name: /new message/u }).count(), 0,
      'the divider disappears on leaving');
    assert.deepEqual([...ada.errors, ...ben.errors], []);
  }));

test('older messages load above without moving the view, and new ones arrive below without scrolling down', () =>
  runJourney(async ({ server, browser }) => {
    const ada = await UserPage.open(browser, server.links.ada);
    const ben = await UserPage.open(browser, server.links.ben);
    await ada.openConversation(ITEM);
    await ben.openConversation(ITEM);
    const many = Array.from({ length: 90 }, (_, index) =>
      `line ${index + 1} ${'of a longer text '.repeat(index % 5)}`.trim());
    await ben.sendMessages(ben.conversationId(), many);
    await ada.bubble(many[89]).waitFor();
    await ada.page.reload();
    await ada.bubble(many[89]).waitFor();
    await until(() => ada.distanceToEnd(), (far) => far <= 1, 'the conversation opens at its end');
    await assertViewStays(ada);
    await assertNotScrolledDown(ada, ben);
    assert.deepEqual([...ada.errors, ...ben.errors], []);
  }));

/** @param {UserPage} ada */
async function assertViewStays(ada) {
  const log = ada.page.locator('.message-log');
  for (let round = 0; round < 4; round += 1) {
    const before = await ada.page.locator('parlor-message').count();
    // Checks in every frame, while history loads, that the first visible message does not move.
    const moved = await log.evaluate(async (log, count) => {
      log.scrollTop = 40;
      const edge = log.getBoundingClientRect().top;
      const first = [...log.querySelectorAll('parlor-message')].find((one) => one.getBoundingClientRect().bottom > edge);
      const key = /** @type {HTMLElement} */ (first).dataset.key;
      const top = /** @type {HTMLElement} */ (first).getBoundingClientRect().top;
      let most = 0;
      for (let frame = 0; frame < 600; frame += 1) {
        await new Promise(requestAnimationFrame);
        const now = [...log.querySelectorAll('parlor-message')].find((one) =>
          /** @type {HTMLElement} */ (one).dataset.key === key);
        most = Math.max(most, Math.abs((now?.getBoundingClientRect().top ?? 1e6) - top));
        if (log.querySelectorAll('parlor-message').length > count || !log.querySelector('.older .skeleton-bar')) break;
      }
      return most;
    }, before);
    const after = await ada.page.locator('parlor-message').count();
    if (after === before) break;
    assert.ok(moved <= 1, `the first visible message moved by ${moved} px`);
  }
  await ada.bubble('line 1').waitFor({ state: 'attached' });
}

/** @param {UserPage} ada @param {UserPage} ben */
async function assertNotScrolledDown(ada, ben) {
  const log = ada.page.locator('.message-log');
  const top = await log.evaluate((log) => {
    log.scrollTop = log.scrollHeight / 2;
    return log.scrollTop;
  });
  await ben.send('First below.');
  await ben.send('Second below.');
  const pill = ada.page.getByRole('button', { name: '2 new' });
  await pill.waitFor();
  assert.equal(await log.evaluate((log) => log.scrollTop), top);
  await ada.checkAccessibility('scrolled up with news');
  await until(() => ben.page.locator('parlor-message-group').last().locator('.meta').innerText(),
    (text) => text.includes('Delivered'), 'messages below the screen are not read');
  await pill.click();
  await until(() => ada.distanceToEnd(), (far) => far <= 1, 'the button goes to the end');
  await pill.waitFor({ state: 'hidden' });
  await until(() => ben.page.locator('parlor-message-group').last().locator('.meta').innerText(),
    (text) => text.includes('Read'), 'now they are');
  // Near the end the view follows.
  await log.evaluate((log) => { log.scrollTop -= 80; });
  await ben.send('Followed.');
  await ada.bubble('Followed.').waitFor();
  await until(() => ada.distanceToEnd(), (far) => far <= 1, 'within 100 px of the end the view follows');
}

test('the composer keeps drafts, breaks lines, counts characters and sends nothing by accident', () =>
  runJourney(async ({ server, browser }) => {
    const ada = await UserPage.open(browser, server.links.ada);
    await ada.openConversation(ITEM);
    const field = ada.page.getByRole('textbox', { name: 'Message' });
    const before = await ada.texts();
    await field.fill('');
    await field.press('Enter');
    await field.fill('   ');
    await field.press('Enter');
    await field.fill('first line');
    await field.press('Shift+Enter');
    await field.pressSequentially('second line');
    await field.dispatchEvent('keydown', { key: 'Enter', isComposing: true });
    assert.deepEqual(await ada.texts(), before, 'nothing was sent');
    await ada.page.locator('parlor-row', { hasText: 'Tomás' }).first().click();
    await ada.page.getByRole('heading', { name: 'Tomás Ferreira' }).waitFor();
    assert.equal(await field.inputValue(), '');
    await ada.page.locator('parlor-row', { hasText: ITEM }).getByText('Draft').waitFor();
    await ada.page.reload();
    await ada.openConversation(ITEM);
    assert.equal(await field.inputValue(), 'first line\nsecond line');
    await field.press('Enter');
    await ada.bubble('first line\nsecond line').waitFor();
    await field.fill('x'.repeat(10_001));
    await ada.page.getByText('1 character too many. The limit is 10,000.').waitFor();
    assert.equal(await ada.page.getByRole('button', { name: 'Send' }).isDisabled(), true);
    await field.fill('☂'.repeat(9_990));
    await ada.page.getByText('10 characters left').waitFor();
    assert.deepEqual(ada.errors, []);
  }));

test('everything can be done with the keyboard', () =>
  runJourney(async ({ server, browser }) => {
    const ada = await UserPage.open(browser, server.links.ada);
    const { keyboard } = ada.page;
    const focused = () => ada.page.evaluate(() => document.activeElement?.textContent ?? '');
    await keyboard.press('Control+e');
    await keyboard.type('keys');
    await until(() => ada.page.locator('parlor-row').count(), (count) => count === 1, 'the search filters the list');
    await keyboard.press('Escape');
    await keyboard.press('ArrowDown');
    assert.match(await focused(), /Ben Okafor/u);
    await keyboard.press('End');
    assert.match(await focused(), /Mira Sandoval/u);
    await keyboard.press('ArrowUp');
    await keyboard.press('Home');
    assert.match(await focused(), /Ben Okafor/u);
    await keyboard.press('Enter');
    await ada.page.getByRole('heading', { name: 'Ben Okafor' }).waitFor();
    await until(() => ada.page.evaluate(() => document.activeElement?.getAttribute('aria-label')),
      (label) => label === 'Message', 'the composer has the focus at once');
    await keyboard.type('By keyboard alone.');
    await keyboard.press('Enter');
    await ada.bubble('By keyboard alone.').waitFor();
    await keyboard.press('Shift+Tab');
    await keyboard.press('Shift+Tab');
    assert.equal(await ada.page.evaluate(() => document.activeElement?.getAttribute('role')), 'log');
    assert.deepEqual(ada.errors, []);
  }));

test('a large conversation, whose events go only to connections that show it, stays up to date', () =>
  runJourney(async ({ server, browser }) => {
    const ada = await UserPage.open(browser, server.links.ada);
    const ben = await UserPage.open(browser, server.links.ben);
    const name = 'Lost and found desk';
    const row = ada.page.locator('parlor-row', { hasText: name });
    await ben.openConversation(name);
    await ben.send('Nobody shows this but me.');
    await until(() => row.locator('.badge').allInnerTexts(), (texts) => texts[0] === '1',
      'the hint was enough to load the message');
    await ada.openConversation(name);
    await ada.bubble('Nobody shows this but me.').waitFor();
    await until(() => row.locator('.badge').count(), (count) => count === 0, 'it counts as read');
    await ben.send('And now both do.');
    await ada.bubble('And now both do.').waitFor();
    await ada.send('So I see.');
    await ben.bubble('So I see.').waitFor();
    await ada.page.reload();
    await ada.bubble('So I see.').waitFor();
    await until(() => row.locator('.badge').count(), (count) => count === 0, 'it stays read after a reload');
    assert.deepEqual([...ada.errors, ...ben.errors], []);
  }, { PARLOR_LIMITS_CONVERSATION_FAN_OUT_MAX: '2' }));
