/**
 * Where one stands: what is unread above and the way there, jumps that cannot be made, and a place that stays whatever
 * comes and goes.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { POURING } from './pour.js';
import { Person, travel, until } from './support.js';

/** @import {BrowserContextOptions, Locator, Page} from 'playwright-core' */

const ITEM = 'Black umbrella';
const OTHER = 'Tomás Ferreira';
const PHONE = { viewport: { width: 390, height: 800 }, hasTouch: true, isMobile: true };
const DARK = /** @type {const} */ ({ colorScheme: 'dark' });

/** @param {number} count @param {string} [word] */
const lines = (count, word = 'Line') => Array.from({ length: count }, (_, at) => `${word} ${at + 1}`);

/** @param {Person} person @returns {Locator} */
const bar = ({ page }) => page.locator('.since');

/** Ada and Ben in the conversation about the umbrella; then Ada looks elsewhere.
 * @param {Parameters<Parameters<typeof travel>[0]>[0]} place @param {BrowserContextOptions} [options] of Ada's */
async function apart({ demo, browser }, options = {}) {
  const ada = await Person.open(browser, demo.links.ada, options);
  const ben = await Person.open(browser, demo.links.ben);
  await ada.choose(ITEM);
  await ben.choose(ITEM);
  const id = ada.conversation();
  await until(() => ada.fromEnd(), (far) => far <= 1, 'it opens at its end');
  await elsewhere(ada);
  return { ada, ben, id };
}

/** @param {Person} ada */
async function elsewhere({ page }) {
  await page.evaluate(() => { location.hash = '#/settings'; });
  await page.getByRole('heading', { name: 'Settings' }).waitFor();
}

/** @param {Person} person @param {number} id */
async function goTo({ page }, id) {
  await page.evaluate((to) => { location.hash = `#/c/${to}`; }, id);
  await page.locator('parlor-run').first().waitFor();
}

/** Whether the unread line is on the screen. @param {Person} person @returns {Promise<boolean>} */
function seesLine({ page }) {
  return page.evaluate(() => {
    const line = document.querySelector('.unread-from')?.getBoundingClientRect();
    const log = document.querySelector('.talk')?.getBoundingClientRect();
    return line !== undefined && log !== undefined && line.top >= log.top && line.bottom <= log.bottom;
  });
}

/** Waits until all of the unread ones are known to the list. @param {Person} ada @param {string} count */
async function unread({ page }, count) {
  await page.locator('parlor-row', { hasText: ITEM }).locator('.badge', { hasText: count }).waitFor();
}

test('what is unread above is told, with the way there, and no more once it was seen', () =>
  travel(async (place) => {
    const { ada, ben, id } = await apart(place);
    const { page } = ada;
    await ben.fill(id, lines(2, 'Few'));
    await unread(ada, '2');
    await goTo(ada, id);
    await ada.bubble('Few 2').waitFor();
    assert.equal(await seesLine(ada), true);
    assert.equal(await bar(ada).isVisible(), false, 'what is seen is not told of');
    await elsewhere(ada);
    await ben.fill(id, lines(60));
    await unread(ada, '60');
    await goTo(ada, id);
    await bar(ada).getByText(/^60 new since \d\d:\d\d$/u).waitFor();
    await until(() => ada.fromEnd(), (far) => far <= 1, 'it opens at its end');
    // It is said once: by the thread, not by the bar.
    await page.locator('parlor-talk [role="status"]', { hasText: '60 new since' }).waitFor({ state: 'attached' });
    assert.equal(await bar(ada).evaluate((one) => one.closest('[aria-live], [role="status"], [role="alert"]')), null);
    await ada.check('unread above');
    await page.getByRole('button', { name: 'Jump to the first new message' }).click();
    await until(() => seesLine(ada), Boolean, 'the line is seen');
    await bar(ada).waitFor({ state: 'hidden' });
    assert.match(await page.evaluate(() => document.activeElement?.textContent ?? ''), /Line 1$/u, 'the first has the focus');
    await ada.check('unread reached');
    await page.getByRole('button', { name: 'Jump to the latest message' }).click();
    await until(() => ada.fromEnd(), (far) => far <= 1, 'back at the end');
    assert.equal(await bar(ada).isVisible(), false, 'it was seen');
    assert.deepEqual([...ada.complaints, ...ben.complaints], []);
  }, POURING));

test('the way to what is unread leads through what is not held, and it can be sent away', () =>
  travel(async (place) => {
    const { ada, ben, id } = await apart(place);
    const { page } = ada;
    await ben.fill(id, lines(150));
    await unread(ada, '99+');
    await goTo(ada, id);
    await bar(ada).getByText(/^99\+ new since \d\d:\d\d$/u).waitFor();
    // Above the line nothing is unread above; back at the end it is again.
    await page.getByRole('log').focus();
    await page.keyboard.press('Home');
    await until(() => page.evaluate(() => /** @type {any} */ (document.activeElement)?.seq), (seq) => seq === 1, 'at the top');
    assert.equal(await bar(ada).isVisible(), false);
    await page.getByRole('button', { name: 'Jump to the latest message' }).click();
    await ada.bubble('Line 150').waitFor();
    await bar(ada).getByText('99+ new').waitFor();
    await bar(ada).getByRole('button', { name: 'Jump' }).press('Enter');
    await ada.bubble('Line 1').waitFor();
    await until(() => seesLine(ada), Boolean, 'the line is seen');
    assert.ok(await page.locator('parlor-said').count() < 100, 'only what is around it is held');
    await page.getByRole('button', { name: 'Jump to the latest message' }).click();
    await ada.bubble('Line 150').waitFor();
    assert.equal(await bar(ada).isVisible(), false);
    for (const way of ['Escape', 'button']) {
      await elsewhere(ada);
      await ben.fill(id, lines(40, way));
      await unread(ada, '40');
      await goTo(ada, id);
      await bar(ada).getByText('40 new').waitFor();
      if (way === 'Escape') await page.keyboard.press('Escape');
      else await bar(ada).getByRole('button', { name: 'Stay here' }).click();
      await bar(ada).waitFor({ state: 'hidden' });
      await until(() => ada.fromEnd(), (far) => far <= 1, 'one stays at the end');
      await ben.say(`After ${way}`);
      await ada.bubble(`After ${way}`).waitFor();
      assert.equal(await bar(ada).isVisible(), false, 'it does not come back');
    }
    assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('role')), 'log');
    assert.deepEqual([...ada.complaints, ...ben.complaints], []);
  }, POURING));

test('on a phone in the dark what is unread above is told too', () =>
  travel(async (place) => {
    const { ada, ben, id } = await apart(place, { ...PHONE, ...DARK });
    await ben.fill(id, lines(30));
    await goTo(ada, id);
    await bar(ada).getByText('30 new').waitFor();
    await ada.check('unread above phone dark');
    await ada.assertNoSideways();
    await ada.page.setViewportSize({ width: 320, height: 640 });
    await ada.assertNoSideways();
    await bar(ada).getByRole('button', { name: 'Jump' }).tap();
    await until(() => seesLine(ada), Boolean, 'the line is seen');
    assert.deepEqual([...ada.complaints, ...ben.complaints], []);
  }, POURING));
