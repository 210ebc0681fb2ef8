/**
 * One request with a file, which is given up when the way is lost: when no byte has gone for a while.
 *
 * @import {Carry} from './upload-request.js'
 * @import {Clock} from './clock.js'
 */

/** Without a byte for so long, the way is lost. */
const PATIENCE_MS = 30_000;
/** The server looks at a picture before it answers. */
export const LOOKING_MS = 60_000;

/** @param {{carry: Carry, clock: Clock}} way @param {{method: string, path: string, body?: Blob}} load
 * @param {AbortSignal} stop @param {(sent: number) => void} moved @returns {Promise<any>} */
export async function askPatiently({ carry, clock }, load, stop, moved) {
  const cut = new AbortController();
  const giveUp = () => cut.abort();
  stop.addEventListener('abort', giveUp);
  let timer = clock.after(PATIENCE_MS, giveUp);
  const onProgress = (/** @type {number} */ sent) => {
    clock.stop(timer);
    const whole = sent >= (load.body?.size ?? 0);
    timer = clock.after(whole ? LOOKING_MS : PATIENCE_MS, giveUp);
    moved(sent);
  };
  try {
    return await carry({ ...load, signal: cut.signal, onProgress });
  } finally {
    clock.stop(timer);
    stop.removeEventListener('abort', giveUp);
  }
}
