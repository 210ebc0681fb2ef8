/**
 * The typing indicator at the end of the messages: dots, and in groups who is typing.
 *
 * @import {User} from '../../sdk/wire.js'
 */
import { h, setAttribute, setText } from '../ui/dom.js';
import { avatar, avatarKey } from '../ui/avatar.js';

export class TypingIndicator {
  #name = h('p', { class: 'sender one-line', dir: 'auto' });
  #avatarSlot = h('span', { class: 'avatar-slot' });
  #dots = h('span', { class: 'typing-now', role: 'img' }, h('i'), h('i'), h('i'));
  element = h('div', { class: 'writing', hidden: true }, this.#name, this.#avatarSlot, this.#dots);
  #drawnFace = '';

  /** @param {User[]} users @param {string} words @param {boolean} isGroup */
  update(users, words, isGroup) {
    this.element.hidden = users.length === 0;
    if (users.length === 0) return;
    this.element.classList.toggle('named', isGroup);
    setText(this.#name, isGroup ? words : '');
    setAttribute(this.#dots, 'aria-label', words);
    const key = isGroup ? avatarKey(users.slice(0, 1)) : '';
    if (key === this.#drawnFace) return;
    this.#drawnFace = key;
    this.#avatarSlot.replaceChildren(...(isGroup ? [avatar(users.slice(0, 1), { size: 28 })] : []));
  }
}
