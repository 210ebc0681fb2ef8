/**
 * The settings of the keyboard: which key sends. Kept in this browser, for the user.
 *
 * @import {Client} from '../sdk/client.js'
 */
import { SEND_KEY } from './view/thread.js';
import { dialogSay } from './view/dialog-strings.js';
import { openShortcuts } from './dialogs/shortcuts.js';
import { h } from './ui/dom.js';
import { keyLabel } from './ui/menu.js';
import { choice, part } from './ui/settings-parts.js';

const { keyboard: words } = dialogSay;

export class KeyboardSettings {
  #choice = h('div');
  part = part(words.title, h('p', { class: 'note' }, words.sends), this.#choice, h('button', {
    class: 'button', type: 'button', 'aria-haspopup': 'dialog',
    onclick: () => openShortcuts(/** @type {HTMLElement} */ (this.part.closest('.inbox'))),
  }, words.sheet));

  /** @param {Client} client */
  show({ storage }) {
    const keys = /** @type {const} */ (['Enter', 'Ctrl Enter']);
    const chosen = storage.get(SEND_KEY) === 'Ctrl Enter' ? 'Ctrl Enter' : 'Enter';
    this.#choice.replaceChildren(choice(words.sends, keys.map((key) => [key, keyLabel(key)]), chosen, (key) =>
      storage.set(SEND_KEY, key)));
  }
}
