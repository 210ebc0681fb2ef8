/**
 * Uploads with progress, which `fetch` does not report. The answer is the server's JSON, a `Problem`, or `NoAnswer`,
 * also for an aborted upload.
 *
 * @import {Clock} from './clock.js'
 */
import { NoAnswer, Problem } from './problem.js';

/**
 * @typedef {{
 *   method: string, path: string, body?: Blob, signal: AbortSignal, onProgress?: (sent: number) => void,
 * }} UploadRequest
 * @typedef {(load: UploadRequest) => Promise<any>} UploadTransport
 */

/** Returns the transport of the browser. @param {number} user the user of this page
 * @param {(path: string) => string} addressOf where the server is @returns {UploadTransport} */
export function browserUploadTransport(user, addressOf) {
  return ({ method, path, body, signal, onProgress }) => new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const lost = (/** @type {string} */ why) => () => reject(new NoAnswer(`${method} ${path}: ${why}`));
    request.open(method, addressOf(path));
    request.setRequestHeader('accept', 'application/json');
    request.setRequestHeader('parlor-user', String(user));
    if (body) request.setRequestHeader('content-type', 'application/octet-stream');
    request.upload.onprogress = (event) => onProgress?.(event.loaded);
    request.onload = () => {
      try {
        resolve(parseAnswer(request.status, request.responseText));
      } catch (error) {
        reject(error);
      }
    };
    request.onerror = lost('no answer');
    request.onabort = lost('given up');
    if (signal.aborted) {
      lost('given up')();
      return;
    }
    signal.addEventListener('abort', () => request.abort(), { once: true });
    request.send(body ?? null);
  });
}

/** @param {number} status @param {string} text @returns {any} */
export function parseAnswer(status, text) {
  /** @type {any} */
  let body = null;
  try {
    body = text === '' ? null : JSON.parse(text);
  } catch {
    body = undefined;
  }
  if (status >= 200 && status < 300 && body !== undefined) return body;
  if (body && typeof body.code === 'string') throw new Problem(body);
  // A proxy answered: the outcome of the request is unknown.
  throw new NoAnswer(`status ${status}`);
}

/** An upload that sends no byte for this long is aborted. */
const STALL_MS_MAX = 30_000;
/** The server inspects a picture before it answers. */
export const PROCESSING_MS_MAX = 60_000;

/** @param {{transport: UploadTransport, clock: Clock}} way @param {{method: string, path: string, body?: Blob}} load
 * @param {AbortSignal} stop @param {(sent: number) => void} onProgress2 @returns {Promise<any>} */
export async function sendWithTimeout({ transport, clock }, load, stop, onProgress2) {
  const cut = new AbortController();
  const giveUp = () => cut.abort();
  stop.addEventListener('abort', giveUp);
  let timer = clock.after(STALL_MS_MAX, giveUp);
  const onProgress = (/** @type {number} */ sent) => {
    clock.stop(timer);
    const whole = sent >= (load.body?.size ?? 0);
    timer = clock.after(whole ? PROCESSING_MS_MAX : STALL_MS_MAX, giveUp);
    onProgress2(sent);
  };
  try {
    return await transport({ ...load, signal: cut.signal, onProgress });
  } finally {
    clock.stop(timer);
    stop.removeEventListener('abort', giveUp);
  }
}
