/**
 * The inbox on the device: installable, opened without a connection, written in there, and erased with the session.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ITEM } from './support/fixtures.js';
import { runJourney } from './support/journey.js';
import { UserPage } from './support/user-page.js';
import { until } from './support/wait.js';

/** @typedef {import('./support/test-server.js').TestServer} TestServer */

test('without a connection the inbox opens as it was, and what is written there is sent once', () =>
  runJourney(async ({ server, browser }) => {
    const ada = await openKept(browser, server.links.ada);
    const ben = await UserPage.open(browser, server.links.ben);
    await ada.openConversation(ITEM);
    await ben.openConversation(ITEM);
    await ada.send('Written with a connection.');
    await ben.bubble('Written with a connection.').waitFor();
    await stored(ada, 'Written with a connection.');

    await ada.context.setOffline(true);
    await ada.page.reload();
    await assertShown(ada, 'Written with a connection.');
    await ada.send('Written without one.');
    await ada.page.reload();
    await assertShown(ada, 'Written without one.');
    assert.equal(await ben.bubble('Written without one.').count(), 0);
    await ada.checkAccessibility('offline');
    await ada.context.setOffline(false);
    await ben.bubble('Written without one.').waitFor({ timeout: 40_000 });
    await until(() => ada.page.locator('parlor-banner .offline').count(), (count) => count === 0, 'the banner goes');

    await stored(ada, 'Written without one.');
    await server.stop('SIGKILL');
    await ada.page.reload();
    await assertShown(ada, 'Written without one.');
    await ada.send('Written while the server was gone.');
    await server.start();
    await ben.bubble('Written while the server was gone.').waitFor({ timeout: 40_000 });
    await ada.page.reload();
    await ada.bubble('Written while the server was gone.').waitFor();
    for (const one of [ada, ben]) {
      const texts = await one.texts();
      for (const text of ['Written without one.', 'Written while the server was gone.']) {
        assert.equal(texts.filter((other) => other === text).length, 1, `"${text}" is there once`);
      }
    }
    assert.deepEqual([...ada.errors, ...ben.errors], []);
  }));

test('signing out and another user erase the inbox from the device', () =>
  runJourney(async ({ server, browser }) => {
    const ada = await openKept(browser, server.links.ada);
    await until(() => kept(ada), (users) => users.length === 1, 'the inbox is kept', 30_000);
    const { page } = ada;
    await page.goto(server.links.ben);
    await page.locator('parlor-row').first().waitFor();
    await until(() => kept(ada), (users) => users.length === 1 && users[0] !== ada.first, 'only the other user is kept');
    await page.evaluate(() => fetch('/v1/session', { method: 'DELETE' }));
    await page.locator('parlor-sign-in form').waitFor();
    await until(() => kept(ada), (users) => users.length === 0, 'nobody is kept');
    const paths = await page.evaluate(async () => {
      const caches_ = await Promise.all((await caches.keys()).map((name) => caches.open(name)));
      const requests = (await Promise.all(caches_.map((cache) => cache.keys()))).flat();
      return requests.map((request) => new URL(request.url).pathname);
    });
    assert.ok(paths.length > 5 && paths.every((path) => path.startsWith('/web/')), `only files of the page: ${paths}`);
    await ada.context.setOffline(true);
    await page.reload();
    await page.getByRole('heading', { name: 'could not be loaded' }).waitFor({ timeout: 20_000 });
    assert.equal(await page.locator('parlor-row').count(), 0);
    assert.deepEqual(ada.errors, []);
  }));

test('the last known inbox is not shown to somebody of whom the server says that they are not signed in', () =>
  runJourney(async ({ server, browser }) => {
    const ada = await openKept(browser, server.links.ada);
    await until(() => kept(ada), (users) => users.length === 1, 'the inbox is kept', 30_000);
    await ada.context.clearCookies();
    const { page } = ada;
    /** @type {() => void} */
    let answer = () => {};
    const held = new Promise((resolve) => {
      answer = () => resolve(null);
    });
    // The server is slow with everything but the answer to who is signed in.
    await ada.context.route('**/v1/site', async (route) => {
      await held;
      await route.continue();
    });
    const asked = page.waitForResponse('**/v1/me');
    await page.goto(new URL('/', server.links.ada).href);
    assert.equal((await asked).status(), 401);
    // waits for: the time after which the inbox would be shown
    await page.waitForTimeout(4_000);
    assert.equal(await page.locator('parlor-row').count(), 0);
    answer();
    await page.locator('parlor-sign-in form').waitFor();
    await until(() => kept(ada), (users) => users.length === 0, 'nobody is kept');
  }));

test('the inbox can be installed', () =>
  runJourney(async ({ server, browser }) => {
    const ada = await openKept(browser, server.links.ada);
    const devTools = await ada.context.newCDPSession(ada.page);
    const { errors, data } = await devTools.send('Page.getAppManifest');
    assert.deepEqual(errors, []);
    assert.equal(JSON.parse(data ?? '').name, 'Parlor');
    const { installabilityErrors } = await devTools.send('Page.getInstallabilityErrors');
    // A page of a test is in a private window.
    assert.deepEqual(installabilityErrors.filter((one) => one.errorId !== 'in-incognito'), []);
  }));

test('what another application shares waits in the composer of a conversation that the user picks', () =>
  runJourney(async ({ server, proxy, browser }) => {
    let sent = '';
    proxy.server.on('connection', (socket) => socket.on('data', (chunk) => {
      sent += chunk;
    }));
    const ada = await openKept(browser, proxy.link(server.links.ada));
    const { page } = ada;
    const shared = new URLSearchParams({
      'share-title': 'A bench', 'share-text': 'Seen here: https://example.com/bench', 'share-url': 'https://example.com/bench',
    });
    await page.goto(`${new URL(proxy.link(server.links.ada)).origin}/?${shared}`);
    await page.getByRole('dialog', { name: 'Share with' }).waitFor();
    await ada.checkAccessibility('share');
    await page.getByRole('dialog').getByRole('option', { name: 'Tomás' }).click();
    const field = page.getByRole('textbox', { name: 'Message' });
    await until(() => field.inputValue(), (text) => text === 'A bench\nSeen here: https://example.com/bench', 'the text waits');
    assert.equal(new URL(page.url()).search, '');
    assert.ok(!page.url().includes('bench'));
    await page.reload();
    await page.locator('parlor-row').first().waitFor();
    assert.equal(await page.getByRole('dialog').count(), 0);
    assert.ok(sent.includes('GET /v1/') && !sent.includes('share-'), 'the server does not see it');
    assert.deepEqual(ada.errors, []);
  }));

test('an inbox on the device that is broken stops no start', () =>
  runJourney(async ({ server, browser }) => {
    const ada = await openKept(browser, server.links.ada);
    await until(() => kept(ada), (users) => users.length === 1, 'the inbox is kept', 30_000);
    await ada.page.evaluate(() => new Promise((resolve) => {
      const opening = indexedDB.open('parlor-inbox');
      opening.onsuccess = () => {
        const store = opening.result.transaction('snapshots', 'readwrite').objectStore('snapshots');
        const all = store.getAll();
        all.onsuccess = () => {
          const [one] = all.result;
          store.put({ ...one, state: { ...one.state, me: 7, list: null } }, `${one.user}:inbox`).onsuccess = () => {
            opening.result.close();
            resolve(null);
          };
        };
      };
    }));
    await ada.context.route('**/v1/**', (route) => route.abort());
    await ada.page.reload();
    await ada.page.getByRole('heading', { name: 'could not be loaded' }).waitFor({ timeout: 20_000 });
    await until(() => kept(ada), (users) => users.length === 0, 'it is erased');
    await ada.context.unroute('**/v1/**');
    await ada.page.locator('parlor-row').first().waitFor({ timeout: 20_000 });
  }));

test('a server that switches it off removes the worker, the files and the inbox', () =>
  runJourney(async ({ server, browser }) => {
    const ada = await openKept(browser, server.links.ada);
    await until(() => kept(ada), (users) => users.length === 1, 'the inbox is kept', 30_000);
    await server.stop('SIGTERM');
    await server.start({ PARLOR_OFFLINE: 'false' });
    await ada.page.reload();
    await ada.page.locator('parlor-row').first().waitFor();
    await until(() => ada.page.evaluate(async () => [
      (await navigator.serviceWorker.getRegistrations()).length, (await caches.keys()).length,
    ].join()), (counts) => counts === '0,0', 'there is no worker and no cache');
    assert.deepEqual(await kept(ada), []);
  }));

/** Opens a page whose worker has kept all files. @param {import('playwright-core').Browser} browser
 * @param {string} link */
async function openKept(browser, link) {
  const person = await UserPage.open(browser, link);
  await person.page.evaluate(async () => {
    const { active } = await navigator.serviceWorker.ready;
    if (active?.state === 'activated') return;
    await new Promise((resolve) => active?.addEventListener('statechange', resolve, { once: true }));
  });
  return Object.assign(person, { first: await person.page.evaluate(async () => (await (await fetch('/v1/me')).json()).id) });
}

/** Waits until a message is on the device, which keeps the inbox when the page is left. @param {UserPage} person
 * @param {string} text */
async function stored(person, text) {
  const leave = () => person.page.evaluate(() => {
    for (const state of ['hidden', 'visible']) {
      Object.defineProperty(document, 'visibilityState', { configurable: true, value: state });
      document.dispatchEvent(new Event('visibilitychange'));
    }
  });
  await until(() => leave().then(() => snapshots(person)), (all) => all.some((one) => one.texts.includes(text)), `"${text}" is kept`, 30_000);
}

/** @param {UserPage} person @returns {Promise<number[]>} the users whose inbox is on the device */
async function kept(person) {
  return (await snapshots(person)).map((one) => one.user);
}

/** @param {UserPage} person @returns {Promise<{user: number, texts: string[]}[]>} */
function snapshots({ page }) {
  return page.evaluate(async () => {
    // Opening it would create it.
    if (!(await indexedDB.databases()).some(({ name }) => name === 'parlor-inbox')) return [];
    return new Promise((resolve, reject) => {
      const opening = indexedDB.open('parlor-inbox');
      opening.onerror = reject;
      opening.onsuccess = () => {
        const all = opening.result.transaction('snapshots').objectStore('snapshots').getAll();
        all.onsuccess = () => {
          opening.result.close();
          resolve(all.result.map(({ user, state }) => ({
            user, texts: [...state.threads.values()].flatMap((one) => one.messages.map((/** @type {any} */ message) => message.text)),
          })));
        };
      };
    });
  });
}

/** Checks that the list, the open conversation with a message, and the banner are shown beside each other.
 * @param {UserPage} person @param {string} text */
async function assertShown(person, text) {
  await person.bubble(text).waitFor();
  await person.page.getByText('You are offline.').waitFor();
  const [row, bubble, banner] = await Promise.all([
    person.page.locator('parlor-row').first(), person.bubble(text), person.page.locator('parlor-banner'),
  ].map((one) => one.boundingBox()));
  assert.ok(row && bubble && banner);
  assert.ok(row.width > 200 && row.height > 40 && bubble.width > 50, 'they have their sizes');
  assert.ok(row.x + row.width <= bubble.x, 'the list is beside the conversation');
  assert.ok(banner.y + banner.height <= row.y, 'the banner is above both');
}
