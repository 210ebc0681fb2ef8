/**
 * The demo, opened by its printed link.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';

import { ITEM } from './support/fixtures.js';
import { runJourney } from './support/journey.js';

test('the demo shows pictures, a quote and a reaction, and its item card links to a page that links back', () =>
  runJourney(async ({ server, browser }) => {
    const context = await browser.newContext({ locale: 'en-GB', viewport: { width: 1280, height: 800 } });
    const page = await context.newPage();
    await page.goto(server.printedLinks.ben);
    await page.locator('.pictures img').nth(1).waitFor();
    for (const part of ['.pictures .picture', '.quote', '.reaction', 'a.about-card']) {
      assert.ok(await page.locator(part).first().isVisible(), part);
    }
    await page.locator('parlor-row', { hasText: ITEM }).click();
    const [opened] = await Promise.all([page.waitForEvent('popup'), page.locator('a.about-card').click()]);
    await opened.getByRole('heading', { name: ITEM }).waitFor();
    await opened.getByRole('link', { name: 'Write to the owner' }).click();
    await opened.getByRole('heading', { name: 'Ada Winter' }).waitFor();
    await context.close();
  }));
