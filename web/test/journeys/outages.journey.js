/**
 * Two users in two browsers write to each other while the server is killed and while sockets are blocked; in the end
 * both have the same messages, each once.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ITEM } from './support/fixtures.js';
import { runJourney } from './support/journey.js';
import { UserPage } from './support/user-page.js';
import { until } from './support/wait.js';

test('Ada and Ben write to each other while the server and the network fail', () =>
  runJourney(async ({ server, proxy, browser }) => {
    const ada = await UserPage.open(browser, proxy.link(server.links.ada));
    const ben = await UserPage.open(browser, proxy.link(server.links.ben));
    await ada.openConversation(ITEM);
    await ben.openConversation(ITEM);
    await exchangeMessages(ada, ben);
    await writeWhileServerDies(ada, ben, server);
    await writeWithoutSockets(ada, ben, proxy);
    await writeWithoutNetwork(ada, ben, proxy);
    assert.deepEqual([...ada.errors, ...ben.errors], []);
  }));

/** @param {UserPage} ada @param {UserPage} ben */
async function exchangeMessages(ada, ben) {
  for (const one of [ada, ben]) {
    await one.page.evaluate(() => Object.assign(window, { never: 'reloaded' }));
    assert.ok((await one.distanceToEnd()) <= 1, 'a conversation opens at its end');
  }
  await ada.send('Is noon at the desk good for you?');
  await ben.bubble('Is noon at the desk good for you?').waitFor();
  await assertSides(ben, 'Is noon at the desk good for you?', false);
  await assertSides(ada, 'Is noon at the desk good for you?', true);
  assert.ok((await ben.distanceToEnd()) <= 1, 'the thread stays at its end');
  const shown = await ben.page.locator('parlor-message-group').last().locator('time').getAttribute('datetime');
  assert.ok(Math.abs(Date.parse(shown ?? '') - Date.now()) < 60_000, `the time is right: ${shown}`);
  await ben.send('Noon is fine. Look for the green coat.');
  await ada.bubble('Noon is fine. Look for the green coat.').waitFor();
  await assertSides(ada, 'Noon is fine. Look for the green coat.', false);
  await until(() => ben.page.locator('parlor-message-group').last().locator('.meta').innerText(), (text) => text.includes('Read'),
    'the messages that Ada has seen are read');
  for (const one of [ada, ben]) {
    assert.equal(await one.page.evaluate(() => Reflect.get(window, 'never')), 'reloaded');
  }
  await ada.checkAccessibility('story');
}

/** @param {UserPage} person @param {string} text @param {boolean} own */
async function assertSides(person, text, own) {
  const bubble = await person.bubble(text).boundingBox();
  const log = await person.page.locator('.message-log').boundingBox();
  assert.ok(bubble && log);
  const gaps = [bubble.x - log.x, log.x + log.width - bubble.x - bubble.width];
  assert.equal(gaps[0] > gaps[1], own, `"${text}" is on the ${own ? 'own' : 'other'} side`);
}

/** Kills and restarts the server while both write. @param {UserPage} ada @param {UserPage} ben
 * @param {import('./support/test-server.js').TestServer} server */
async function writeWhileServerDies(ada, ben, server) {
  const texts = Array.from({ length: 12 }, (_, index) => `message ${index + 1}`);
  const write = async (/** @type {UserPage} */ who, /** @type {string} */ name) => {
    for (const word of texts) await who.send(`${name}, ${word}`);
  };
  const writing = Promise.all([write(ada, 'Ada'), write(ben, 'Ben')]);
  await ada.bubble('Ada, message 3').waitFor();
  await server.stop('SIGKILL');
  await writing;
  await server.start();
  await assertSameMessages(ada, ben, texts.flatMap((word) => [`Ada, ${word}`, `Ben, ${word}`]));
  for (const one of [ada, ben]) await assertInOrder(one, texts);
}

/** Checks that both have the same messages in the same order, and the expected ones among them, each once.
 * @param {UserPage} ada @param {UserPage} ben @param {string[]} expected */
async function assertSameMessages(ada, ben, expected) {
  await until(async () => [await ada.texts(), await ben.texts()], ([adas, bens]) =>
    expected.every((text) => adas.includes(text) && bens.includes(text)) && String(adas) === String(bens),
  'both have all messages in the same order', 40_000);
  const adas = await ada.texts();
  for (const text of expected) assert.equal(adas.filter((one) => one === text).length, 1, `"${text}" is there once`);
  await until(() => ada.page.locator('.meta.sending, .meta.warn').count(), (count) => count === 0,
    'nothing is pending');
  await until(() => ben.page.locator('.meta.sending, .meta.warn').count(), (count) => count === 0,
    'nothing is pending');
}

/** @param {UserPage} person @param {string[]} texts */
async function assertInOrder(person, texts) {
  const said = await person.texts();
  for (const name of ['Ada', 'Ben']) {
    const own = said.filter((text) => text.startsWith(`${name}, `));
    assert.deepEqual(own, texts.map((word) => `${name}, ${word}`), 'the order never changes');
  }
}

/** Blocks sockets: messages arrive by polling, and afterwards by sockets again. @param {UserPage} ada @param {UserPage} ben
 * @param {import('./support/network-proxy.js').NetworkProxy} proxy */
async function writeWithoutSockets(ada, ben, proxy) {
  await until(() => proxy.sockets.size, (count) => count === 2, 'both have a socket');
  proxy.setState('no sockets');
  await ada.send('Does this come through without a socket?');
  await ben.bubble('Does this come through without a socket?').waitFor({ timeout: 30_000 });
  await ben.send('It does.');
  await ada.bubble('It does.').waitFor({ timeout: 30_000 });
  assert.equal(proxy.sockets.size, 0);
  proxy.setState('short requests only');
  await ben.page.getByText('New messages arrive every 5 seconds').waitFor({ timeout: 30_000 });
  await ada.send('And without long requests?');
  await ben.bubble('And without long requests?').waitFor({ timeout: 30_000 });
  assert.equal(proxy.sockets.size, 0);
  proxy.setState('open');
  await until(() => proxy.sockets.size, (count) => count === 2, 'the sockets are back', 40_000);
  await ben.send('And with one again.');
  await ada.bubble('And with one again.').waitFor();
  await assertSameMessages(ada, ben, [
    'Does this come through without a socket?', 'It does.', 'And without long requests?', 'And with one again.',
  ]);
}

/** Blocks everything: the page says so after five seconds, stores new messages, and sends them when the connection is
 * back. @param {UserPage} ada @param {UserPage} ben @param {import('./support/network-proxy.js').NetworkProxy} proxy */
async function writeWithoutNetwork(ada, ben, proxy) {
  const banner = ada.page.locator('parlor-banner');
  const said = await recordBanner(banner);
  proxy.setState('closed');
  await ada.send('Better not.');
  await ada.send('Written without a connection.');
  await ada.send('Sent last.');
  await banner.getByText('No connection since').waitFor();
  const [first] = await said();
  assert.ok(first.text.startsWith('No connection since'), `${first.text} is the first announcement`);
  assert.ok(first.after > 4_900, `a short outage is not announced: ${first.after} ms`);
  await ada.page.locator('.meta.sending').getByText('Saved, sent when you are back').waitFor();
  assert.equal(await ada.page.locator('.meta.warn').count(), 0, 'nothing was refused');
  await ada.page.getByText('Waits for the message above').first().waitFor();
  await ada.checkAccessibility('without a connection');
  await ada.page.getByRole('button', { name: 'Discard' }).click();
  assert.equal(await ada.bubble('Better not.').count(), 0);
  // Pending messages outlive the page.
  await ada.page.evaluate(() => Object.keys(localStorage).filter((key) => key.includes(':send:')).length)
    .then((count) => assert.equal(count, 3));
  const tryNow = ada.page.getByRole('button', { name: 'Try now' });
  assert.equal(await tryNow.count(), 1);
  proxy.setState('open');
  // From here on the connection may return by itself at any moment, and the button disappear.
  await tryNow.evaluateAll((found) => found.forEach((button) => /** @type {HTMLElement} */ (button).click()));
  await ben.bubble('Sent last.').waitFor({ timeout: 30_000 });
  await until(said, (all) => all.some(({ text }) => text.startsWith('Connected again')), 'the recovery is announced');
  await assertSameMessages(ada, ben, ['Written without a connection.', 'Sent last.']);
  assert.equal((await ben.texts()).includes('Better not.'), false);
  await until(() => ada.page.evaluate(() => Object.keys(localStorage).filter((key) => key.includes(':send:')).length),
    (count) => count === 0, 'sent messages are no longer stored');
}

/** Records all texts of the banner from now on, and when they appeared: a text that is gone after seconds can still be
 * checked later. @param {import('playwright-core').Locator} banner
 * @returns {Promise<() => Promise<{text: string, after: number}[]>>} */
async function recordBanner(banner) {
  const kept = await banner.evaluateHandle((one) => {
    const began = performance.now();
    /** @type {{text: string, after: number}[]} */
    const all = [];
    const keep = () => {
      const text = one.textContent ?? '';
      if (text !== '') all.push({ text, after: performance.now() - began });
    };
    new MutationObserver(keep).observe(one, { childList: true, characterData: true, subtree: true });
    return all;
  });
  return () => kept.evaluate((all) => all);
}
