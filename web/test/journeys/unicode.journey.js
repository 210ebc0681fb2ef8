/**
 * Names and texts of many scripts: found in every spelling, refused when they are invisible.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runJourney } from './support/journey.js';
import { UserPage } from './support/user-page.js';
import { until } from './support/wait.js';

const NAMES = ['Jérémie Dupont', 'Łukasz Żółw', 'Hans Groß', 'Işık', '김철수', '王小明', "Sean O'Brien"];

test('users, conversations and words are found in every spelling', () =>
  runJourney(async ({ server, browser }) => {
    for (const [index, name] of NAMES.entries()) await server.runCommand('user', 'add', `person${index}`, '--name', name);
    const ada = await UserPage.open(browser, server.links.ada);
    const { page } = ada;
    await page.getByRole('button', { name: 'New conversation' }).first().click();
    const picker = page.locator('dialog.picker');
    const find = picker.getByRole('searchbox');
    for (const [query, name] of [
      ['jer', 'Jérémie Dupont'], ['lukasz', 'Łukasz Żółw'], ['gross', 'Hans Groß'], ['ışık', 'Işık'], ['isik', 'Işık'],
      ['철수', '김철수'], ['小明', '王小明'], ['obrien', "Sean O'Brien"], ["o'brien", "Sean O'Brien"],
    ]) {
      await find.fill(query);
      await until(() => picker.locator('.people button').allInnerTexts(),
        (names) => names.length === 1 && names[0].trim() === name, `“${query}” finds ${name}`);
    }
    await picker.locator('.people button').first().click();
    await picker.getByRole('button', { name: 'Write to Sean' }).click();
    const words = page.getByRole('textbox', { name: 'Message' });
    await words.fill("I don't pay 1,299 for v3.14.2 of C++");
    await words.press('Enter');
    await page.locator('.bubble .text', { hasText: 'v3.14.2' }).waitFor();
    const field = page.getByRole('searchbox', { name: 'Search conversations and messages' });
    await field.fill('obrien');
    await until(() => page.locator('parlor-row .who').allInnerTexts(),
      (names) => names.length === 1 && names[0] === "Sean O'Brien", 'the list has the conversations');
    for (const [query, mark] of [['dont', "don't"], ['1299', '1,299'], ['3.14.2', '3.14.2'], ['c++', 'C++']]) {
      await until(async () => {
        await field.fill('');
        await field.fill(query);
        await until(() => page.locator('parlor-results').innerText(), (text) => /found/iu.test(text),
          'the search has finished');
        return page.locator('parlor-result mark').allInnerTexts();
      }, (marks) => marks.includes(mark), `“${query}” marks ${mark}`);
    }
    await field.fill('?');
    await page.getByText('There is nothing to search for in “?”.').first().waitFor();
    assert.equal(await page.getByText('did not answer').count(), 0);
    assert.deepEqual(ada.errors, []);
  }));

test('invisible text is neither sent nor accepted as a name', () =>
  runJourney(async ({ server, browser }) => {
    const ada = await UserPage.open(browser, server.links.ada);
    const { page } = ada;
    await ada.openConversation('Black umbrella');
    const words = page.getByRole('textbox', { name: 'Message' });
    const send = page.getByRole('button', { name: 'Send', exact: true });
    for (const blank of ['\u200b', '\u2800\u3164', '\u00ad', ' \ufe0f ']) {
      await words.fill(blank);
      assert.equal(await send.isDisabled(), true, JSON.stringify(blank));
      await page.getByText('This message has no visible text yet.').waitFor();
    }
    await words.fill('\u200bseen');
    assert.equal(await send.isEnabled(), true);
    await words.fill('');
    await page.goto(`${new URL(page.url()).origin}/#/settings`);
    const name = page.getByRole('textbox', { name: 'Name' });
    await name.fill('Ada\u200b');
    await page.getByRole('button', { name: 'Save', exact: true }).first().click();
    await page.getByText('It contains an invisible character (U+200B).').waitFor();
    assert.deepEqual(ada.errors, []);
  }));
