/**
 * The thread: its head, its messages, and the composer.
 *
 * @import {Context} from '../../sdk/wire.js'
 * @import {ParlorComposer} from './composer.js'
 * @import {Restored} from '../ui/events.js'
 * @import {ParlorMessageList} from './message-list.js'
 * @import {ThreadView} from '../view/thread.js'
 */
import './composer.js';
import './message-list.js';
import { messageSkeleton } from '../ui/skeleton.js';
import { h, setAttribute, setText, replaceChildren } from '../ui/dom.js';
import { avatar, avatarKey, contextPicture } from '../ui/avatar.js';
import { drawing, icon } from '../ui/icons.js';
import { say } from '../view/strings.js';
import { DropTarget } from '../files/file-intake.js';
import { emit } from '../ui/events.js';

export class ParlorThread extends HTMLElement {
  #avatarSlot = h('span', { class: 'avatar-slot' });
  #name = h('h2', { class: 'one-line', dir: 'auto', tabindex: -1 });
  #note = h('p', { class: 'presence one-line' });
  #members = h('button', {
    class: 'tool', type: 'button', hidden: true, onclick: () => emit(this, 'parlor-members'),
  }, icon('people'));
  #search = h('button', {
    class: 'tool', type: 'button', 'aria-label': say.searchHere, title: say.searchHereHint,
    onclick: () => emit(this, 'parlor-search-here', {}),
  }, icon('search'));
  #goToDay = h('button', {
    class: 'tool only-wide', type: 'button', 'aria-label': say.goToDay, title: say.goToDay, 'aria-haspopup': 'dialog',
    onclick: () => emit(this, 'parlor-go-to-day'),
  }, icon('calendar'));
  #head = h('div', { class: 'thread-head' }, backButton(this), this.#avatarSlot,
    h('div', { class: 'person' }, this.#name, this.#note), this.#goToDay, this.#search, this.#members);
  #card = h('div', { class: 'card-place' });
  #messageList = /** @type {ParlorMessageList} */ (document.createElement('parlor-message-list'));
  #instead = h('div', { class: 'instead', tabindex: -1 });
  #composer = /** @type {ParlorComposer} */ (document.createElement('parlor-composer'));
  #drop = new DropTarget(this, {
    allowed: () => !this.#composer.hidden && this.#composer.isOpen,
    take: (files, folders) => {
      emit(this, 'parlor-attach', { files, folders });
      this.focusComposer();
    },
  });
  #drawnFace = '';
  #drawnCard = '';
  #drawnInstead = '';

  connectedCallback() {
    if (this.contains(this.#head)) return;
    this.classList.add('thread');
    setAttribute(this, 'role', 'region');
    this.append(this.#head, this.#card, this.#messageList, this.#instead, this.#composer, this.#drop.overlay);
  }

  chooseFiles() {
    this.#composer.chooseFiles();
  }

  /** @param {Restored} message */
  restoreDraft(message) {
    this.#composer.restoreDraft(message);
  }

  /** @param {string} words */
  note(words) {
    this.#composer.note(words);
  }

  focusComposer() {
    this.#composer.focusInput();
  }

  /** The element of the messages. @returns {HTMLElement} */
  get messages() {
    return this.#messageList;
  }

  /** The element of the composer. @returns {HTMLElement} */
  get composer() {
    return this.#composer;
  }

  focusMessages() {
    this.#messageList.focusLog();
  }

  focusHead() {
    this.#name.focus();
  }

  /** The visible place is loaded again. @param {number} seq */
  restorePosition(seq) {
    this.#messageList.restorePosition(seq);
  }

  /** @param {number} seq @param {boolean} [quiet] */
  jumpTo(seq, quiet) {
    this.#messageList.jumpTo(seq, quiet);
  }

  /** Dismisses the bar about unread messages above. */
  dismissUnreadBar() {
    this.#messageList.dismissUnreadBar();
  }

  markVisible() {
    this.#messageList.markVisible();
  }

  /** @param {ThreadView} view */
  update(view) {
    setAttribute(this, 'aria-label', say.messagesWith(view.name));
    this.#drawHead(view);
    this.#drawCard(view);
    const empty = insteadOf(view);
    const instead = empty === 'skeleton' && this.#messageList.keeps(view.messageList) ? '' : empty;
    this.#messageList.hidden = instead !== '' && instead !== 'first';
    this.#composer.hidden = !view.known;
    if (this.#drawnInstead !== instead + view.name) {
      this.#drawnInstead = instead + view.name;
      replaceChildren(this.#instead, this.#makeInstead(instead, view.name), () =>
        (this.#messageList.hidden ? this.#instead.focus({ preventScroll: true }) : this.#messageList.focusLog()));
    }
    this.#instead.hidden = instead === '';
    this.#messageList.update(view.messageList);
    this.#composer.update(view.composer);
    this.#drop.most = view.bytesMax;
  }

  /** @param {ThreadView} view */
  #drawHead(view) {
    this.#head.hidden = false;
    const { picture, isGroup: pair, presenceLine: { words, dot } } = view;
    // In a group's head the text includes the number.
    const sign = pair ? '' : dot;
    const key = `${avatarKey(view.faces)}${pair}${picture ?? ''}${sign}`;
    if (key !== this.#drawnFace) {
      this.#drawnFace = key;
      this.#avatarSlot.replaceChildren(...(view.known ? [avatar(view.faces, { size: 40, pair, picture, dot: sign })] : []));
    }
    setText(this.#name, view.name);
    this.#name.hidden = view.name === '';
    const note = view.offline ? say.waitingForConnection : words;
    setText(this.#note, note);
    this.#note.classList.toggle('is-online', !view.offline && dot === 'online');
    this.#note.hidden = note === '';
    this.#search.hidden = !view.known;
    this.#goToDay.hidden = !view.known;
    this.#members.hidden = !view.isGroup;
    setAttribute(this.#members, 'aria-label', say.membersOf(view.people));
    setAttribute(this.#members, 'title', say.members);
  }

  /** @param {ThreadView} view */
  #drawCard({ context, roles }) {
    const key = JSON.stringify([context, roles]);
    if (key === this.#drawnCard) return;
    this.#drawnCard = key;
    this.#card.replaceChildren(...(context ? [card(context, roles)] : []));
  }

  /** @param {string} which @param {string} name @returns {Node[]} */
  #makeInstead(which, name) {
    const words = (/** @type {string} */ title, /** @type {string} */ more, /** @type {Node|null} */ button = null) =>
      [h('div', { class: 'nothing' }, h('h3', {}, title), h('p', {}, more), button)];
    const again = () => h('button', { class: 'button', type: 'button', onclick: () => emit(this, 'parlor-reload') },
      icon('again', { small: true }), say.tryAgain);
    switch (which) {
      case 'skeleton':
        return [messageSkeleton()];
      case 'missing':
        return words(say.threadMissing, say.threadMissingMore);
      case 'failed':
        return words(say.threadFailed, say.threadFailedMore, again());
      case 'first':
        return [h('div', { class: 'nothing' }, drawing(), h('h3', {}, say.firstMessage(name)),
          h('p', {}, say.firstMessageMore))];
      default:
        return [];
    }
  }
}

/** @param {ThreadView} view @returns {'missing'|'failed'|'skeleton'|'first'|''} */
function insteadOf(view) {
  const isLeft = view.messageList.hasLeft && view.progress !== 'loading';
  if ((view.progress === 'missing' || isLeft) && !view.known) return 'missing';
  if (!view.loaded || !view.known) return view.progress === 'failed' ? 'failed' : 'skeleton';
  return view.messageList.blocks.length === 0 ? 'first' : '';
}

/** Returns the button that leads back to the list, where there is one pane. @param {HTMLElement} from
 * @returns {HTMLElement} */
export function backButton(from) {
  return h('button', {
    class: 'tool back', type: 'button', 'aria-label': say.backToAll, onclick: () => emit(from, 'parlor-back'),
  }, icon('back'));
}

/** Returns the page of a context, on the web or at a path beside this one. @param {string|null} url
 * @returns {string|null} */
function pageOf(url) {
  if (!url || !URL.canParse(url, location.href)) return null;
  const { protocol, href } = new URL(url, location.href);
  return protocol === 'https:' || protocol === 'http:' ? href : null;
}

/** @param {Context} context @param {ThreadView['roles']} roles @returns {HTMLElement} */
function card(context, roles) {
  const url = pageOf(context.url);
  const parts = [
    contextPicture(context, 'photo'),
    h('span', { class: 'text' },
      h('span', { class: 'title' }, h('span', { class: 'one-line', dir: 'auto' }, context.title),
        context.status && h('span', { class: `chip ${context.tone}` }, context.status)),
      context.detail && h('span', { class: 'more one-line', dir: 'auto' }, context.detail)),
    h('span', { class: 'roles' },
      ...roles.map((role) => h('span', { class: `chip ${role.mine ? 'mine' : 'role'}` }, role.text))),
    url && icon('leave', { small: true, label: say.opensPage }),
  ];
  if (!url) return h('div', { class: 'about-card' }, ...parts);
  return h('a', { class: 'about-card', href: url, target: '_blank', rel: 'noopener noreferrer' }, ...parts);
}

customElements.define('parlor-thread', ParlorThread);
