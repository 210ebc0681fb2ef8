/**
 * Files between two users: by button, drop and paste; progress, interrupted uploads and size limits; pictures as grids
 * and in the lightbox.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { attach, lastMessage, fileOf, pictureOf, waitUntilReady, send, waitUntilSent, openBothThroughProxy, upload } from './support/file-steps.js';
import { ITEM, MB, PHONE } from './support/fixtures.js';
import { runJourney } from './support/journey.js';
import { until } from './support/wait.js';

/** @import {Page} from 'playwright-core' */
/** @import {FilePayload} from './support/file-steps.js' */

/** Dispatches the event with which the browser drops or pastes files. @param {Page} page @param {string} selector
 * @param {string} kind @param {FilePayload[]} files */
function dispatchFiles(page, selector, kind, files) {
  return page.locator(selector).evaluate((element, [type, all]) => {
    const data = new DataTransfer();
    for (const { name, mimeType, base64 } of /** @type {any[]} */ (all)) {
      const bytes = Uint8Array.from(atob(base64), (sign) => sign.charCodeAt(0));
      data.items.add(new File([bytes], name, { type: mimeType }));
    }
    const how = { bubbles: true, cancelable: true };
    element.dispatchEvent(type === 'paste'
      ? new ClipboardEvent('paste', { ...how, clipboardData: data })
      : new DragEvent(String(type), { ...how, dataTransfer: data }));
  }, /** @type {const} */ ([kind, files.map(({ name, mimeType, buffer }) =>
    ({ name, mimeType, base64: buffer.toString('base64') }))]));
}

test('pictures are attached by button, drop and paste, and nothing shifts when they load', () =>
  runJourney(async (place) => {
    const { ada, ben } = await openBothThroughProxy(place);
    const { page } = ada;
    await attach(ada, [pictureOf('handle.png', 600, 800, [160, 90, 40])]);
    await dispatchFiles(page, '.message-log', 'dragenter', [pictureOf('ring.png', 900, 600, [20, 80, 90])]);
    await page.getByText('Drop files to attach them').waitFor();
    await ada.takeScreenshot('files drop');
    await dispatchFiles(page, '.message-log', 'drop', [pictureOf('ring.png', 900, 600, [20, 80, 90])]);
    await page.getByText('Drop files to attach them').waitFor({ state: 'hidden' });
    await dispatchFiles(page, '.composer .text', 'paste', [pictureOf('image.png', 500, 500, [120, 120, 160])]);
    await waitUntilReady(ada, 3);
    assert.match((await page.getByRole('listitem').last().innerText()).replace(/\s+/gu, ''), /^picture-.*\.png/u);
    await ada.checkAccessibility('files tray');
    // Ben's pictures are held back, to see that their space is reserved before they load.
    /** @type {(() => void)[]} */
    const held = [];
    await ben.page.route('**/v1/files/**', (route) => void held.push(() => void route.continue()));
    await page.getByRole('textbox', { name: 'Message', exact: true }).fill('Here it is from three sides');
    await send(ada);
    await page.getByRole('listitem').first().waitFor({ state: 'detached' });
    const grid = lastMessage(ben).getByRole('group', { name: '3 pictures' });
    await grid.waitFor();
    await until(() => Promise.resolve(held.length), (count) => count === 3, 'Ben’s page requests all three');
    const before = await lastMessage(ben).boundingBox();
    assert.equal(await grid.locator('canvas').count(), 3, 'a blur stands in for each picture');
    await ben.takeScreenshot('files blurred');
    for (const go of held) go();
    await until(() => grid.locator('img').evaluateAll((all) =>
      all.filter((one) => /** @type {HTMLImageElement} */ (one).naturalWidth > 0).length),
    (count) => count === 3, 'the pictures have loaded');
    assert.deepEqual(await lastMessage(ben).boundingBox(), before);
    await ben.checkAccessibility('files grid');
    await waitUntilSent(ada, 'the message is sent');
    await ada.checkAccessibility('files grid own');
    await attach(ada, [pictureOf('alone.png', 1200, 400, [60, 120, 60])]);
    await send(ada);
    await until(() => ben.page.locator('parlor-row', { hasText: ITEM }).innerText(),
      (text) => text.includes('Photo'), 'the list describes the attachment');
    const alone = await lastMessage(ben).locator('.pictures.one').boundingBox();
    assert.ok(alone && Math.abs(alone.width / alone.height - 16 / 9) < 0.05, 'no flatter than 16:9');
    assert.deepEqual([...ada.errors, ...ben.errors], []);
  }));

test('an interrupted upload continues where it stopped, and the message waits for it', () =>
  runJourney(async (place) => {
    const { proxy } = place;
    const { ada, ben } = await openBothThroughProxy(place);
    const { page } = ada;
    const film = fileOf('film of the tram.bin', 30 * MB);
    proxy.uploads = { pass: 2 * MB, then: 'hold' };
    await attach(ada, [film, fileOf('note.bin', 900)]);
    const one = upload(ada, 'film of the tram.bin');
    const bar = one.getByRole('progressbar');
    const part = await until(async () => Number(await bar.getAttribute('aria-valuenow')),
      (value) => value > 10 && value < 90, 'the upload is under way');
    assert.match(await one.innerText(), /of 30 MB/u);
    await ada.checkAccessibility('files under way');
    const field = page.getByRole('textbox', { name: 'Message', exact: true });
    await field.fill('First the film');
    await field.press('Enter');
    await ada.send('Then words');
    await page.getByRole('listitem').first().waitFor({ state: 'detached' });
    await page.getByText('Waits for the message above').or(page.getByText('Sending')).last().waitFor();
    assert.equal(await ben.bubble('Then words').count(), 0, 'order holds: the text waits for the film');
    proxy.uploads = { pass: 4 * MB, then: 'cut' };
    proxy.setState('closed');
    proxy.setState('open');
    // Each attempt is interrupted after another chunk, and still the upload completes.
    await ben.page.locator('a.file', { hasText: 'tram.bin' }).waitFor({ timeout: 60_000 });
    assert.ok(part > 0);
    await ben.bubble('Then words').waitFor();
    assert.deepEqual((await ben.texts()).slice(-2), ['First the film', 'Then words']);
    const href = await ben.page.locator('a.file', { hasText: 'tram.bin' }).getAttribute('href');
    const digest = await ben.page.evaluate(async (url) => {
      const body = await (await fetch(String(url))).arrayBuffer();
      return [...new Uint8Array(await crypto.subtle.digest('SHA-256', body))];
    }, href);
    assert.deepEqual(Buffer.from(digest), createHash('sha256').update(film.buffer).digest());
    assert.deepEqual([...ada.errors, ...ben.errors], []);
  }));

test('without a connection a file waits, is retried and can be removed', () =>
  runJourney(async (place) => {
    const { proxy } = place;
    const { ada, ben } = await openBothThroughProxy(place);
    const { page } = ada;
    proxy.uploads = { pass: 300_000, then: 'cut' };
    await attach(ada, [fileOf('slow.bin', 2 * MB), fileOf('unwanted.bin', 2 * MB)]);
    proxy.setState('closed');
    await upload(ada, 'slow.bin').getByText('No connection').waitFor();
    await ada.checkAccessibility('files cut off');
    await page.getByRole('button', { name: 'Cancel unwanted.bin' }).click();
    await upload(ada, 'unwanted.bin').waitFor({ state: 'detached' });
    assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('aria-label')), 'Retry slow.bin',
      'the focus moves to the next element');
    proxy.setState('open');
    proxy.releaseUploads();
    await page.getByRole('button', { name: 'Retry slow.bin' }).click({ timeout: 5_000 }).catch(() => {});
    await upload(ada, 'slow.bin').getByText('Ready, 2 MB').waitFor();
    await page.getByRole('button', { name: 'Remove slow.bin' }).press('Enter');
    await page.getByRole('listitem').waitFor({ state: 'detached' });
    assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('aria-label')), 'Message');
    assert.equal(await page.getByRole('button', { name: 'Send', exact: true }).isDisabled(), true);
    assert.deepEqual([...ada.errors, ...ben.errors], []);
  }));

test('an upload can be stopped while its message waits, and the rest of the message returns to the composer', () =>
  runJourney(async (place) => {
    const { proxy } = place;
    const { ada, ben } = await openBothThroughProxy(place);
    const { page } = ada;
    proxy.uploads = { pass: 300_000, then: 'hold' };
    await attach(ada, [pictureOf('whole.png', 300, 200, [90, 30, 60]), fileOf('endless.bin', 20 * MB)]);
    await upload(ada, 'whole.png').getByText('Ready').waitFor();
    await page.getByRole('textbox', { name: 'Message', exact: true }).fill('Both of them');
    await send(ada);
    const stop = lastMessage(ada).getByRole('button', { name: 'Cancel endless.bin' });
    await stop.waitFor();
    await ada.checkAccessibility('files waiting in a message');
    await stop.click();
    await upload(ada, 'whole.png').getByText('Ready').waitFor();
    assert.equal(await page.getByRole('listitem').count(), 1);
    assert.equal(await page.getByRole('textbox', { name: 'Message', exact: true }).inputValue(), 'Both of them');
    assert.equal(await page.locator('parlor-message', { hasText: 'Both of them' }).count(), 0);
    await send(ada);
    await ben.bubble('Both of them').waitFor();
    assert.equal(await lastMessage(ben).locator('.pictures.one').count(), 1);
    assert.equal(await lastMessage(ben).locator('a.file').count(), 0);
    assert.deepEqual([...ada.errors, ...ben.errors], []);
  }));

test('a file that cannot be sent says why, with its size and the limit, and the others are sent', () =>
  runJourney(async (place) => {
    const { ada, ben } = await openBothThroughProxy(place, { ...PHONE, colorScheme: 'dark' });
    const { page } = ada;
    await attach(ada, [
      fileOf('holiday-in-carinthia.mov', 2 * MB), fileOf('empty.txt', 0), fileOf('a.bin', 10), fileOf('b.bin', 10),
      fileOf('one too many.bin', 10),
    ]);
    await upload(ada, 'holiday-in-carinthia.mov').getByText('2 MB. The limit is 1 MB.').waitFor();
    await upload(ada, 'empty.txt').getByText('It is empty').waitFor();
    await upload(ada, 'one too many.bin').getByText('A message can have 2 files. Send this one in the next.').waitFor();
    await ada.checkAccessibility('files refused');
    await ada.assertNoHorizontalScroll();
    await send(ada);
    await ben.page.locator('a.file', { hasText: 'a.bin' }).waitFor();
    assert.equal(await lastMessage(ben).locator('a.file').count(), 2);
    await upload(ada, 'one too many.bin').getByText('Ready').waitFor();
    assert.equal(await page.getByRole('listitem').count(), 3, 'a file that was not sent stays until it is removed');
    await send(ada);
    await ben.page.locator('a.file', { hasText: 'too many.bin' }).waitFor();
    assert.deepEqual([...ada.errors, ...ben.errors], []);
  }, { PARLOR_LIMITS_UPLOAD_BYTES_MAX: String(MB), PARLOR_LIMITS_MESSAGE_ATTACHMENTS_MAX: '2' }));

test('the keyboard opens a picture in full, and the focus returns', () =>
  runJourney(async (place) => {
    const { ada, ben } = await openBothThroughProxy(place);
    const all = [0, 1, 2, 3, 4, 5].map((one) =>
      pictureOf(`side ${one + 1}.png`, 300 + one * 100, 400, [one * 40, 90, 200 - one * 30]));
    await attach(ada, all);
    await waitUntilReady(ada, 6);
    await send(ada);
    const { page } = ben;
    const fourth = page.getByRole('button', { name: 'Picture 4 of 6: side 4.png and 2 more' });
    await fourth.waitFor();
    assert.equal(await lastMessage(ben).locator('.picture').count(), 4);
    assert.match(await fourth.innerText(), /\+2/u);
    await fourth.focus();
    await page.keyboard.press('Enter');
    const box = page.getByRole('dialog', { name: 'Pictures of the messages that are loaded' });
    await box.waitFor();
    await box.getByText('Ada Winter', { exact: true }).waitFor();
    await box.getByText('4 of 6', { exact: true }).waitFor();
    await ben.checkAccessibility('files lightbox');
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('ArrowRight');
    await box.getByText('6 of 6', { exact: true }).waitFor();
    assert.equal(await box.getByRole('button', { name: 'Next picture' }).isVisible(), false);
    await page.keyboard.press('ArrowRight');
    await box.getByText('6 of 6', { exact: true }).waitFor();
    await page.keyboard.press('Home');
    await box.getByText('1 of 6', { exact: true }).waitFor();
    await box.getByText('side 1.png ·').waitFor();
    assert.equal(await box.getByRole('link', { name: 'Download' }).getAttribute('download'), 'side 1.png');
    await page.keyboard.press('Escape');
    await box.waitFor({ state: 'detached' });
    assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('aria-label')),
      'Picture 1 of 6: side 1.png', 'the focus goes to the picture seen last');
    await page.setViewportSize({ width: 390, height: 800 });
    await fourth.click();
    await box.waitFor();
    await ben.checkAccessibility('files lightbox phone');
    await box.getByRole('button', { name: 'Picture 6 of 6: side 6.png' }).click();
    await box.getByText('6 of 6', { exact: true }).waitFor();
    await box.getByRole('button', { name: 'Close' }).click();
    await box.waitFor({ state: 'detached' });
    assert.equal(await fourth.evaluate((one) => one === document.activeElement), true,
      'the sixth is behind the fourth tile');
    await ben.assertNoHorizontalScroll();
    assert.deepEqual([...ada.errors, ...ben.errors], []);
  }));

test('keys and swipes go through all pictures of a conversation, and the focus returns to the last one', () =>
  runJourney(async (place) => {
    const { ada, ben } = await openBothThroughProxy(place);
    const one = (/** @type {string} */ name) => pictureOf(name, 400, 300, [40, 90, name.length * 9]);
    await attach(ada, [one('first.png'), one('second one.png')]);
    await waitUntilReady(ada, 2);
    await send(ada);
    await ben.page.getByRole('button', { name: 'Picture 2 of 2: second one.png' }).waitFor();
    await ben.send('Between them are words');
    await attach(ben, [one('an answer.png')]);
    await waitUntilReady(ben, 1);
    await send(ben);
    const { page } = ada;
    const third = page.getByRole('button', { name: 'Picture: an answer.png' });
    await third.waitFor();
    await page.getByRole('button', { name: 'Picture 1 of 2: first.png' }).click();
    const box = page.getByRole('dialog', { name: 'Pictures of the messages that are loaded' });
    await box.getByText('1 of 3', { exact: true }).waitFor();
    await box.getByText('You', { exact: true }).waitFor();
    assert.equal(await box.getByRole('button', { name: 'Previous picture' }).isVisible(), false);
    await page.keyboard.press('ArrowRight');
    await page.keyboard.press('ArrowRight');
    await box.getByText('3 of 3', { exact: true }).waitFor();
    await box.getByText('Ben Okafor', { exact: true }).waitFor();
    await box.getByText(/^Today \d\d:\d\d$/u).waitFor();
    await page.keyboard.press('ArrowRight');
    await box.getByText('3 of 3', { exact: true }).waitFor();
    await ada.checkAccessibility('files lightbox of all');
    // A picture that arrives meanwhile is there too; a deleted one is gone.
    await attach(ben, [one('a last one.png')]);
    await waitUntilReady(ben, 1);
    await send(ben);
    await box.getByText('3 of 4', { exact: true }).waitFor();
    await swipe(page, -120);
    await box.getByText('a last one.png ·').waitFor();
    await swipe(page, 120);
    await box.getByText('an answer.png ·').waitFor();
    await box.getByRole('button', { name: 'Picture 2 of 4: second one.png' }).click();
    await page.keyboard.press('Escape');
    await box.waitFor({ state: 'detached' });
    assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('aria-label')),
      'Picture 2 of 2: second one.png', 'the focus is on the picture shown last');
    await third.click();
    await box.getByText('3 of 4', { exact: true }).waitFor();
    await ben.page.evaluate(async (id) => {
      const { messages } = await (await fetch(`/v1/conversations/${id}/messages?limit=2`)).json();
      await fetch(`/v1/conversations/${id}/messages/${messages[0].seq}`, { method: 'DELETE' });
    }, ben.conversationId());
    await box.getByText('3 of 3', { exact: true }).waitFor();
    await box.getByText('a last one.png ·').waitFor();
    await box.getByRole('button', { name: 'Previous picture' }).focus();
    await page.evaluate(async (id) => {
      const { messages } = await (await fetch(`/v1/conversations/${id}/messages?limit=5`)).json();
      const { seq } = messages.find((/** @type {any} */ message) => message.attachments?.length === 2);
      await fetch(`/v1/conversations/${id}/messages/${seq}`, { method: 'DELETE' });
    }, ada.conversationId());
    await box.getByRole('button', { name: 'Previous picture' }).waitFor({ state: 'hidden' });
    const isThere = await box.getByRole('button', { name: 'Close' }).evaluate((close) => close === document.activeElement);
    assert.ok(isThere, 'the focus stays in the open dialog');
    assert.deepEqual([...ada.errors, ...ben.errors], []);
  }));

/** Swipes across the picture. @param {Page} page @param {number} by */
function swipe(page, by) {
  return page.locator('.stage').evaluate((stage, across) => {
    const at = (/** @type {string} */ type, /** @type {number} */ clientX) => stage.dispatchEvent(
      new PointerEvent(type, { clientX, clientY: 200, pointerType: 'touch', isPrimary: true, bubbles: true }));
    at('pointerdown', 300);
    at('pointerup', 300 + across);
  }, by);
}

test('hostile file names are shown as text and cannot disguise the file type', () =>
  runJourney(async (place) => {
    const { ada, ben } = await openBothThroughProxy(place);
    const names = [
      '<img src=x onerror="window.hurt=1">.txt', 'photo\u202Egpj.exe', `${'long '.repeat(60)}.pdf`, '../../etc/passwd',
      '"><script>window.hurt=1<\u2215script>.svg',
    ];
    await attach(ada, names.map((name) => ({ name, mimeType: 'text/html', buffer: Buffer.from('<script>1</script>') })));
    await waitUntilReady(ada, names.length);
    await ada.checkAccessibility('files named');
    await ada.assertNoHorizontalScroll();
    await send(ada);
    await until(() => lastMessage(ben).locator('a.file').count(), (count) => count === names.length, 'everything has arrived');
    for (const { page } of [ada, ben]) {
      assert.equal(await page.evaluate(() => /** @type {any} */ (window).hurt), undefined);
      const shown = await page.locator('parlor-message').last().innerText();
      assert.doesNotMatch(shown, /[\u202A-\u202E]/u);
    }
    const links = await lastMessage(ben).locator('a.file').evaluateAll((all) =>
      all.map((one) => [/** @type {HTMLAnchorElement} */ (one).download, one.getAttribute('href')]));
    for (const [download, href] of links) {
      assert.match(String(href), /^\/v1\/files\/\d+$/u);
      assert.doesNotMatch(String(download), /[/\\\u202A-\u202E]/u);
    }
    await ben.checkAccessibility('files named rows');
    await ben.assertNoHorizontalScroll();
    assert.deepEqual([...ada.errors, ...ben.errors], []);
  }));
