/**
 * The messages of a thread, and where one stands in them.
 *
 * Invariants: a thread opens at its end; it follows what comes only while the end is near; what is loaded above leaves
 * the first visible message where it is; what was sent from here is always shown.
 * Tells: `parlor-older`, `parlor-end {seq}` whenever the end is on the screen, and what runs tell.
 *
 * @import {User} from '../sdk/wire.js'
 * @import {Block} from './runs.js'
 * @import {ParlorSaid} from './said.js'
 */
import { emit, h, keyed, set, setText } from './dom.js';
import { icon } from './icons.js';
import { makeBlock } from './run.js';
import { say } from './strings.js';
import { Writing } from './writing.js';

/**
 * @typedef {{
 *   conversation: number, name: string, blocks: Block[], moreBefore: boolean, loading: boolean, failed: boolean,
 *   isGroup: boolean, writers: User[], typing: string, lastSeq: number, others: {seq: number, who: string, text: string}[], ownKey: string, trouble: string,
 * }} TalkView
 */

const FOLLOW_PX = 100;
const AT_END_PX = 24;
const NEAR_TOP_PX = 600;
const ANNOUNCE_MS = 1_000;
/** How long the message that was jumped to stands out. */
const JUMPED_MS = 1_600;
/** Of a bubble, both sides together. */
const PADDING_PX = 28;

export class ParlorTalk extends HTMLElement {
  #blocks = h('div', { class: 'blocks' });
  #writing = new Writing();
  #older = h('div', { class: 'older', hidden: true });
  #log = h('div', { class: 'talk', role: 'log', 'aria-live': 'off', tabindex: 0, onscroll: () => this.#scrolled() },
    this.#older, this.#blocks, this.#writing.element);
  #ears = h('div', { class: 'for-ears', role: 'status' });
  #pillWords = h('span');
  #pill = h('button', { class: 'pill', type: 'button', hidden: true, onclick: () => this.toEnd(true) },
    icon('down', { small: true }), this.#pillWords);
  /** @type {TalkView|null} */
  #view = null;
  #seenSeq = 0;
  #heardSeq = 0;
  #ownKey = '';
  #trouble = '';
  #following = true;
  #height = 0;
  #width = 0;
  /** @type {ReturnType<typeof setTimeout>|null} */
  #announcing = null;
  #observer = new ResizeObserver(() => this.#resized());

  connectedCallback() {
    if (!this.firstChild) this.append(this.#log, this.#pill, this.#ears);
    this.#observer.observe(this.#log);
    this.#observer.observe(this.#blocks);
  }

  disconnectedCallback() {
    this.#observer.disconnect();
    if (this.#announcing) clearTimeout(this.#announcing);
  }

  focusLog() {
    this.#log.focus();
  }

  /** @param {TalkView} view */
  update(view) {
    const fresh = view.conversation !== this.#view?.conversation;
    const ownNew = !fresh && view.ownKey !== '' && view.ownKey !== this.#ownKey;
    const pin = fresh || this.#following ? null : this.#firstVisible();
    if (fresh) this.#begin(view);
    this.#view = view;
    this.#ownKey = view.ownKey;
    set(this.#log, 'aria-label', say.messagesWith(view.name));
    this.#drawOlder(view);
    keyed(this.#blocks, view.blocks, (block) => block.key, makeBlock);
    this.#writing.update(view.writers, view.typing, view.isGroup);
    fit(this.#blocks);
    if (this.#following || ownNew) this.toEnd(false);
    else if (pin) this.#restore(pin);
    if (view.trouble !== this.#trouble && view.trouble !== '') setText(this.#ears, view.trouble);
    this.#trouble = view.trouble;
    this.#announce(view);
    this.#scrolled();
  }

  /** @param {boolean} smooth */
  toEnd(smooth) {
    const calm = matchMedia('(prefers-reduced-motion: reduce)').matches;
    this.#following = true;
    this.#log.scrollTo({ top: this.#log.scrollHeight, behavior: smooth && !calm ? 'smooth' : 'instant' });
    if (smooth) this.#log.focus();
  }

  /** Shows a message in its place, and which it is. @param {number} seq */
  jumpTo(seq) {
    const message = [...this.#blocks.querySelectorAll('.msg')]
      .find((one) => /** @type {ParlorSaid} */ (one).seq === seq);
    if (!(message instanceof HTMLElement)) return;
    this.#following = false;
    message.scrollIntoView({ block: 'center', behavior: 'instant' });
    this.#height = this.#log.scrollHeight;
    message.focus({ preventScroll: true });
    message.classList.add('jumped');
    setTimeout(() => message.classList.remove('jumped'), JUMPED_MS);
    this.#scrolled();
  }

  /** Tells again whether the end is on the screen: the page came back. */
  look() {
    this.#scrolled();
  }

  /** @param {TalkView} view */
  #begin(view) {
    this.#blocks.replaceChildren();
    this.#following = true;
    this.#seenSeq = view.lastSeq;
    this.#heardSeq = view.lastSeq;
    this.#ownKey = view.ownKey;
    this.#trouble = '';
    setText(this.#ears, '');
  }

  /** @param {TalkView} view */
  #drawOlder(view) {
    this.#older.hidden = !(view.moreBefore && (view.loading || view.failed));
    if (this.#older.hidden) return;
    if (view.failed) {
      this.#older.replaceChildren(h('span', {}, say.olderFailed),
        h('button', { class: 'link', type: 'button', onclick: () => emit(this, 'parlor-older') }, say.tryAgain));
    } else if (!this.#older.querySelector('.late')) {
      this.#older.replaceChildren(h('span', { class: 'late' }, say.loadingMessages));
    }
  }

  /** @returns {number} how much lies below what is seen */
  #below() {
    return this.#log.scrollHeight - this.#log.scrollTop - this.#log.clientHeight;
  }

  /** The first message that is seen, by its key, and where it is. @returns {{key: string, top: number}|null} */
  #firstVisible() {
    const edge = this.#log.getBoundingClientRect().top;
    for (const message of this.#blocks.querySelectorAll('.msg')) {
      const box = message.getBoundingClientRect();
      if (box.bottom > edge) return { key: /** @type {HTMLElement} */ (message).dataset.key ?? '', top: box.top };
    }
    return null;
  }

  /** @param {{key: string, top: number}} pin */
  #restore({ key, top }) {
    const message = [...this.#blocks.querySelectorAll('.msg')]
      .find((one) => /** @type {HTMLElement} */ (one).dataset.key === key);
    if (message) this.#log.scrollTop += message.getBoundingClientRect().top - top;
  }

  #scrolled() {
    const view = this.#view;
    if (!view || this.#log.clientHeight === 0) return;
    const below = this.#below();
    // Growing content moves the end away without anybody scrolling; then the end is followed.
    if (this.#height === this.#log.scrollHeight) this.#following = below <= FOLLOW_PX;
    this.#height = this.#log.scrollHeight;
    if (below <= FOLLOW_PX) this.#seenSeq = view.lastSeq;
    if (below <= AT_END_PX) emit(this, 'parlor-end', { seq: view.lastSeq });
    this.#drawPill(view, below);
    const wants = view.moreBefore && !view.loading && !view.failed;
    if (wants && this.#log.scrollTop < NEAR_TOP_PX) emit(this, 'parlor-older');
  }

  #resized() {
    if (this.#width !== this.#log.clientWidth) {
      this.#width = this.#log.clientWidth;
      for (const bubble of this.#blocks.querySelectorAll('.bubble')) bubble.removeAttribute('data-fits');
      fit(this.#blocks);
    }
    if (this.#following && this.#view) {
      this.#log.scrollTop = this.#log.scrollHeight;
      this.#scrolled();
    }
  }

  /** @param {TalkView} view @param {number} below */
  #drawPill(view, below) {
    const count = view.others.filter((one) => one.seq > this.#seenSeq).length;
    const far = below > Math.max(FOLLOW_PX, this.#log.clientHeight);
    this.#pill.hidden = !(below > FOLLOW_PX && (count > 0 || far));
    setText(this.#pillWords, count > 0 ? say.newPill(count) : say.toLatest);
    set(this.#pill, 'aria-label', count > 0 ? null : say.toLatestFull);
  }

  /** Reads out what others wrote, a second's worth at a time; never history, never one's own. @param {TalkView} view */
  #announce(view) {
    if (view.lastSeq <= this.#heardSeq || this.#announcing) return;
    this.#announcing = setTimeout(() => {
      this.#announcing = null;
      const now = this.#view;
      if (!now) return;
      const fresh = now.others.filter((one) => one.seq > this.#heardSeq);
      this.#heardSeq = now.lastSeq;
      if (fresh.length === 1) setText(this.#ears, say.arrived(fresh[0].who, fresh[0].text));
      else if (fresh.length > 1) setText(this.#ears, say.arrivedMany(fresh.length));
    }, ANNOUNCE_MS);
  }
}

/** A bubble whose text wraps takes all the width there is; it is made as wide as its longest line. Reads first, then
 * writes, so that the page is laid out once. @param {Element} blocks */
function fit(blocks) {
  const bubbles = /** @type {HTMLElement[]} */ ([...blocks.querySelectorAll('.bubble:not([data-fits])')]);
  for (const bubble of bubbles) bubble.style.inlineSize = '';
  const widths = bubbles.map((bubble) => {
    const lines = [...(bubble.querySelector('.words')?.getClientRects() ?? [])];
    if (new Set(lines.map((line) => Math.round(line.bottom))).size < 2) return 0;
    return Math.max(...lines.map((line) => line.right)) - Math.min(...lines.map((line) => line.left));
  });
  for (const [index, bubble] of bubbles.entries()) {
    if (widths[index] > 0) bubble.style.inlineSize = `${Math.ceil(widths[index]) + PADDING_PX + 1}px`;
    bubble.dataset.fits = '';
  }
}

customElements.define('parlor-talk', ParlorTalk);
