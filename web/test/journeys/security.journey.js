/**
 * Attacks: hostile texts in every place that takes a text, and a page of another origin that tries to act as the
 * signed-in user.
 */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { oneLine, preview } from '../../src/inbox/view/markup.js';
import { balanced } from '../../src/inbox/view/bidi.js';
import { findInvisible } from '../../src/inbox/view/name-rules.js';
import { payloads } from './support/hostile-texts.js';
import { runJourney } from './support/journey.js';
import { UserPage } from './support/user-page.js';
import { until } from './support/wait.js';

/**
 * @import {AddressInfo} from 'node:net'
 * @import {Page} from 'playwright-core'
 * @import {TestServer} from './support/test-server.js'
 */

const ITEM = ['context', 'put', '--type', 'item', '--id', '5'];
const PHONE = { viewport: { width: 390, height: 800 } };
const WIDE = { width: 1280, height: 800 };
const SETTINGS = { PARLOR_LIMITS_REQUESTS_PER_SECOND_MAX: '1000', PARLOR_LIMITS_FRAMES_PER_SECOND_MAX: '1000' };

test('hostile text stays text wherever it is shown', () =>
  runJourney(async ({ server, browser }) => {
    const agent = '<img src=x onerror="window.__xss=1">';
    const ada = await watch(await UserPage.open(browser, server.links.ada, { ...PHONE, userAgent: agent }));
    const ben = await watch(await UserPage.open(browser, server.links.ben));
    await ben.openConversation('Black umbrella');
    const conversation = ben.conversationId();
    const users = await readUsers(ada);
    await assertInvalidRefused(ada, { conversation, users }, server);
    const before = (await ben.texts()).length;
    /** @type {string[]} */
    const written = [];
    for (const name of hostileNames()) {
      // A role is a word of the host application: nothing in it is invisible.
      const role = name.includes('=') ? 'owner' : name.replace(/[\p{Cf}\p{Default_Ignorable_Code_Point}]/gu, '').trim();
      await server.runCommand(...ITEM, `--title=${name}`, `--detail=${name}`, `--status=${name}`, `--role=${role}=ada`);
      assert.equal(await request(ada, 'PATCH', '/v1/me', { name }), 200);
      await ada.sendMessages(conversation, [name], { subject: name });
      await ada.sendMessages(conversation, [name], { reply_to: await lastSeq(ada, conversation) });
      written.push(name, name);
      await Promise.all([visitDirectConversation(ben, name, role), visitGroup(ada, name, users)]);
      for (const one of [ada, ben]) await assertHarmless(one, name);
    }
    await ada.sendMessages(conversation, payloads);
    await until(() => ben.texts(), (said) => said.at(-1) === balanced(payloads.at(-1) ?? ''), 'everything has arrived');
    const shown = payloads.map(balanced);
    assert.deepEqual((await ben.texts()).slice(before), [...written.map(balanced), ...shown]);
    assert.deepEqual(await readForeignElements(ben), [], 'a text produces only markup and safe links');
    await ben.page.reload();
    await ben.page.locator('parlor-message-group').first().waitFor();
    const last = await ben.texts();
    assert.deepEqual(last, shown.slice(-last.length), 'the stored text is the same');
    await ada.page.getByRole('button', { name: /settings/u }).click();
    await ada.page.locator('.sessions').getByText(agent).waitFor();
    for (const one of [ada, ben]) {
      await assertHarmless(one, 'all of it');
      await one.page.setViewportSize(one === ada ? WIDE : PHONE.viewport);
      await one.assertNoHorizontalScroll();
      await one.takeScreenshot(`hostile ${one === ada ? 'settings' : 'thread'}`);
    }
    assert.deepEqual([...ada.errors, ...ben.errors], []);
  }, SETTINGS));

/** Packs all hostile texts into names: as many per name as fit, and the beginning of those that are too long.
 * @returns {string[]} */
function hostileNames() {
  /** @type {string[]} */
  const made = [];
  for (const payload of payloads.map(asName)) {
    const both = `${made.at(-1) ?? ''} ${payload}`;
    if (made.length > 0 && [...both].length <= 120) made[made.length - 1] = both;
    // A joiner that joins nothing is invisible.
    else made.push([...payload].slice(0, 120).join('').replace(/\u200D+$/u, '').trim());
  }
  return made;
}

/** Records a dialog, another page, a request to another origin, and what the content security policy has blocked.
 * @param {UserPage} person @returns {Promise<UserPage>} */
async function watch(person) {
  const { context, page, errors } = person;
  const home = new URL(page.url()).origin;
  page.on('dialog', (dialog) => {
    errors.push(`a dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  context.on('page', () => errors.push('another page'));
  context.on('request', (request) => {
    if (new URL(request.url()).origin !== home) errors.push(`a request to ${request.url()}`);
  });
  page.on('websocket', (socket) => {
    if (!socket.url().startsWith(home.replace('http', 'ws'))) errors.push(`a socket to ${socket.url()}`);
  });
  await context.addInitScript(() => document.addEventListener('securitypolicyviolation', (event) =>
    console.error(`the policy stopped ${event.violatedDirective} ${event.blockedURI} ${event.sample}`)));
  await page.reload();
  await page.locator('parlor-row').first().waitFor();
  return person;
}

/** Returns a payload as a name may contain it: without invisible characters, which names refuse.
 * @param {string} payload @returns {string} */
function asName(payload) {
  let name = payload.normalize('NFC').replace(/\p{White_Space}+/gu, ' ');
  for (let hidden = findInvisible(name); hidden !== null; hidden = findInvisible(name)) {
    name = name.replaceAll(String.fromCodePoint(parseInt(hidden.slice(2), 16)), '');
  }
  return name;
}

/** @param {UserPage} person @param {string} payload */
async function assertHarmless({ page, errors }, payload) {
  const harm = await page.evaluate(() => Reflect.get(window, '__xss'));
  assert.deepEqual([harm, errors], [undefined, []], payload);
}

/** Sends an API request as the page does. @param {UserPage} person @param {string} method @param {string} path
 * @param {Record<string, unknown>} body @returns {Promise<number>} */
function request({ page }, method, path, body) {
  return page.evaluate(async ([how, where, json]) => {
    const headers = { 'content-type': 'application/json' };
    return (await fetch(where, { method: how, headers, body: json })).status;
  }, /** @type {const} */ ([method, path, JSON.stringify(body)]));
}

/** Returns the users that the user may write to. @param {UserPage} person @returns {Promise<number[]>} */
function readUsers({ page }) {
  return page.evaluate(async () => {
    const found = await Promise.all(['ben', 'mira', 'tom'].map(async (query) =>
      (await (await fetch(`/v1/users?query=${query}`)).json()).users));
    return found.flat().map((/** @type {{id: number}} */ one) => one.id);
  });
}

/** Checks that invalid text and invalid URLs are refused. @param {UserPage} ada
 * @param {{conversation: number, users: number[]}} where @param {TestServer} server */
async function assertInvalidRefused(ada, { conversation, users }, server) {
  for (const text of ['\uD800', 'a\uDC00b', 'a\0b', '\u001B[31m', '\u0085']) {
    const sent = { client_id: crypto.randomUUID(), text };
    assert.equal(await request(ada, 'POST', `/v1/conversations/${conversation}/messages`, sent), 400);
    assert.equal(await request(ada, 'PATCH', '/v1/me', { name: text }), 400);
    const group = { client_id: crypto.randomUUID(), group: { title: text, users } };
    assert.equal(await request(ada, 'POST', '/v1/conversations', group), 400);
  }
  for (const url of ['javascript:alert(1)', 'data:text/html,x', '//evil.localhost/', 'JAVASCRIPT:alert(1)']) {
    await assert.rejects(server.runCommand(...ITEM, '--title=x', `--url=${url}`), /http:\/\/, https:\/\/ or a path/u);
    await assert.rejects(server.runCommand(...ITEM, '--title=x', `--image=${url}`), /http:\/\/, https:\/\//u);
  }
}

/** Returns the `seq` of the newest message. @param {UserPage} person @param {number} conversation
 * @returns {Promise<number>} */
function lastSeq({ page }, conversation) {
  return page.evaluate(async (id) => (await (await fetch(`/v1/conversations/${id}`)).json()).conversation.last_seq,
    conversation);
}

/** Returns the elements within texts that texts may not produce. @param {UserPage} person @returns {Promise<string[]>} */
function readForeignElements({ page }) {
  return page.locator('.message-log .text *').evaluateAll((all) => all.filter((one) => {
    const hostileNames = one.getAttributeNames().sort().join(' ');
    if (one instanceof HTMLAnchorElement) {
      const safe = /^(https?|mailto):$/u.test(one.protocol) && one.rel === 'noopener noreferrer nofollow ugc';
      const usual = /^(data-host )?dir draggable href rel tabindex target( title)?$/u.test(hostileNames);
      return !safe || one.target !== '_blank' || !usual;
    }
    return !['B', 'I', 'CODE', 'PRE', 'SPAN'].includes(one.tagName) || !['', 'dir', 'hidden'].includes(hostileNames);
  }).map((one) => one.outerHTML));
}

/** Waits until each place has exactly the expected text, and nothing but text in it. @param {UserPage} person
 * @param {Record<string, string>} places */
async function assertTexts({ page }, places) {
  await page.waitForFunction((wanted) => Object.entries(wanted).every(([place, text]) => {
    const found = [...document.querySelectorAll(place)].at(-1);
    if (found instanceof HTMLInputElement) return found.value === text;
    return found?.textContent === text
      && [...found.children].every((one) => one.matches('b, i, a, code, pre, [hidden]'));
  }), places, { timeout: 10_000 }).catch(async (error) => {
    const found = await page.evaluate((wanted) => Object.keys(wanted).map((place) =>
      [place, [...document.querySelectorAll(place)].at(-1)?.outerHTML?.slice(0, 300)]), places);
    assert.fail(`${error.message}\nwanted ${JSON.stringify(places).slice(0, 900)}\nfound ${JSON.stringify(found)}`);
  });
}

/** Removes the controls that isolate a text from the words around it. @param {string} text @returns {string} */
function withoutIsolates(text) {
  return text.replace(/[\u2066-\u2069]/gu, '');
}

/** Ben looks at the conversation beside the list, and at the users to write to. @param {UserPage} ben
 * @param {string} name @param {string} role */
async function visitDirectConversation(ben, name, role) {
  const { page } = ben;
  const row = 'parlor-row[aria-selected=true]';
  const rest = withoutIsolates([...role].slice(1).join(''));
  await assertTexts(ben, {
    [`${row} .who`]: name,
    [`${row} .about .one-line`]: name,
    [`${row} .about .state`]: name,
    [`${row} .says > .one-line`]: preview(name),
    '.thread-head h2': name,
    '.about-card .title .one-line': name,
    '.about-card .title .chip': name,
    '.about-card .more': name,
    'parlor-message .text': name,
    'parlor-message .subject': name,
    'parlor-message .quote > b': name,
    'parlor-message .quote > .quoted': `${oneLine(name)}: ${preview(name)}`,
  });
  const chip = await page.locator('.about-card .roles .chip').last().textContent();
  assert.ok(withoutIsolates(chip ?? '').endsWith(rest), `${chip} ends with ${rest}`);
  await page.getByRole('button', { name: 'New conversation' }).click();
  const find = page.getByRole('searchbox', { name: 'Find people' });
  await find.fill('mira');
  await page.locator('.people').getByText('Mira Sandoval').waitFor();
  const letters = (name.match(/[\p{L}\p{N}]+/gu) ?? []).find((word) => word.length > 1);
  if (letters) {
    await find.fill(letters);
    await page.locator('.people .one-line').getByText(name, { exact: true }).waitFor();
  }
  // In a field with text, Escape clears the text first.
  await find.fill('');
  await page.keyboard.press('Escape');
  await page.setViewportSize(PHONE.viewport);
  await ben.assertNoHorizontalScroll();
  await page.setViewportSize(WIDE);
}

/** Ada creates a group with that name and looks at its members and at their own name. @param {UserPage} ada
 * @param {string} name @param {number[]} users */
async function visitGroup(ada, name, users) {
  const { page } = ada;
  const group = { client_id: crypto.randomUUID(), group: { title: name, users } };
  assert.equal(await request(ada, 'POST', '/v1/conversations', group), 200);
  const first = 'parlor-row:first-child';
  await page.waitForFunction(([place, title]) => document.querySelector(place)?.textContent === title,
    [`${first} .who`, name]);
  await ada.assertNoHorizontalScroll();
  await page.locator(first).click();
  await assertTexts(ada, { '.thread-head h2': name });
  await ada.assertNoHorizontalScroll();
  await page.getByRole('button', { name: /people: show who/u }).click();
  await assertTexts(ada, { 'dialog.group input:not([type=file])': name });
  assert.ok((await page.locator('dialog .reader .one-line').allTextContents()).includes(name));
  await ada.assertNoHorizontalScroll();
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: 'Back to all conversations' }).click();
  await page.getByRole('button', { name: /: settings/u }).click();
  await assertTexts(ada, { 'parlor-settings input[autocomplete=name]': name });
  await ada.assertNoHorizontalScroll();
  await page.getByRole('button', { name: 'Back to all conversations' }).click();
}

test('a page of another origin cannot act as the signed-in user', () =>
  runJourney(async ({ server, browser }) => {
    const ada = await UserPage.open(browser, server.links.ada);
    await ada.openConversation('Black umbrella');
    const conversation = ada.conversationId();
    const home = new URL(ada.page.url()).origin;
    const before = await readState(ada, conversation);
    const evil = createServer((_, answer) => answer.setHeader('content-type', 'text/html').end('<!doctype html>'));
    await new Promise((resolve) => evil.listen(0, '127.0.0.1', () => resolve(null)));
    try {
      const { port } = /** @type {AddressInfo} */ (evil.address());
      // Another site; one to which the browser sends Ada's cookie; and one that differs only by the port.
      for (const host of ['evil.localhost', 'evil.ada.localhost', 'ada.localhost']) {
        const page = await ada.context.newPage();
        await page.goto(`http://${host}:${port}/`);
        await assertPowerless(page, { home, conversation, sendsCookie: host !== 'evil.localhost' });
        await page.close();
        assert.deepEqual(await readState(ada, conversation), before, `no request reached ${host}`);
      }
    } finally {
      evil.closeAllConnections();
      evil.close();
    }
    await ada.page.reload();
    await ada.send('Still here.');
    await ada.bubble('Still here.').waitFor();
    assert.deepEqual(ada.errors, []);
    // The same requests succeed from the inbox's own origin: they failed because of the origin.
    const page = await ada.context.newPage();
    await page.goto(`${home}/livez`);
    const { socket, statuses } = await tryEverything(page, { home, conversation });
    assert.equal(socket, 'open');
    const done = ['POST 200', 'PATCH 200', 'DELETE 204'];
    await until(() => statuses, (all) => done.every((one) => all.includes(one)), 'the same origin is accepted');
    await ada.page.getByRole('heading', { name: 'Sign in' }).waitFor();
  }));

/** Returns Ada's name, the messages, and Ada's sessions. @param {UserPage} ada @param {number} conversation */
function readState({ page }, conversation) {
  return page.evaluate(async (id) => {
    const paths = ['/v1/me', `/v1/conversations/${id}/messages`, '/v1/me/sessions'];
    const [me, { messages }, { sessions }] = await Promise.all(paths.map(async (path) => (await fetch(path)).json()));
    // Ada's markers move by Ada's own reading.
    const mine = [me.id, me.name, me.login, me.picture];
    return { mine, messages, sessions: sessions.map((/** @type {{id: string}} */ one) => one.id) };
  }, conversation);
}

/** Checks that no request from a page has an effect or reveals anything. @param {Page} page
 * @param {{home: string, conversation: number, sendsCookie: boolean}} what */
async function assertPowerless(page, { home, conversation, sendsCookie }) {
  const refusal = sendsCookie ? 403 : 401;
  /** @type {string[]} */
  const heard = [];
  page.on('console', (message) => heard.push(message.text()));
  const { socket, readable, statuses } = await tryEverything(page, { home, conversation });
  assert.deepEqual([socket, readable], ['closed', []]);
  const words = sendsCookie ? 'Unexpected response code: 403' : 'HTTP Authentication failed';
  await until(() => heard.filter((text) => text.includes('/v1/socket')),
    (all) => all.some((text) => text.includes(words)), words);
  // Signing in needs no session, but it needs the right origin.
  const expected = sendsCookie ? ['POST 403'] : ['POST 401', 'POST 403'];
  await until(() => [...new Set(statuses.filter((one) => !one.startsWith('GET')))].sort(),
    (changes) => String(changes) === String(expected),
      'each request is refused, and no other method even left the browser');
  assert.ok(page.frames().every((frame) => !frame.url().startsWith(`${home}/#`)), 'the inbox cannot be framed');
  const [answer] = await Promise.all([
    page.waitForResponse((one) => one.request().method() === 'POST'),
    page.evaluate(() => document.forms[0].setAttribute('target', '_self'))
      .then(() => page.evaluate(() => document.forms[0].submit())),
  ]);
  assert.equal(answer.status(), refusal, 'navigating there does not help either');
}

/** Tries all kinds of requests from a page. @param {Page} page @param {{home: string, conversation: number}} what
 * @returns {Promise<{socket: string, readable: string[], statuses: string[]}>} */
async function tryEverything(page, { home, conversation }) {
  /** @type {string[]} */
  const statuses = [];
  page.on('response', (response) => {
    if (response.url().startsWith(`${home}/v1/`)) statuses.push(`${response.request().method()} ${response.status()}`);
  });
  const results = await page.evaluate(async ([origin, id]) => {
    const messages = `${origin}/v1/conversations/${id}/messages`;
    const body = () => JSON.stringify({ client_id: crypto.randomUUID(), text: 'Evil.' });
    const json = { 'content-type': 'application/json' };
    const socket = await new Promise((resolve) => {
      const made = new WebSocket(`${origin.replace('http', 'ws')}/v1/socket`, 'parlor.v1');
      made.onopen = () => resolve('open');
      made.onclose = () => resolve('closed');
    });
    const framed = (/** @type {string} */ name, /** @type {(frame: HTMLIFrameElement) => void} */ load) =>
      new Promise((resolve) => {
        const frame = document.body.appendChild(Object.assign(document.createElement('iframe'), { name }));
        frame.onload = resolve;
        load(frame);
      });
    await framed('home', (frame) => { frame.src = `${origin}/`; });
    await framed('answer', () => {
      const form = document.body.appendChild(document.createElement('form'));
      Object.assign(form, { action: messages, method: 'post', enctype: 'text/plain', target: 'answer' });
      const [name, value] = body().split('Evil.');
      form.append(Object.assign(document.createElement('input'), { type: 'hidden', name: `${name}Evil`, value }));
      form.submit();
    });
    navigator.sendBeacon(messages, body());
    /** @type {[string, string, RequestInit][]} */
    const all = [
      ['POST', messages, { mode: 'no-cors', body: body() }],
      ['POST', messages, { mode: 'no-cors', body: body(), headers: json }],
      ['POST', messages, { mode: 'no-cors', body: new URLSearchParams({ text: 'Evil.' }), keepalive: true }],
      ['POST', messages, { body: body() }],
      ['POST', messages, { body: body(), headers: json }],
      ['POST', `${origin}/v1/session`, { mode: 'no-cors', body: '{"login":"ben","password":"x"}' }],
      ['PATCH', `${origin}/v1/me`, { body: '{"name":"Evil"}', headers: json }],
      ['GET', `${origin}/v1/me`, {}],
      ['GET', messages, { mode: 'no-cors' }],
      ['DELETE', `${origin}/v1/session`, { mode: 'no-cors' }],
      ['DELETE', `${origin}/v1/session`, {}],
    ];
    const readable = [];
    for (const [method, path, how] of all) {
      const answer = await fetch(path, { method, credentials: 'include', ...how }).catch(() => null);
      if (answer && answer.type !== 'opaque') readable.push(`${method} ${path} ${answer.status}`);
    }
    return { socket, readable };
  }, /** @type {const} */ ([home, conversation]));
  return { .../** @type {{socket: string, readable: string[]}} */ (results), statuses };
}
