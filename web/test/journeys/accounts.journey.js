/**
 * The user's own account: created, changed and signed out, with an inbox that is empty at first.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PICTURE } from './support/fixtures.js';
import { runJourney } from './support/journey.js';
import { UserPage } from './support/user-page.js';
import { until } from './support/wait.js';

const SIGN_UP = { PARLOR_ACCOUNTS_SIGN_UP: 'true', PARLOR_NAME: 'Found & Kept' };

test('a new account has an empty inbox that says what will appear there', () =>
  runJourney(async ({ server, browser }) => {
    const eve = await UserPage.open(browser, server.links.signIn);
    const { page } = eve;
    await signUp(eve, 'eve', 'Eve Adler', 'a long enough password');
    await page.getByRole('heading', { name: 'No conversations yet' }).waitFor();
    await eve.checkAccessibility('empty inbox');
    await page.setViewportSize({ width: 390, height: 800 });
    await page.getByRole('heading', { name: 'No conversations yet' }).waitFor();
    await page.getByRole('button', { name: 'Write to somebody' }).waitFor();
    await eve.checkAccessibility('empty inbox on a phone');
    await page.setViewportSize({ width: 1280, height: 800 });
    await page.getByRole('button', { name: 'Write to somebody' }).click();
    await page.getByText('Type two letters of a name.').waitFor();
    await eve.checkAccessibility('nobody to write to');
    await page.keyboard.press('Escape');

    const max = await UserPage.open(browser, server.links.signIn);
    await signUp(max, 'max', 'Max Berger', 'another long password');
    await max.page.getByRole('button', { name: 'Write to somebody' }).click();
    await max.page.getByRole('searchbox', { name: 'Find people' }).fill('eve');
    await max.page.getByRole('button', { name: 'Eve Adler' }).click();
    await max.page.getByRole('button', { name: 'Write to Eve' }).click();
    await max.send('Hello Eve, is the umbrella yours?');
    await page.locator('parlor-row', { hasText: 'Max Berger' }).click();
    await eve.bubble('Hello Eve, is the umbrella yours?').waitFor();
    assert.deepEqual([...eve.errors, ...max.errors], []);
  }, SIGN_UP, 'serve'));

test('the sign-in page says when the browser keeps no cookies', () =>
  runJourney(async ({ server, browser }) => {
    const eve = await UserPage.open(browser, server.links.signIn);
    const { page, context } = eve;
    await page.route(/\/v1\/(?:session|users)$/u, async (route) => {
      const response = await route.fetch();
      await context.clearCookies();
      const { 'set-cookie': _, ...headers } = response.headers();
      await route.fulfill({ response, headers });
    });
    await signUp(eve, 'eve', 'Eve Adler', 'a long enough password');
    await page.getByRole('alert').getByText('Allow cookies for this page.').waitFor();
    await eve.checkAccessibility('no cookies');
  }, SIGN_UP, 'serve'));

test('a user changes name, picture and password, and others see it', () =>
  runJourney(async ({ server, browser }) => {
    const eve = await UserPage.open(browser, server.links.signIn);
    const { page } = eve;
    await signUp(eve, 'eve', 'Eve Adler', 'a long enough password');
    const max = await UserPage.open(browser, server.links.signIn);
    await signUp(max, 'max', 'Max Berger', 'another long password');
    await max.page.getByRole('button', { name: 'Write to somebody' }).click();
    await max.page.getByRole('searchbox', { name: 'Find people' }).fill('eve');
    await max.page.getByRole('button', { name: 'Eve Adler' }).click();
    await max.page.getByRole('button', { name: 'Write to Eve' }).click();
    await max.send('Hello.');
    await page.locator('parlor-row').first().waitFor();

    await page.getByRole('button', { name: /settings/u }).click();
    await page.getByLabel('Name', { exact: true }).fill('Eve Adler-Stein');
    await page.getByRole('button', { name: 'Save' }).click();
    await max.page.getByRole('heading', { name: 'Eve Adler-Stein' }).waitFor();
    await page.locator('input[type=file]').setInputFiles({ name: 'me.png', mimeType: 'image/png', buffer: PICTURE });
    await page.locator('.portrait img').waitFor();
    await max.page.locator('parlor-row img').first().waitFor();
    await page.getByLabel('Light').check();
    assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), 'light');

    await page.getByLabel('Current password').fill('not this one');
    await page.getByLabel('New password').fill('short');
    await page.getByRole('button', { name: 'Change password' }).click();
    await page.getByText(/A password has at least \d+ characters\./u).waitFor();
    await page.getByLabel('New password').fill('an even longer password');
    await page.getByRole('button', { name: 'Change password' }).click();
    await page.getByText('The current password is wrong.').waitFor();
    await eve.checkAccessibility('settings with what is wrong');
    await page.getByLabel('Current password').fill('a long enough password');
    await page.getByRole('button', { name: 'Change password' }).click();
    await page.getByText('The password was changed.').waitFor();
    await signIn(page, 'eve', 'an even longer password');
    const theme = await page.evaluate(() => document.documentElement.dataset.theme);
    assert.equal(theme, 'light', 'the choice belongs to the device');
    await page.getByRole('button', { name: 'Eve Adler-Stein: settings' }).waitFor();
    assert.deepEqual([...eve.errors, ...max.errors], []);
  }, SIGN_UP, 'serve'));

test('a login that is taken is reported at its field', () =>
  runJourney(async ({ server, browser }) => {
    const eve = await UserPage.open(browser, server.links.signIn);
    await signUp(eve, 'eve', 'Eve Adler', 'a long enough password');
    await eve.page.getByRole('heading', { name: 'No conversations yet' }).waitFor();
    const other = await UserPage.open(browser, server.links.signIn);
    await signUp(other, 'eve', 'Eve Other', 'a long enough password');
    await other.page.getByText('That name is taken. Choose another.').waitFor();
    await other.checkAccessibility('sign up refused');
  }, SIGN_UP, 'serve'));

/** @param {UserPage} person @param {string} login @param {string} name @param {string} password */
async function signUp({ page }, login, name, password) {
  await page.getByRole('button', { name: 'New here? Create an account' }).click();
  await page.getByLabel('Your name, as others see it').fill(name);
  await page.getByLabel('E-mail or name').fill(login);
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Create an account' }).click();
}

/** @param {import('playwright-core').Page} page @param {string} login @param {string} password */
async function signIn(page, login, password) {
  // The form appears when the socket is closed; what is typed stays when the answer comes.
  let fill = () => {};
  const filled = new Promise((/** @type {(value: void) => void} */ resolve) => {
    fill = resolve;
  });
  await page.route('**/v1/session', async (route) => {
    const response = await route.fetch();
    await filled;
    await route.fulfill({ response });
  }, { times: 1 });
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByLabel('E-mail or name').fill(login);
  const answered = page.waitForResponse('**/v1/session');
  fill();
  await answered;
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await until(() => page.locator('parlor-row').count(), (count) => count > 0, 'the inbox is back');
}
