/**
 * One request with a file, which is given up when the way is lost: when no byte has gone for a while.
 *
 * @import {UploadTransport} from './upload-request.js'
 * @import {Clock} from './clock.js'
 */

/** Without a byte for so long, the way is lost. */
const STALL_MS_MAX = 30_000;
/** The server looks at a picture before it answers. */
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
