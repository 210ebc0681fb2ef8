/**
 * Search: words, prefixes, accents and scripts without spaces; filters; and opening a result and returning, by pointer
 * and keyboard.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ITEM, PHONE } from './support/fixtures.js';
import { payloads } from './support/hostile-texts.js';
import { runJourney } from './support/journey.js';
import { UserPage } from './support/user-page.js';
import { until } from './support/wait.js';

/** @import {Locator} from 'playwright-core' */

/** @param {UserPage} person @returns {Locator} */
function field({ page }) {
  return page.getByRole('searchbox', { name: 'Search conversations and messages' });
}

/** @param {UserPage} person @returns {Locator} */
function results({ page }) {
  return page.locator('parlor-result');
}

/** Repeats a search until it has the given number of results: the index may be a moment behind. @param {UserPage} person
 * @param {string} words @param {number} count */
async function search(person, words, count) {
  await until(async () => {
    await field(person).fill('');
    await field(person).fill(words);
    await until(() => person.page.locator('parlor-results').innerText(),
      (text) => /found|Nothing found|did not work/iu.test(text) && !/Loading/u.test(text), 'the search has finished');
    return results(person).count();
  }, (found) => found === count, `“${words}” is found ${count} times`);
}

/** @param {UserPage} person @returns {Promise<string[]>} the highlighted texts of the results */
function highlights(person) {
  return results(person).locator('mark').allInnerTexts();
}

test('search finds word prefixes, ignores case and accents, and works in scripts without spaces', () =>
  runJourney(async ({ server, browser }) => {
    const ada = await UserPage.open(browser, server.links.ada);
    const { page } = ada;
    await ada.openConversation(ITEM);
    await ada.sendMessages(ada.conversationId(), [
      'Élodie collects it in the Café Sperl', 'The trolleybus passes at noon', '明日の午後に傘を受け取りに行けますか？',
      'ร่มสีดำอยู่ที่โต๊ะ', 'Straße and STRASSE',
    ]);
    await search(ada, 'elodie cafe', 1);
    assert.deepEqual(await highlights(ada), ['Élodie', 'Café']);
    await ada.checkAccessibility('search found');
    await search(ada, 'TROLLEY', 1);
    assert.deepEqual((await highlights(ada)).map((one) => one.toLowerCase()), ['trolley']);
    await search(ada, '傘を', 1);
    await search(ada, 'สีดำ', 1);
    await search(ada, 'zzz no such thing', 0);
    await page.getByRole('heading', { name: 'Nothing found for “zzz no such thing”' }).waitFor();
    await ada.checkAccessibility('search nothing');
    await field(ada).press('Escape');
    assert.equal(await field(ada).inputValue(), '');
    await page.getByRole('heading', { name: 'Messages', exact: true }).waitFor();
    assert.deepEqual(ada.errors, []);
  }));

test('the keyboard opens a search result and leads back to the same results', () =>
  runJourney(async ({ server, browser }) => {
    const ada = await UserPage.open(browser, server.links.ada);
    const { page } = ada;
    await ada.openConversation(ITEM);
    const id = ada.conversationId();
    await ada.sendMessages(id, ['Needle at the beginning', ...Array.from({ length: 120 }, (_, line) => `Hay ${line}`)]);
    await ada.openConversation('Tomás Ferreira');
    await page.keyboard.press('Control+e');
    assert.equal(await field(ada).evaluate((one) => one === document.activeElement), true);
    await search(ada, 'needle', 1);
    await page.keyboard.press('ArrowDown');
    assert.equal(await results(ada).first().evaluate((one) => one === document.activeElement), true);
    await page.keyboard.press('Enter');
    const found = ada.bubble('Needle at the beginning');
    await found.waitFor();
    assert.equal(ada.conversationId(), id);
    await until(() => found.evaluate((one) => {
      const [box, log] = [one.getBoundingClientRect(), one.closest('.message-log')?.getBoundingClientRect()];
      return log !== undefined && box.top >= log.top && box.bottom <= log.bottom;
    }), (seen) => seen, 'the message is on the screen');
    await until(() => found.evaluate((one) => one.classList.contains('jumped')
      || one.querySelector('.jumped') !== null), (yes) => yes, 'the message is highlighted', 3_000);
    await ada.checkAccessibility('search gone to');
    assert.equal(await results(ada).count(), 1, 'the results are still there');
    assert.equal(await results(ada).first().getAttribute('aria-selected'), 'true');
    await page.getByRole('button', { name: 'Back to conversations' }).click();
    assert.equal(await results(ada).first().isVisible(), false);
    assert.equal(await field(ada).inputValue(), '');
    await page.locator('parlor-row').first().waitFor();
    assert.deepEqual(ada.errors, []);
  }));

test('a search is filtered by sender, conversation, item, dates and files', () =>
  runJourney(async ({ server, browser }) => {
    const ada = await UserPage.open(browser, server.links.ada);
    const ben = await UserPage.open(browser, server.links.ben);
    const { page } = ada;
    await ada.openConversation(ITEM);
    await ben.openConversation(ITEM);
    await ada.sendMessages(ada.conversationId(), ['Lighthouse, says Ada']);
    await ben.sendMessages(ben.conversationId(), ['Lighthouse, says Ben']);
    await ada.openConversation('Tomás Ferreira');
    await ada.sendMessages(ada.conversationId(), ['Lighthouse, elsewhere']);
    const choose = async (/** @type {string} */ chip, /** @type {string} */ name) => {
      await page.getByRole('button', { name: chip, exact: true }).click();
      await page.getByRole('dialog').getByRole('button', { name }).first().click();
    };
    const shows = (/** @type {number} */ count) =>
      until(() => results(ada).count(), (found) => found === count, `${count} results are left`);
    await search(ada, 'lighthouse', 3);
    assert.match(await results(ada).first().innerText(), /elsewhere/u, 'the newest result is first');
    await choose('Person', 'Ben Okafor');
    await shows(1);
    await ada.checkAccessibility('search narrowed');
    await page.getByRole('button', { name: 'Search without Ben Okafor' }).click();
    await shows(3);
    await choose('Person', 'You');
    await shows(2);
    await page.getByRole('button', { name: 'Search without You' }).click();
    await choose('About', ITEM);
    await shows(2);
    await page.getByRole('button', { name: `Search without ${ITEM}` }).click();
    await choose('Conversation', 'Tomás Ferreira');
    await shows(1);
    await page.getByRole('button', { name: 'Date', exact: true }).click();
    await page.getByRole('dialog').waitFor();
    await ada.checkAccessibility('search days');
    await page.getByLabel('Until').fill('2020-01-01');
    await page.getByRole('button', { name: 'Apply' }).click();
    await page.getByText('Try fewer letters, or search without the filters.').waitFor();
    await page.getByRole('button', { name: 'Search without filters' }).click();
    await shows(3);
    await page.getByRole('button', { name: 'File', exact: true }).click();
    await page.getByText('Nothing found for “lighthouse”').first().waitFor();
    assert.deepEqual([...ada.errors, ...ben.errors], []);
  }));

test('a search within one conversation works, on a phone too, and offers a wider search when nothing is found', () =>
  runJourney(async ({ server, browser }) => {
    for (const options of [{}, { ...PHONE, colorScheme: /** @type {const} */ ('dark') }]) {
      const ada = await UserPage.open(browser, server.links.ada, options);
      const { page } = ada;
      await ada.openConversation('Mira Sandoval');
      if ('isMobile' in options) await page.getByRole('button', { name: 'Search in this conversation' }).tap();
      else await page.keyboard.press('Control+Shift+F');
      await page.getByRole('button', { name: 'Search without Mira Sandoval' }).waitFor();
      assert.equal(await field(ada).evaluate((one) => one === document.activeElement), true);
      await search(ada, 'forecast', 0);
      await page.getByText('look in all conversations instead of Mira Sandoval').waitFor();
      await ada.checkAccessibility(`search here ${'isMobile' in options ? 'phone' : 'wide'}`);
      await ada.assertNoHorizontalScroll();
      await page.getByRole('button', { name: 'Search everywhere' }).click();
      await until(() => results(ada).count(), (count) => count > 0, 'the message is found in other conversations');
      await ada.checkAccessibility(`search everywhere ${'isMobile' in options ? 'phone' : 'wide'}`);
      await results(ada).first().click();
      await page.getByRole('heading', { name: 'Ben Okafor' }).waitFor();
      if ('isMobile' in options) {
        await page.getByRole('button', { name: 'Back to all conversations' }).tap();
        assert.ok(await results(ada).first().isVisible(), 'the results come back');
        assert.equal(await results(ada).first().evaluate((one) => one === document.activeElement), true);
      }
      assert.deepEqual(ada.errors, []);
      await ada.context.close();
    }
  }));

test('long results load in pages, keep their scroll position and show a failure', () =>
  runJourney(async ({ server, proxy, browser }) => {
    const ada = await UserPage.open(browser, proxy.link(server.links.ada), PHONE);
    const { page } = ada;
    await ada.openConversation(ITEM);
    await ada.sendMessages(ada.conversationId(), Array.from({ length: 60 }, (_, line) => `Lantern number ${line}`));
    await page.getByRole('button', { name: 'Back to all conversations' }).tap();
    await until(async () => {
      await field(ada).fill('');
      await field(ada).fill('lantern');
      await results(ada).first().waitFor();
      return results(ada).first().innerText();
    }, (text) => text.includes('number 59'), 'the index is ready');
    await page.getByText('20+ found').first().waitFor();
    await until(async () => {
      await results(ada).last().scrollIntoViewIfNeeded();
      return results(ada).count();
    }, (count) => count === 60, 'all results are there in the end');
    const texts = await results(ada).locator('.hit').allInnerTexts();
    assert.deepEqual(texts, Array.from({ length: 60 }, (_, line) => `Lantern number ${59 - line}`));
    const scroll = page.locator('.list .scroll');
    await results(ada).nth(40).scrollIntoViewIfNeeded();
    const before = await scroll.evaluate((one) => one.scrollTop);
    await results(ada).nth(40).tap();
    await ada.bubble('Lantern number 19').waitFor();
    await page.getByRole('button', { name: 'Back to all conversations' }).tap();
    await until(() => scroll.evaluate((one) => one.scrollTop), (top) => Math.abs(top - before) < 2,
      'the results are where they were');
    proxy.setState('closed');
    await field(ada).fill('lanterns');
    await page.getByText('The search did not work').waitFor({ timeout: 40_000 });
    await ada.checkAccessibility('search failed');
    proxy.setState('open');
    await page.getByRole('button', { name: 'Try again' }).click();
    await page.getByText('Nothing found for “lanterns”').first().waitFor({ timeout: 40_000 });
    assert.ok(await field(ada).evaluate((one) => one === document.activeElement), 'the focus is not lost');
    assert.deepEqual(ada.errors, []);
  }));

test('search results show hostile text as text', () =>
  runJourney(async ({ server, browser }) => {
    const ada = await UserPage.open(browser, server.links.ada);
    await ada.openConversation(ITEM);
    const texts = payloads.map((text) => `Beacon ${text}`.slice(0, 900));
    await ada.sendMessages(ada.conversationId(), texts);
    await until(async () => {
      await field(ada).fill('');
      await field(ada).fill('beacon');
      await results(ada).first().waitFor();
      return results(ada).count();
    }, (count) => count >= Math.min(20, texts.length), 'the messages are found');
    assert.equal(await ada.page.locator('parlor-result :is(script, img[src="x"], svg[onload], iframe)').count(), 0);
    assert.deepEqual(ada.errors, []);
  }));
