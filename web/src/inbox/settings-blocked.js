/**
 * The settings about the users whom the user has blocked.
 *
 * @import {Client} from '../sdk/client.js'
 * @import {User} from '../sdk/wire.js'
 */
import { loadBlocked } from '../sdk/blocks.js';
import { unblock } from './dialogs/blocking.js';
import { avatar } from './ui/avatar.js';
import { h, setText } from './ui/dom.js';
import { part } from './ui/settings-parts.js';
import { isolated } from './view/bidi.js';
import { dialogSay } from './view/dialog-strings.js';
import { errorText } from './view/error-text.js';
import { say, sentences } from './view/strings.js';

const { blocking: words } = dialogSay;

export class BlockedSettings {
  #list = h('ul', { class: 'sessions' });
  #note = h('p', { class: 'note', role: 'status' }, words.none);
  #more = h('button', { class: 'button', type: 'button', hidden: true, onclick: () => void this.#load(this.#next) });
  part = part(words.title, this.#list, this.#note, this.#more);
  /** @type {Client|null} */
  #client = null;
  /** @type {string|null} */
  #next = null;
  #drawn = '';

  /** @param {Client} client */
  show(client) {
    this.#client = client;
    this.#drawn = '';
    this.update(client.state.blocks);
  }

  /** Loads the list again if the blocks have changed, here or on another device. @param {Set<number>} blocks */
  update(blocks) {
    const key = `blocks ${[...blocks].sort((a, b) => a - b).join(' ')}`;
    if (key === this.#drawn) return;
    this.#drawn = key;
    if (blocks.size > 0) void this.#load(null);
    else this.#draw([], null, false);
  }

  /** @param {string|null} after */
  async #load(after) {
    const asked = this.#drawn;
    if (!this.#client) return;
    try {
      const { users, next } = await loadBlocked(this.#client, after ?? undefined);
      if (asked === this.#drawn) this.#draw(users, next, after !== null);
    } catch (error) {
      if (asked !== this.#drawn) return;
      setText(this.#note, sentences(words.failed, errorText(error)));
      this.#next = after;
      setText(this.#more, say.tryAgain);
      this.#more.hidden = false;
    }
  }

  /** @param {User[]} users @param {string|null} next @param {boolean} appends */
  #draw(users, next, appends) {
    this.#next = next;
    const rows = users.map((user) => this.#row(user));
    if (appends) this.#list.append(...rows);
    else this.#list.replaceChildren(...rows);
    this.#list.hidden = this.#list.childElementCount === 0;
    setText(this.#note, this.#list.hidden ? words.none : words.listMore);
    setText(this.#more, words.showMore);
    this.#more.hidden = next === null;
  }

  /** @param {User} user @returns {HTMLElement} */
  #row(user) {
    const end = h('button', {
      class: 'button', type: 'button', 'aria-label': words.unblock(isolated(user.name)),
      onclick: async () => {
        end.disabled = true;
        const host = /** @type {HTMLElement|null} */ (this.part.closest('.parlor'));
        if (!host || !this.#client || !await unblock(host, this.#client, user.id)) end.disabled = false;
      },
    }, words.unblockIt);
    return h('li', {}, avatar([user], { size: 36 }), h('div', {}, h('b', { class: 'one-line', dir: 'auto' }, user.name)), end);
  }
}
