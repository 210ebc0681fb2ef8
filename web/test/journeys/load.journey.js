/**
 * The first load and the second: their requests and sizes, and that nothing shifts while they arrive. `npm run load`
 * measures the speed; these tests hold its causes.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assets, bytes, laterAssets, load, openSignedIn } from './support/page-load.js';
import { runJourney } from './support/journey.js';
import { UserPage } from './support/user-page.js';

const BYTES_MAX = 100_000;
/** The script with menus and dialogs, which an idle page loads. */
const LATER_BYTES_MAX = 50_000;
/** The style sheet, the script that runs before the first paint, the main script and the icon. */
const ASSETS_MAX = 4;
const SHIFT_MAX = 0.02;

test('the inbox loads with few requests and bytes, loads from the cache the next time, and nothing shifts', () =>
  runJourney(async ({ server, browser }) => {
    for (const [width, path] of /** @type {const} */ ([[1280, '/'], [390, '/'], [1280, '/#/c/1'], [390, '/#/c/1']])) {
      const context = await openSignedIn(browser, server.links.ada, { viewport: { width, height: 800 } });
      const url = new URL(path, server.links.ada).href;
      const where = `${path} at ${width} px`;
      const cold = await load(context, url);
      const names = assets(cold).map((one) => `${one.url} ${one.encoding}`);
      assert.ok(names.length > 2 && names.length <= ASSETS_MAX, `${where}: ${names.join(', ')}`);
      for (const one of assets(cold)) assert.equal(one.encoding, 'br', one.url);
      if (path === '/') assert.ok(bytes(cold) < BYTES_MAX, `${where}: ${bytes(cold)} bytes`);
      const later = laterAssets(cold);
      assert.deepEqual(later.map(({ encoding }) => encoding), ['br'], `${where}: one script for later`);
      assert.ok(later[0].bytes < LATER_BYTES_MAX, `${where}: ${later[0].bytes} bytes for later`);
      const warm = await load(context, url);
      assert.deepEqual(laterAssets(warm).filter(({ cached }) => !cached), [], `${where}: nor the script for later`);
      assert.deepEqual(assets(warm).filter(({ cached }) => !cached), [], `${where}: nothing is requested again`);
      for (const { paint } of [cold, warm]) {
        assert.ok(paint.shift < SHIFT_MAX, `${where}: ${paint.shift} by ${paint.shifted.join(', ')}`);
      }
      await context.close();
    }
  }));

test('something useful is painted before the script has loaded', () =>
  runJourney(async ({ server, browser }) => {
    for (const width of [1280, 390]) {
      const viewport = { width, height: 800 };
      const context = await openSignedIn(browser, server.links.ada, { viewport, serviceWorkers: 'block' });
      const page = await context.newPage();
      await page.route(/\/web\/main-/u, (route) => route.abort());
      await page.goto(new URL('/', server.links.ada).href);
      await page.getByRole('heading', { name: 'Messages' }).waitFor();
      assert.match(await page.locator('meta[name=description]').getAttribute('content') ?? '', /^Messages between .+\.$/u);
      const rows = await page.locator('.skeleton .skeleton-row').evaluateAll((all) =>
        all.map((one) => one.getBoundingClientRect()).filter((box) => box.width > 200 && box.height > 50).length);
      assert.equal(rows, 6);
      assert.equal(await page.locator('.sign-in.skeleton').isVisible(), false);
      await context.clearCookies();
      await page.goto(new URL('/', server.links.ada).href);
      await page.locator('.sign-in.skeleton .card').waitFor();
      assert.equal(await page.locator('.inbox.skeleton').isVisible(), false);
      await context.close();
    }
  }));

test('a lazy module that cannot be loaded shows an error and loads on the next attempt', () =>
  runJourney(async ({ server, browser }) => {
    // The worker would have the module.
    const ada = await UserPage.open(browser, server.links.ada, { serviceWorkers: 'block' });
    await ada.page.route(/\/web\/later-/u, (route) => route.abort());
    await ada.page.reload();
    await ada.page.getByRole('button', { name: 'New conversation' }).click();
    await ada.page.getByText('This could not be loaded.').waitFor();
    await ada.page.unroute(/\/web\/later-/u);
    await ada.page.getByRole('button', { name: 'New conversation' }).click();
    await ada.page.getByRole('dialog').waitFor();
    assert.deepEqual(ada.errors, []);
  }));
