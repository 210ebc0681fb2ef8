/**
 * A fake upload server, and the file storage of a browser with several pages.
 */
import assert from 'node:assert/strict';
import { NoAnswer, Problem } from '../../src/sdk/problem.js';
import { noBlobStore } from '../../src/sdk/blob-store.js';
import { flushPromises } from './clock.js';

export const MB = 1024 * 1024;

/** @param {string} text */
export const blob = (text) => new Blob([text], { type: 'text/plain' });

/** @param {Uint8Array[]} parts */
const sizeOf = (parts) => parts.reduce((sum, one) => sum + one.length, 0);

/** A fake upload server whose requests wait until the test lets them continue. */
export class FakeUploadServer {
  /** @type {Map<string, {id: number, name: string, bytes: number, received: Uint8Array[]}>} */
  uploads = new Map();
  /** @type {{
   *   method: string, path: string, size: number, go: () => Promise<void>, progress: (bytes: number) => void,
   *   cutAfter: (bytes: number) => Promise<void>, refuse: (code: string, more?: object) => Promise<void>,
   * }[]} */
  waiting = [];

  /** @type {import('../../src/sdk/upload-request.js').UploadTransport} */
  carry = (load) => new Promise((resolve, reject) => {
    const take = async (/** @type {number} */ most) => {
      this.waiting = this.waiting.filter((one) => one !== request);
      const bytes = load.body ? new Uint8Array(await load.body.slice(0, most).arrayBuffer()) : null;
      return this.#handle(load.method, new URL(load.path, 'http://x'), bytes);
    };
    const request = {
      method: load.method, path: load.path, size: load.body?.size ?? 0,
      go: async () => {
        await take(Infinity).then(resolve, reject);
        await flushPromises();
      },
      cutAfter: async (/** @type {number} */ bytes) => {
        await take(bytes).catch(() => {});
        reject(new NoAnswer('cut'));
        await flushPromises();
      },
      refuse: async (/** @type {string} */ code, more = {}) => {
        this.waiting = this.waiting.filter((one) => one !== request);
        reject(new Problem({ code, title: code, status: 400, retryable: false, ...more }));
        await flushPromises();
      },
      progress: (/** @type {number} */ bytes) => load.onProgress?.(bytes),
    };
    load.signal.addEventListener('abort', () => {
      this.waiting = this.waiting.filter((one) => one !== request);
      reject(new NoAnswer('given up'));
    });
    this.waiting.push(request);
  });

  /** @param {string} method @param {URL} url @param {Uint8Array|null} bytes */
  #handle(method, url, bytes) {
    if (method === 'POST') {
      const { client_id: clientId, name, bytes: all } = Object.fromEntries(url.searchParams);
      assert.equal(this.uploads.has(clientId), false, 'no upload is created twice');
      this.uploads.set(clientId, { id: this.uploads.size + 31, name, bytes: Number(all), received: bytes ? [bytes] : [] });
      return this.#view(clientId);
    }
    const clientId = decodeURIComponent(url.pathname.split('/').at(-1) ?? '');
    const upload = this.uploads.get(clientId);
    if (!upload) throw new Problem({ code: 'not_found', title: 'no', status: 404, retryable: false });
    if (method === 'DELETE') this.uploads.delete(clientId);
    if (method === 'PATCH') {
      if (Number(url.searchParams.get('offset')) !== sizeOf(upload.received)) {
        throw new Problem({ code: 'wrong_offset', title: 'no', status: 409, retryable: false });
      }
      if (bytes) upload.received.push(bytes);
    }
    return method === 'DELETE' ? null : this.#view(clientId);
  }

  /** @param {string} clientId */
  #view(clientId) {
    const upload = this.uploads.get(clientId);
    if (!upload) throw new Error('there is no upload');
    const received = sizeOf(upload.received);
    const { id, name, bytes } = upload;
    const attachment = received === bytes
      ? { id, name, bytes, media_type: 'text/plain', url: `/v1/files/${id}` }
      : null;
    return { id, client_id: clientId, name, bytes, received, attachment };
  }

  /** @param {string} clientId @returns {Promise<string>} */
  text(clientId) {
    return new Blob(/** @type {any} */ (this.uploads.get(clientId)?.received ?? [])).text();
  }
}

/** The stored files of a browser, and the page that holds each. */
export class FakeBrowser {
  /** @type {Map<string, Blob>} */
  bytes = new Map();
  /** The page that holds each file. @type {Map<string, number>} */
  locks = new Map();
  /** Makes every read of a stored file fail. */
  broken = false;
  #pages = 0;

  /** Returns the storage of one more page. @returns {import('../../src/sdk/blob-store.js').BlobStore} */
  vault() {
    this.#pages += 1;
    const page = this.#pages;
    const release = (/** @type {string} */ id) => void (this.locks.get(id) === page && this.locks.delete(id));
    const lock = (/** @type {string} */ id) => {
      if (!this.locks.has(id)) this.locks.set(id, page);
      return this.locks.get(id) === page;
    };
    return {
      ...noBlobStore,
      put: async (id, file) => {
        if (!lock(id)) return false;
        this.bytes.set(id, file);
        return true;
      },
      acquire: async (id) => {
        if (!lock(id)) return 'elsewhere';
        return this.broken ? 'unread' : this.bytes.get(id) ?? null;
      },
      release,
      delete: (id) => {
        if (lock(id)) this.bytes.delete(id);
        release(id);
      },
      stop: () => {
        for (const id of [...this.locks.keys()]) release(id);
      },
    };
  }
}
