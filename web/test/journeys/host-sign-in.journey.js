/**
 * People who sign in to the application beside Parlor: the inbox leads there, and shows only what they can do here.
 */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { runJourney } from './support/journey.js';
import { UserPage } from './support/user-page.js';

/** Starts an application that knows one cookie. @returns {Promise<{url: string, end: () => void}>} */
function startHost() {
  const host = createServer((request, response) => {
    const isKnown = request.headers.cookie?.includes('sessionid=ada');
    response.writeHead(isKnown ? 200 : 401, { 'content-type': 'application/json' });
    response.end(isKnown ? '{"id": 7, "username": "ada", "name": "Ada Lovelace"}' : '{}');
  });
  return new Promise((resolve) => {
    host.listen(0, '127.0.0.1', () => {
      const { port } = /** @type {import('node:net').AddressInfo} */ (host.address());
      resolve({ url: `http://127.0.0.1:${port}/`, end: () => void host.close() });
    });
  });
}

test('without an account here a user is led to the application, and back', async () => {
  const host = await startHost();
  const settings = {
    PARLOR_IDENTITY_PROVIDERS: 'callback',
    PARLOR_CALLBACK_URL: host.url,
    PARLOR_IDENTITY_SIGN_IN_URL: '/livez?next={return}',
    PARLOR_IDENTITY_SIGN_OUT_URL: '/livez?out',
  };
  try {
    await runJourney(async ({ server, browser }) => {
      const home = new URL('/', server.links.signIn).href;
      const context = await browser.newContext({ locale: 'en-GB', viewport: { width: 1280, height: 800 } });
      const ada = new UserPage(context, await context.newPage());
      const { page } = ada;
      const cookie = (/** @type {string} */ value) => context.addCookies([{ name: 'sessionid', value, url: home }]);
      await page.goto(home);
      assert.equal(page.url(), `${home}livez?next=%2F`, 'nobody is signed in, so the application comes first');

      await cookie('expired');
      await page.goto(`${home}#settings`);
      const link = page.getByRole('link', { name: 'Sign in' });
      await link.waitFor();
      assert.equal(await link.getAttribute('href'), '/livez?next=%2F%23settings');
      assert.equal(await page.locator('input').count(), 0, 'there is no password to type here');
      await ada.checkAccessibility('a link to sign in');

      await page.goto(`${home}?share-text=a+secret`);
      await link.waitFor();
      assert.equal(await link.getAttribute('href'), '/livez?next=%2F%23%2F', 'what is shared is for nobody else');
      await cookie('ada');
      await page.goto(home);
      await page.reload();
      await page.getByRole('dialog', { name: 'Share with' }).waitFor();
      await page.keyboard.press('Escape');
      await page.getByRole('button', { name: 'Ada Lovelace: settings' }).click();
      const out = page.getByRole('link', { name: 'Sign out' });
      await out.waitFor();
      assert.equal(await out.getAttribute('href'), '/livez?out');
      assert.equal(await page.getByRole('button', { name: 'Sign out' }).count(), 0);
      assert.equal(await page.getByRole('heading', { name: 'Password' }).count(), 0);
      await ada.checkAccessibility('settings of a user of the application');
      assert.deepEqual(ada.errors, []);
    }, settings, 'serve');
  } finally {
    host.end();
  }
});
