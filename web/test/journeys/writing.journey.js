/**
 * Writing: emoji by name, rich text that is pasted, and new lines.
 *
 * @import {UserPage as Person} from './support/user-page.js'
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ITEM, PHONE } from './support/fixtures.js';
import { field, openBoth } from './support/message-steps.js';
import { openSignedIn } from './support/page-load.js';
import { runJourney } from './support/journey.js';
import { UserPage } from './support/user-page.js';
import { until } from './support/wait.js';

const OPTIONS = '.completion [role="option"]';

/** @param {Person} person @param {string} text types it, and waits for the list */
async function typeName(person, text) {
  await person.page.keyboard.type(text);
  await person.page.locator(OPTIONS).first().waitFor();
  await person.animationsEnd();
}

/** Returns the option that is chosen, for the eye and for screen readers. @param {Person} person */
async function chosen({ page }) {
  const [seen] = await page.locator(`${OPTIONS}[aria-selected="true"] .one-line`).allTextContents();
  const spoken = await page.getByRole('textbox', { name: 'Message' }).evaluate((one) =>
    document.getElementById(one.getAttribute('aria-activedescendant') ?? '')?.textContent ?? '');
  assert.ok(spoken.endsWith(seen), `${spoken}: ${seen}`);
  return seen;
}

test('emoji are completed by name above the line; arrows, Enter, Tab, Escape, the pointer and a colon', () =>
  runJourney(async (place) => {
    const { ada, ben } = await openBoth(place);
    const { page } = ada;
    await field(ada).focus();
    await page.keyboard.type('First line\nand');
    await page.keyboard.press('Shift+Enter');
    await typeName(ada, 'Well done :umbr');
    const list = await page.locator('.completion').boundingBox();
    const box = await field(ada).boundingBox();
    assert.ok(list && box && list.y + list.height <= box.y + box.height - 20, JSON.stringify([list, box]));
    assert.ok(list.y + list.height >= box.y, 'the list is directly above the line');
    assert.ok(list.x >= box.x && list.width >= 200 && list.height >= 3 * 34, JSON.stringify(list));
    assert.equal(await chosen(ada), 'umbrella');
    await ada.checkAccessibility('emoji completion');
    await page.keyboard.press('ArrowDown');
    assert.equal(await chosen(ada), 'umbrella in the rain');
    await page.keyboard.press('ArrowUp');
    await page.keyboard.press('ArrowUp');
    assert.equal(await chosen(ada), 'closed umbrella');
    await page.keyboard.press('Tab');
    assert.equal(await field(ada).evaluate((one) => document.activeElement === one), true, 'the focus stays');
    await page.keyboard.press('Control+z');
    assert.match(await field(ada).inputValue(), /:umbr$/u, 'the user can undo it');
    await page.keyboard.press('End');
    await typeName(ada, 'e');
    await page.keyboard.press('ArrowUp');
    await page.keyboard.press('Enter');
    await typeName(ada, ' :thumbs');
    await page.keyboard.press('Enter');
    await page.keyboard.type(' :tada:');
    await page.keyboard.press('Control+z');
    assert.match(await field(ada).inputValue(), /👍 :tada:?$/u, 'what was inserted at once can be undone, too');
    await page.keyboard.press('Control+y');
    await page.keyboard.press('End');
    await typeName(ada, ' :ey');
    await page.locator(OPTIONS, { hasText: /^👀/u }).click();
    // Closed with Escape, it stays closed for this name.
    await typeName(ada, ' :sm');
    await page.keyboard.press('Escape');
    await page.keyboard.type('iley at 10:30 `:smile` http://a.example:smile');
    assert.equal(await page.locator('.completion').isVisible(), false);
    assert.match(await field(ada).inputValue(), /Well done 🌂 👍 🎉 👀 :smiley at 10:30 `:smile` http:\/\/a\.example:smile$/u);
    await page.keyboard.press('Enter');
    const used = await page.evaluate(() => {
      const key = Object.keys(localStorage).find((one) => /:emoji$/u.test(one));
      return Object.keys(JSON.parse(localStorage.getItem(key ?? '') ?? '{}'));
    });
    assert.ok(['🌂', '👍', '🎉', '👀'].every((one) => used.includes(one)), used.join());
    await until(() => ben.texts(), (texts) => texts.at(-1)?.includes('Well done 🌂 👍 🎉') ?? false, 'it is sent');
    assert.deepEqual([...ada.errors, ...ben.errors], []);
  }));

test('emoji have names in the language of the user, which load with the first of them', () =>
  runJourney(async ({ server, browser }) => {
    const context = await openSignedIn(browser, server.links.ada, { locale: 'de' });
    const page = await context.newPage();
    const ada = new UserPage(context, page);
    await page.goto(new URL('/', server.links.ada).href);
    await ada.openConversation(ITEM);
    await page.getByRole('textbox', { name: 'Nachricht' }).focus();
    await typeName(ada, ':regensch');
    await until(() => page.locator(`${OPTIONS} .one-line`).allTextContents(), (all) => all[0] === 'Regenschirm', 'German names');
    await page.keyboard.press('Enter');
    await typeName(ada, ' :fire');
    assert.deepEqual(await page.locator(`${OPTIONS} .one-line`).allTextContents(), ['Feuer', 'Feuerwehr']);
    await page.keyboard.press('Enter');
    assert.equal(await page.getByRole('textbox', { name: 'Nachricht' }).inputValue(), '☂️ 🔥');
    await page.getByRole('button', { name: 'Emoji einfügen' }).click();
    await page.getByRole('searchbox', { name: 'Emoji suchen' }).fill('Schildkr');
    await page.getByRole('button', { name: 'Schildkröte', exact: true }).click();
    assert.deepEqual(ada.errors, []);
  }));

test('on a phone the list fits above the line, and a touch inserts', () =>
  runJourney(async (place) => {
    const { ada } = await openBoth(place, PHONE);
    const { page } = ada;
    await field(ada).tap();
    assert.equal(await field(ada).getAttribute('enterkeyhint'), 'enter', 'the keyboard shows the key for a new line');
    await typeName(ada, 'Hello :ca');
    const list = await page.locator('.completion').boundingBox();
    const box = await field(ada).boundingBox();
    assert.ok(list && box && list.x >= 8 && list.x + list.width <= 382 && list.y >= 8, JSON.stringify(list));
    assert.ok(list.y + list.height <= box.y + 14, JSON.stringify([list, box]));
    const heights = await page.locator(OPTIONS).evaluateAll((all) => all.map((one) => one.getBoundingClientRect().height));
    assert.ok(heights.length === 6 && heights.every((height) => height >= 42), heights.join());
    await ada.checkAccessibility('emoji completion phone');
    await page.locator(OPTIONS, { hasText: 'cat' }).first().tap();
    assert.match(await field(ada).inputValue(), /^Hello (?:🐱|😺|😻)$/u);
    assert.equal(await page.locator('.completion').isVisible(), false);
    assert.deepEqual(ada.errors, []);
  }));

for (const [width, phone] of /** @type {const} */ ([[390, true], [320, true], [1280, false]])) {
  test(`the hint of the field ends with the name, or with an ellipsis where it does not fit, at ${width} px`, () =>
    runJourney(async (place) => {
      const { ada, ben } = await openBoth(place, { ...(phone ? PHONE : {}), viewport: { width, height: 800 } });
      for (const name of ['Wolfeschlegelsteinhausenbergerdorff', 'ありがとうございました皆様がたへありがとう', 'WWWWWWWWWWWWWWWWWWW', 'Ben']) {
        await ben.page.evaluate((own) => fetch('/v1/me', {
          method: 'PATCH', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ name: own }),
        }), name);
        const read = () => field(ada).evaluate((one) => {
          const pen = /** @type {CanvasRenderingContext2D} */ (document.createElement('canvas').getContext('2d'));
          const style = getComputedStyle(one);
          pen.font = style.font;
          const hint = /** @type {HTMLTextAreaElement} */ (one).placeholder;
          const room = one.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
          return { hint, room, width: pen.measureText(hint).width, height: one.clientHeight };
        });
        const seen = await until(read, ({ hint }) => hint.startsWith(`Write to ${name.slice(0, 3)}`), name);
        assert.ok(seen.width <= seen.room && seen.height < 48, JSON.stringify(seen));
        const isCut = seen.hint !== `Write to ${name}`;
        assert.equal(seen.hint.endsWith('…'), isCut, seen.hint);
        // As much is shown as fits.
        if (isCut) assert.ok(seen.width > seen.room - 24 || seen.hint.length >= 48, JSON.stringify(seen));
        if (width === 1280) assert.equal(isCut, false);
      }
      await ada.takeScreenshot(`hint ${width}`);
      assert.deepEqual([...ada.errors, ...ben.errors], []);
    }));
}
