/**
 * Loads parts of the inbox on first use. What a page shows at once is loaded with the page; menus and dialogs at the
 * latest when the browser has nothing else to do (`inbox.js`), so that they open without a connection, too.
 */
import { say } from '../view/strings.js';
import { toast } from './toast.js';

/** Calls a function with a part once it is loaded; says so if it cannot be loaded. @template Part
 * @param {HTMLElement} host @param {Promise<Part>} loading what `import('./part.js')` gives
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
