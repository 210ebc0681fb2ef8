/**
 * Parts of the inbox that are loaded when they are first used: all that cannot do anything without the server anyway.
 * What a page shows at once, and what one may need without a connection, is loaded with the page.
 */
import { say } from '../view/strings.js';
import { toast } from './toast.js';

/** Does something with a part when it is there; says so when it cannot be loaded.
 * @template Part @param {HTMLElement} host @param {Promise<Part>} loading what `import('./part.js')` gives
 * @param {(part: Part) => void} act */
export async function whenLoaded(host, loading, act) {
  let part;
  try {
    part = await loading;
  } catch {
    toast(host, { words: say.partNotLoaded, sign: 'alert' });
    return;
  }
  act(part);
}
