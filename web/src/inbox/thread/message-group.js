/**
 * The blocks of a thread: days, the unread line, system messages, and message groups.
 *
 * @import {Block, Meta, MessageGroup} from '../view/message-groups.js'
 * @import {Updatable} from '../ui/dom.js'
 */
import { h, updateKeyed, setAttribute, setText } from '../ui/dom.js';
import { avatar, avatarKey } from '../ui/avatar.js';
import { fullTime } from '../view/format.js';
import { icon } from '../ui/icons.js';
import { ParlorMessage } from './message.js';
import { say } from '../view/strings.js';
import { emit } from '../ui/events.js';

const tickIcons = { sending: 'clock', sent: 'check', delivered: 'checks', read: 'read' };

/** Updates the keys of groups that start with another message when earlier ones come or go. Their elements stay, and
 * with them the selection and the focus. @param {Element} parent @param {Block[]} blocks */
export function updateBlocks(parent, blocks) {
  const there = new Set([...parent.children].map((one) => /** @type {HTMLElement} */ (one).dataset.key));
  const moved = blocks.filter((one) => one.type === 'group').filter((one) => !there.has(one.key));
  if (moved.length === 0 || there.size === 0) return;
  const wanted = new Set(blocks.map((one) => one.key));
  /** @type {Map<string|undefined, HTMLElement>} */
  const groupOf = new Map();
  for (const view of parent.querySelectorAll('parlor-message')) {
    const group = /** @type {HTMLElement|null} */ (view.closest('parlor-message-group'));
    if (group && !wanted.has(group.dataset.key ?? '')) groupOf.set(/** @type {HTMLElement} */ (view).dataset.key, group);
  }
  for (const { key, messages } of moved) {
    const first = messages.find((one) => groupOf.has(one.key));
    const group = first && groupOf.get(first.key);
    if (group && !wanted.has(group.dataset.key ?? '')) group.dataset.key = key;
  }
}

/** @param {Block} block @returns {Updatable<Block>} */
export function createBlock(block) {
  return /** @type {Updatable<Block>} */ (block.type === 'group' ? new ParlorMessageGroup() : new ParlorDivider());
}

/** A day, the unread line, the start of the conversation, or a system message. */
class ParlorDivider extends HTMLElement {
  #drawn = '';

  /** @param {Exclude<Block, MessageGroup>} block */
  update(block) {
    const drawn = JSON.stringify(block);
    if (drawn === this.#drawn) return;
    this.#drawn = drawn;
    this.className = { day: 'day', unread: 'unread-from', system: 'line' }[block.type];
    const isUnread = block.type === 'unread';
    setAttribute(this, 'role', isUnread ? 'separator' : null);
    setAttribute(this, 'aria-label', isUnread ? block.text : null);
    // A separator's content is not read out; its name is.
    if (isUnread) this.replaceChildren(h('span', {}, block.text));
    else if (block.type === 'day') this.replaceChildren(dayButton(this, block.text));
    else this.replaceChildren(...block.phrase.map((one) => (typeof one === 'string' ? one : firm(one.firm))));
  }
}

/** Returns the name of a day, which leads to another one. @param {HTMLElement} from @param {string} text
 * @returns {HTMLElement} */
function dayButton(from, text) {
  return h('button', {
    type: 'button', tabindex: -1, title: say.goToDay, 'aria-haspopup': 'dialog', onclick: () => emit(from, 'parlor-go-to-day'),
  }, text);
}

/** @param {string} name @returns {HTMLElement} */
function firm(name) {
  return h('b', { dir: 'auto' }, name);
}

/** What one sender wrote within a minute. */
class ParlorMessageGroup extends HTMLElement {
  #avatarSlot = h('span', { class: 'avatar-slot' });
  #name = h('span', { class: 'name', dir: 'auto' });
  #messages = h('div', { class: 'messages' });
  #meta = h('div', { class: 'meta' });
  #drawnMeta = '';
  #drawnFace = '';

  connectedCallback() {
    if (!this.firstChild) this.append(this.#avatarSlot, this.#name, this.#messages, this.#meta);
  }

  /** @param {MessageGroup} group */
  update(group) {
    this.className = ['message-group', group.own && 'own', group.sender && 'named', group.joined && 'same'].filter(Boolean).join(' ');
    const { sender } = group;
    const key = sender ? avatarKey([sender]) : '';
    if (key !== this.#drawnFace) {
      this.#drawnFace = key;
      this.#avatarSlot.replaceChildren(...(sender ? [avatar([sender], { size: 28 })] : []));
      setText(this.#name, sender?.name ?? '');
    }
    this.#avatarSlot.hidden = this.#name.hidden = !sender;
    updateKeyed(this.#messages, group.messages, (view) => view.key, () => new ParlorMessage());
    const { speaker, unsent, meta } = group;
    for (const [index, view] of [...this.#messages.children].entries()) {
      const last = index === group.messages.length - 1 && 'words' in meta;
      /** @type {ParlorMessage} */ (view).dress({
        // In a group the name is visible.
        unsent, speaker, ears: index === 0 && !sender, state: last ? meta.words : '',
      });
    }
    this.#drawMeta(group.meta);
  }

  /** @param {Meta} meta */
  #drawMeta(meta) {
    const drawn = JSON.stringify(meta);
    if (drawn === this.#drawnMeta) return;
    this.#drawnMeta = drawn;
    const tick = meta.kind === 'tick' ? meta.tick : '';
    this.#meta.className = `meta ${meta.kind === 'failed' ? 'warn' : meta.kind === 'waits' || meta.kind === 'held' ? 'sending' : tick}`;
    this.#meta.replaceChildren(...this.#metaParts(meta));
  }

  /** @param {Meta} meta @returns {Node[]} */
  #metaParts(meta) {
    if (meta.kind === 'none') return [];
    if (meta.kind === 'failed' || meta.kind === 'held') {
      const { clientId } = meta;
      /** @param {string} words @param {'parlor-restore-message'|'parlor-retry-send'|'parlor-discard'} name */
      const button = (words, name) =>
        h('button', { type: 'button', onclick: () => emit(this, name, { clientId }) }, words);
      return [
        icon(meta.kind === 'held' ? 'clock' : 'alert'), h('span', {}, meta.words),
        meta.back ? button(say.takeBack, 'parlor-restore-message') : button(say.retry, 'parlor-retry-send'),
        button(say.discard, 'parlor-discard'),
      ];
    }
    const time = h('time', { datetime: new Date(meta.at).toISOString(), title: fullTime(meta.at) }, meta.time);
    if (meta.kind === 'time') return [time];
    if (meta.kind === 'waits') return [time, icon('clock'), h('span', {}, say.waitsAbove)];
    const words = meta.readers
      ? h('button', {
          type: 'button', onclick: () => emit(this, 'parlor-readers', { seq: this.#lastSeq() }),
        }, meta.words)
      : h('span', { class: meta.iconOnly ? 'visually-hidden' : null }, meta.words);
    return [time, icon(tickIcons[meta.tick]), words];
  }

  #lastSeq() {
    return /** @type {ParlorMessage|null} */ (this.#messages.lastElementChild)?.seq ?? 0;
  }
}

customElements.define('parlor-divider', ParlorDivider);
customElements.define('parlor-message-group', ParlorMessageGroup);
