/**
 * Below a path of a host name that belongs to something else: pages, API, socket, pictures and cookies.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runJourney } from './support/journey.js';
import { UserPage } from './support/user-page.js';

test('everything works below a path, and nothing is asked for beside it', async () => {
  await runJourney(async ({ server, browser }) => {
    /** @type {string[]} */
    const outside = [];
    /** @param {string} name */
    const open = async (name) => {
      const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
      const page = await context.newPage();
      page.on('request', (request) => {
        const { protocol, pathname } = new URL(request.url());
        if (protocol.startsWith('http') && !pathname.startsWith('/in/box/')) outside.push(request.url());
      });
      page.on('websocket', (socket) => {
        if (new URL(socket.url()).pathname !== '/in/box/v1/socket') outside.push(socket.url());
      });
      page.on('response', (response) => {
        if (response.status() >= 400) outside.push(`${response.status()} ${response.url()}`);
      });
      await page.goto(server.printedLinks[name]);
      assert.equal(new URL(page.url()).pathname, '/in/box/', 'the link of the demo leads below the path');
      await page.locator('parlor-message-group').first().waitFor();
      return new UserPage(context, page);
    };
    const [ada, ben] = [await open('ada'), await open('ben')];
    await ada.send('written below a path');
    await ben.page.locator('parlor-message-group', { hasText: 'written below a path' }).waitFor();
    await ben.page.reload();
    await ben.page.locator('parlor-message-group', { hasText: 'written below a path' }).waitFor();
    const cookies = await ben.context.cookies();
    assert.deepEqual(new Set(cookies.map((cookie) => cookie.path)), new Set(['/in/box/']));
    assert.deepEqual(outside, []);
    assert.deepEqual([...ada.errors, ...ben.errors], []);
  }, { PARLOR_HTTP_ROOT_PATH: '/in/box' });
});
