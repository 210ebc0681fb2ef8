/**
 * Pending files, with their bytes, survive a reload.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { attach, lastMessage, fileOf, pictureOf, send, openBothThroughProxy, upload } from './support/file-steps.js';
import { MB } from './support/fixtures.js';
import { runJourney } from './support/journey.js';
import { UserPage } from './support/user-page.js';
import { until } from './support/wait.js';

test('a message that waits for its files is sent after a reload, with all of their bytes', () =>
  runJourney(async (place) => {
    const { proxy } = place;
    const { ada, ben } = await openBothThroughProxy(place);
    const { page } = ada;
    const [half, none] = [fileOf('half.bin', 2 * MB), pictureOf('none.png', 300, 200, [90, 30, 60])];
    proxy.uploads = { pass: 300_000, then: 'hold' };
    await attach(ada, [half, none]);
    await upload(ada, 'half.bin').getByRole('progressbar').waitFor();
    await page.getByRole('textbox', { name: 'Message', exact: true }).fill('With two files');
    await send(ada);
    await page.getByText('Sending').last().waitFor();
    await until(() => countStoredFiles(ada), (count) => count >= 1, 'the file is stored');
    // The browser asks nothing, because nothing would be lost.
    page.on('dialog', () => assert.fail('leaving loses nothing'));
    await page.reload();
    await ada.bubble('With two files').waitFor();
    proxy.releaseUploads();
    await ben.bubble('With two files').waitFor();
    assert.equal(await lastMessage(ben).locator('.picture').count(), 1);
    const href = await lastMessage(ben).locator('a.file', { hasText: 'half.bin' }).getAttribute('href');
    const digest = await ben.page.evaluate(async (url) => {
      const body = await (await fetch(String(url))).arrayBuffer();
      return [...new Uint8Array(await crypto.subtle.digest('SHA-256', body))];
    }, href);
    assert.deepEqual(Buffer.from(digest), createHash('sha256').update(half.buffer).digest());
    await until(() => countStoredFiles(ada), (count) => count === 0, 'a sent file is no longer stored');
    // So do a draft's files, until the session ends.
    proxy.uploads = { pass: 300_000, then: 'hold' };
    await attach(ada, [fileOf('draft.bin', 2 * MB)]);
    await until(() => countStoredFiles(ada), (count) => count === 1, 'a draft’s file is stored');
    await page.reload();
    await upload(ada, 'draft.bin').getByRole('progressbar').waitFor();
    await page.getByRole('button', { name: /settings/u }).click();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByRole('heading', { name: 'Sign in' }).waitFor();
    await until(() => countStoredFiles(ada), (count) => count === 0, 'nothing is left behind');
    assert.deepEqual([...ada.errors, ...ben.errors], []);
  }));

test('where files cannot be stored, a reload says so and the rest of the message can be edited', () =>
  runJourney(async (place) => {
    const { proxy } = place;
    const { ada, ben } = await openBothThroughProxy(place);
    const { page } = ada;
    await page.addInitScript(() => Object.defineProperty(window, 'indexedDB', { value: undefined }));
    page.on('dialog', (dialog) => void dialog.accept());
    await page.reload();
    await attach(ada, [fileOf('kept.bin', 500)]);
    await upload(ada, 'kept.bin').getByText('Ready').waitFor();
    await page.reload();
    await upload(ada, 'kept.bin').getByText('Ready').waitFor();
    proxy.uploads = { pass: 300_000, then: 'hold' };
    await attach(ada, [fileOf('half.bin', 2 * MB)]);
    await upload(ada, 'half.bin').getByRole('progressbar').waitFor();
    await page.getByRole('textbox', { name: 'Message', exact: true }).fill('With two files');
    await send(ada);
    await page.getByText('Sending').last().waitFor();
    await page.reload();
    proxy.uploads.pass = Infinity;
    await page.locator('.meta.warn', { hasText: 'Not sent: a file is gone.' }).waitFor({ timeout: 40_000 });
    await ada.bubble('With two files').waitFor();
    await ada.checkAccessibility('files not sent');
    assert.equal(await ben.bubble('With two files').count(), 0);
    assert.equal(await lastMessage(ada).getByRole('progressbar').count(), 0, 'the upload is no longer under way');
    // The message can be edited later, too.
    await page.reload();
    await page.locator('.meta.warn', { hasText: 'Not sent: a file is gone.' }).waitFor({ timeout: 40_000 });
    await page.getByRole('button', { name: 'Write again' }).click();
    await page.getByText('half.bin: The page no longer has this file. Choose it again.').waitFor();
    await upload(ada, 'kept.bin').getByText('Ready').waitFor();
    assert.equal(await page.getByRole('listitem').count(), 1);
    await ada.checkAccessibility('files written again');
    await send(ada);
    await ben.bubble('With two files').waitFor();
    assert.equal(await lastMessage(ben).locator('a.file', { hasText: 'kept.bin' }).count(), 1);
    assert.deepEqual([...ada.errors, ...ben.errors], []);
  }));

test('stored files have a size limit and belong to one user and one page', () =>
  runJourney(async ({ server, browser }) => {
    const ada = await UserPage.open(browser, server.links.ada);
    const results = await ada.page.evaluate(async () => {
      const { browserBlobStore, eraseBlobStore } = await import(/** @type {any} */ ('/web/sdk/blob-store.js'));
      const [mine, mineToo, others] = [browserBlobStore(71, 10), browserBlobStore(71, 10), browserBlobStore(72, 10)];
      const file = (/** @type {string} */ text) => new File([text], 'a name.txt', { type: 'text/plain' });
      const answers = [
        await mine.put('a', file('12345678')), await mine.put('b', file('123')), await mine.put('c', file('12')),
        await others.put('a', file('12345')), await mine.put('d', file('12345678901')), await mineToo.acquire('a'),
      ];
      mine.stop();
      // A lock ends a moment after its release.
      const take = async (/** @type {any} */ vault, /** @type {string} */ id) => {
        for (;;) {
          const taken = await vault.acquire(id);
          if (taken !== 'elsewhere') return taken;
          await new Promise(requestAnimationFrame);
        }
      };
      const taken = await take(mineToo, 'a');
      answers.push(await taken.text(), taken.name);
      await mineToo.prune(new Set(['a']));
      answers.push(await take(browserBlobStore(71, 10), 'c'));
      await mineToo.erase('others');
      others.stop();
      answers.push(await take(browserBlobStore(72), 'a'), (await mineToo.acquire('a')).size);
      await eraseBlobStore();
      return [...answers, (await mineToo.acquire('a'))];
    });
    assert.deepEqual(results, [true, false, true, true, false, 'elsewhere', '12345678', 'a name.txt', null, null, 8, null]);
    assert.deepEqual(ada.errors, []);
  }));

test('stored files survive a lost database but not the sign-out, and another page can take them over', () =>
  runJourney(async ({ server, browser }) => {
    const ada = await UserPage.open(browser, server.links.ada);
    const results = await ada.page.evaluate(async () => {
      const { browserBlobStore, eraseBlobStore } = await import(/** @type {any} */ ('/web/sdk/blob-store.js'));
      const [one, other] = [browserBlobStore(71), browserBlobStore(71)];
      const file = (/** @type {string} */ text) => new File([text], 'a name.txt', { type: 'text/plain' });
      const { transaction } = IDBDatabase.prototype;
      // As when the browser closes the database by itself.
      const close = () => {
        IDBDatabase.prototype.transaction = function closed(...parts) {
          IDBDatabase.prototype.transaction = transaction;
          this.close();
          return transaction.apply(this, parts);
        };
      };
      const take = async (/** @type {any} */ vault, /** @type {string} */ id) => {
        for (;;) {
          const taken = await vault.acquire(id);
          if (taken !== 'elsewhere') return taken?.size ?? taken;
          await new Promise(requestAnimationFrame);
        }
      };
      const answers = [await one.put('a', file('1234'))];
      close();
      answers.push(await one.acquire('a').then((/** @type {any} */ taken) => taken?.size));
      IDBDatabase.prototype.transaction = () => {
        throw new DOMException('the disk fails', 'UnknownError');
      };
      answers.push(await one.acquire('a'));
      IDBDatabase.prototype.transaction = transaction;
      answers.push(await other.acquire('a'));
      one.release('a');
      answers.push(await take(other, 'a'));
      close();
      await eraseBlobStore();
      answers.push(await other.acquire('a'));
      // A file whose storing is under way when the session ends is not stored.
      const late = other.put('b', file('12'));
      other.stop();
      await other.erase('mine');
      answers.push(await late, await take(one, 'b'));
      return answers;
    });
    assert.deepEqual(results, [true, 4, 'unread', 'elsewhere', 4, null, false, null]);
    assert.deepEqual(ada.errors, []);
  }));

/** Returns the number of files that the browser stores. @param {UserPage} person @returns {Promise<number>} */
function countStoredFiles({ page }) {
  return page.evaluate(() => new Promise((resolve, reject) => {
    const request = indexedDB.open('parlor', 1);
    request.onerror = () => reject(request.error);
    request.onsuccess = () => {
      const count = request.result.transaction('files').objectStore('files').count();
      count.onsuccess = () => {
        request.result.close();
        resolve(count.result);
      };
    };
  }));
}
