/**
 * One row of the list: the other member or group, the context, the last message, and the unread count.
 *
 * @import {Row} from '../view/conversations.js'
 */
import { h, setAttribute } from '../ui/dom.js';
import { avatar, contextPicture } from '../ui/avatar.js';
import { icon } from '../ui/icons.js';
import { say, shortCount } from '../view/strings.js';

export class ParlorRow extends HTMLElement {
  #drawn = '';
  conversation = 0;

  connectedCallback() {
    setAttribute(this, 'role', 'option');
    this.classList.add('row');
  }

  /** @param {Row} row */
  update(row) {
    this.conversation = row.id;
    setAttribute(this, 'aria-selected', row.selected ? 'true' : 'false');
    this.classList.toggle('unread', row.unread > 0 || row.markedUnread);
    const drawn = JSON.stringify({ ...row, selected: false });
    if (drawn === this.#drawn) return;
    this.#drawn = drawn;
    const { isGroup: pair, picture, dot } = row;
    this.replaceChildren(avatar(row.faces, { pair, picture, dot }), h('div', {}, ...lines(row)),
      h('span', { class: 'row-menu', 'aria-hidden': 'true' }, icon('more', { small: true })));
  }
}

/** @param {Row} row @returns {HTMLElement[]} */
function lines(row) {
  const head = h('div', {},
    h('span', { class: 'who one-line', dir: 'auto' }, row.name),
    row.dot && h('span', { class: 'visually-hidden' }, say[row.dot]),
    h('time', { datetime: row.dateTime }, row.time));
  const says = h('div', { class: row.preview.kind === 'typing' ? 'says typing' : 'says' }, ...preview(row),
    h('span', { class: 'marks' }, ...marks(row)));
  const { context } = row;
  if (!context) return [head, says];
  const about = h('div', { class: 'about' },
    contextPicture(context, 'context-picture'),
    h('span', { class: 'one-line', dir: 'auto' }, context.title),
    context.status && h('span', { class: `state ${context.tone}` }, context.status));
  return [head, about, says];
}

/** @param {Row} row @returns {(Node|false)[]} */
function marks({ unread, mentioned, markedUnread, pinned, muted, archived }) {
  const badge = muted ? 'badge quiet' : 'badge';
  return [
    archived && icon('archive', { small: true, label: say.inArchive }),
    muted && icon('muted', { small: true, label: say.muted }),
    pinned && icon('pin', { small: true, label: say.pinned }),
    mentioned && h('span', { class: 'badge at' }, h('span', { 'aria-hidden': 'true' }, '@'), h('span', { class: 'visually-hidden' }, say.mentionsYou)),
    unread > 0 && h('span', { class: badge, 'aria-hidden': 'true' }, shortCount(unread)),
    unread > 0 && h('span', { class: 'visually-hidden' }, say.unreadCount(unread)),
    unread === 0 && markedUnread && h('span', { class: `${badge} dot` }, h('span', { class: 'visually-hidden' }, say.markedUnread)),
  ].map((one) => one || false);
}

/** @param {Row} row @returns {(Node|null)[]} */
function preview({ preview: { kind, text, tick, who, own, sign } }) {
  const words = h('span', { class: 'one-line', dir: 'auto' }, own && h('span', {}, h('bdi', {}, say.you), say.colon),
    who && h('b', {}, h('bdi', {}, who), say.colon), sign && icon(sign, { small: true }), text);
  switch (kind) {
    case 'failed':
      return [icon('alert', { small: true }), h('span', { class: 'failed' }, say.notSent), words];
    case 'draft':
      return [h('span', { class: 'draft' }, say.draft), words];
    case 'typing':
      return [words];
    case 'message':
      if (tick === 'read') return [icon('read', { small: true, label: say.read }), words];
      if (tick === 'sending') return [icon('clock', { small: true, label: say.sending }), words];
      return [words];
    case 'none':
      return [words];
  }
}

customElements.define('parlor-row', ParlorRow);
