/**
 * Loads parts of the inbox on first use: parts that cannot do anything without the server anyway. What a page shows at
 * once, and what may be needed offline, is loaded with the page.
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
