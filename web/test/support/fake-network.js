/**
 * A network under the test's control: sockets that open, send and close on request, and requests that the test answers.
 *
 * @import {WebSocketLike} from '../../src/sdk/socket.js'
 */

export class FakeSocket {
  /** @type {any} */ onopen = null;
  /** @type {any} */ onmessage = null;
  /** @type {any} */ onclose = null;
  /** @type {any} */ onerror = null;
  /** @type {any[]} */
  sent = [];
  closed = false;

  /** @param {string} frame */
  send(frame) {
    if (this.closed) throw new Error('closed');
    this.sent.push(JSON.parse(frame));
  }

  close() {
    this.closed = true;
  }

  open() {
    this.onopen?.({});
  }

  /** @param {unknown} frame */
  receive(frame) {
    this.onmessage?.({ data: JSON.stringify(frame) });
  }

  /** @param {number} code @param {string} [reason] */
  closeWith(code, reason = '') {
    this.closed = true;
    this.onclose?.({ code, reason });
  }

  /** @returns {WebSocketLike} */
  like() {
    return /** @type {WebSocketLike} */ (/** @type {unknown} */ (this));
  }
}

/** Requests wait until the test answers them. */
export class FakeFetch {
  /** @type {{path: string, method: string, body: any, headers: Record<string, string>,
   *   answer: (status: number, body: unknown) => void, lose: () => void}[]} */
  waiting = [];

  /** @param {string} path @param {RequestInit} init @returns {Promise<Response>} */
  fetch = (path, init) => new Promise((resolve, reject) => {
    const one = {
      path,
      method: init.method ?? 'GET',
      body: typeof init.body === 'string' ? JSON.parse(init.body) : init.body,
      headers: /** @type {Record<string, string>} */ (init.headers),
      answer: (/** @type {number} */ status, /** @type {unknown} */ body) => {
        this.#forget(one);
        resolve(new Response(body === undefined ? null : JSON.stringify(body), { status }));
      },
      lose: () => {
        this.#forget(one);
        reject(new TypeError('network'));
      },
    };
    init.signal?.addEventListener('abort', () => {
      this.#forget(one);
      reject(new DOMException('aborted', 'AbortError'));
    });
    this.waiting.push(one);
  });

  /** @param {string} path its beginning */
  find(path) {
    return this.waiting.find((one) => one.path.startsWith(path));
  }

  /** @param {FakeFetch['waiting'][number]} one */
  #forget(one) {
    this.waiting = this.waiting.filter((other) => other !== one);
  }
}
