/**
 * One message: its files, its bubble with quote, subject and text, and its reactions.
 *
 * Invariant: unchanged parts are not drawn again, so that a selection, the focus and an open picture stay.
 *
 * @import {ParlorAttachments} from '../files/attachments.js'
 * @import {ReactionView, Quote, MessageView} from '../view/message-groups.js'
 */
import '../files/attachments.js';
import { isolated } from '../view/bidi.js';
import { h, setAttribute, setText } from '../ui/dom.js';
import { isLargeEmoji } from '../view/format.js';
import { icon } from '../ui/icons.js';
import { emojiName } from '../view/emoji.js';
import { spokenMessage } from '../view/spoken-message.js';
import { formatNumber, say } from '../view/strings.js';
import { richText } from './rich-text.js';
import { emit } from '../ui/events.js';

/**
 * @typedef {{
 *   unsent: boolean, speaker: string, ears: boolean, state: string,
 * }} Dress how a run dresses its messages: `ears` is for the first of a run that shows no name, `state` for the last
 */

export class ParlorMessage extends HTMLElement {
  /** @type {MessageView|null} */
  #view = null;
  #drawnWords = '';
  #drawnQuote = '';
  #drawnReactions = '';
  #ears = '';
  /** What the spoken sentence was made of. @type {{view: MessageView|null, speaker: string, state: string}} */
  #read = { view: null, speaker: '', state: '' };
  #files = /** @type {ParlorAttachments} */ (document.createElement('parlor-attachments'));
  #name = h('span', { class: 'visually-hidden', dir: 'auto' });
  #quote = h('div', { class: 'quote-place' });
  #body = h('div', { class: 'body' });
  // Its direction is that of what the sender wrote: what the inbox adds has its own.
  #bubble = h('div', { class: 'bubble', dir: 'auto' }, this.#name, this.#quote, this.#body);
  #reactions = h('div', { class: 'reactions', hidden: true });

  connectedCallback() {
    if (this.firstChild) return;
    this.classList.add('msg');
    setAttribute(this, 'role', 'article');
    setAttribute(this, 'tabindex', -1);
    this.append(this.#files, this.#bubble, this.#reactions);
  }

  /** What is drawn. @returns {MessageView|null} */
  get view() {
    return this.#view;
  }

  /** @returns {number} 0 while it is not sent */
  get seq() {
    return this.#view?.seq ?? 0;
  }

  /** @param {MessageView} view */
  update(view) {
    if (view === this.#view) return;
    this.#view = view;
    this.#files.update(view);
    this.#drawWords(view);
    this.#drawQuote(view.quote);
    this.#drawReactions(view.reactions);
  }

  /** @param {Dress} how */
  dress({ unsent, speaker, ears, state }) {
    const view = this.#view;
    if (!view) return;
    this.#bubble.classList.toggle('unsent', unsent);
    this.#files.classList.toggle('unsent', unsent);
    const name = ears ? `${isolated(speaker)}: ` : '';
    if (name !== this.#ears) {
      this.#ears = name;
      setText(this.#name, name);
    }
    if (view === this.#read.view && speaker === this.#read.speaker && state === this.#read.state) return;
    this.#read = { view, speaker, state };
    setAttribute(this, 'aria-label', spokenMessage(view, speaker, state));
  }

  /** @param {MessageView} view */
  #drawWords({ text, mentions, subject, forwarded, edited, deleted }) {
    const drawn = JSON.stringify([text, mentions, subject, forwarded, edited !== '', deleted]);
    if (drawn === this.#drawnWords) return;
    this.#drawnWords = drawn;
    const bare = subject === '' && !forwarded && deleted === '';
    this.#bubble.removeAttribute('data-fits');
    this.#bubble.classList.toggle('large', bare && isLargeEmoji(text));
    this.#bubble.classList.toggle('gone', deleted !== '');
    this.#bubble.hidden = bare && text === '';
    this.#body.replaceChildren(...(deleted === ''
      ? [
          ...(forwarded ? [h('span', { class: 'forwarded', dir: 'auto' }, icon('forward', { small: true }), say.forwarded)] : []),
          ...(subject === '' ? [] : [h('span', { class: 'subject', dir: 'auto' }, subject)]),
          ...(text === '' ? [] : [richText(text, mentions)]),
          ...(edited === '' ? [] : [h('span', { class: 'edited' }, say.edited)]),
        ]
      : [icon('bin', { small: true }), h('span', { class: 'text' }, deleted)]));
  }

  /** @param {Quote|null} quote */
  #drawQuote(quote) {
    const drawn = JSON.stringify(quote);
    if (drawn === this.#drawnQuote) return;
    this.#drawnQuote = drawn;
    this.#bubble.removeAttribute('data-fits');
    this.#quote.replaceChildren(...(quote ? [this.#makeQuote(quote)] : []));
  }

  /** @param {Quote} quote @returns {HTMLElement} */
  #makeQuote({ seq, who, text, sign, there }) {
    const inside = [
      who === '' ? null : h('b', { class: 'one-line', dir: 'auto' }, who),
      h('span', { class: 'quoted', dir: 'auto' }, sign && icon(sign, { small: true }), text),
    ];
    if (!there) return h('div', { class: 'quote lost' }, ...inside);
    return h('button', {
      class: 'quote', type: 'button', tabindex: -1, title: say.jumpToQuoted,
      onclick: () => emit(this, 'parlor-jump', { seq }),
    }, h('span', { class: 'visually-hidden', dir: 'auto' }, say.answers), ...inside);
  }

  /** @param {ReactionView[]} chips */
  #drawReactions(chips) {
    const drawn = JSON.stringify(chips);
    if (drawn === this.#drawnReactions) return;
    this.#drawnReactions = drawn;
    const focused = this.#reactions.contains(document.activeElement)
      ? /** @type {HTMLElement} */ (document.activeElement).dataset.emoji
      : undefined;
    this.#reactions.hidden = chips.length === 0;
    this.#reactions.replaceChildren(...chips.map((chip) => this.#chip(chip)));
    if (focused === undefined) return;
    const again = [...this.#reactions.children].find((one) =>
      /** @type {HTMLElement} */ (one).dataset.emoji === focused);
    /** @type {HTMLElement} */ (again ?? this).focus();
  }

  /** @param {ReactionView} chip @returns {HTMLElement} */
  #chip({ emoji, count, mine, names }) {
    const words = (/** @type {string} */ name) => say.reactionOf(name, names);
    const ears = h('span', { class: 'visually-hidden' });
    setText(ears, words(emojiName(emoji, (name) => setText(ears, words(name)))));
    return h('button', {
      class: `reaction${mine ? ' mine' : ''}`, type: 'button', tabindex: -1, 'aria-pressed': String(mine),
      title: names, 'data-emoji': emoji,
      onclick: () => emit(this, 'parlor-react', { seq: this.seq, emoji, on: !mine }),
    }, h('span', { class: 'sign', 'aria-hidden': 'true' }, emoji),
    h('span', { class: 'count', 'aria-hidden': 'true' }, formatNumber(count)), ears);
  }
}

customElements.define('parlor-message', ParlorMessage);
