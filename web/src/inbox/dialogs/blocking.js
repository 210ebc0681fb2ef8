/**
 * Blocking a user, from a menu, and unblocking them again.
 *
 * @import {Client} from '../../sdk/client.js'
 * @import {MenuItem} from '../ui/menu.js'
 */
import { setBlocked } from '../../sdk/blocks.js';
import { isolated } from '../view/bidi.js';
import { dialogSay } from '../view/dialog-strings.js';
import { errorText } from '../view/error-text.js';
import { nameFor } from '../view/preview.js';
import { say } from '../view/strings.js';
import { openConfirmDialog } from '../ui/dialog.js';
import { toast } from '../ui/toast.js';

/** Returns the item of a menu that blocks a user, or ends that. @param {HTMLElement} host @param {Client} client
 * @param {number} user @returns {MenuItem} */
export function blockItem(host, client, user) {
  const name = isolated(nameFor(client.state, user));
  const words = dialogSay.blocking;
  return client.state.blocks.has(user)
    ? { label: words.unblock(name), sign: 'block', apart: true, act: () => void unblock(host, client, user) }
    : { label: words.block(name), sign: 'block', warn: true, apart: true, act: () => confirmBlock(host, client, user) };
}

/** @param {HTMLElement} host @param {Client} client @param {number} user */
function confirmBlock(host, client, user) {
  const name = isolated(nameFor(client.state, user));
  const words = dialogSay.blocking;
  openConfirmDialog(host, {
    title: words.question(name), more: words.more(name), keep: words.keep, act: words.act,
    then: () => void set(host, client, user, true).then((done) => {
      if (!done) return;
      const undo = { label: dialogSay.keeping.undo, act: () => void set(host, client, user, false) };
      toast(host, { words: words.done(name), sign: 'block', action: undo });
    }),
  });
}

/** @param {HTMLElement} host @param {Client} client @param {number} user @returns {Promise<boolean>} whether it is done */
export async function unblock(host, client, user) {
  const done = await set(host, client, user, false);
  if (done) toast(host, { words: dialogSay.blocking.undone(isolated(nameFor(client.state, user))), sign: 'check' });
  return done;
}

/** @param {HTMLElement} host @param {Client} client @param {number} user @param {boolean} on @returns {Promise<boolean>} */
async function set(host, client, user, on) {
  try {
    await setBlocked(client, user, on);
    return true;
  } catch (error) {
    toast(host, { words: say.notChangedBecause(errorText(error)), sign: 'alert' });
    return false;
  }
}
