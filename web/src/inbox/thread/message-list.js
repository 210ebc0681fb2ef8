/**
 * The messages of a thread, and the scroll position.
 *
 * Invariants: a thread opens at its end; it follows new messages only while the end is near and loaded; when messages
 * come and go above, the first visible message stays where it is; a message sent from here is always shown; of a long
 * thread only some hundred messages around the visible ones are drawn. If the visible messages are dropped although the
 * user did not move (because too much has changed to be listed), they stay on the screen until their place is loaded
 * again.
 *
 * @import {Side} from '../../sdk/queries.js'
 * @import {ParlorMessage} from './message.js'
 * @import {Where} from './unread-bar.js'
 * @import {MessageListView} from '../view/thread.js'
 */
import { Announcer } from './announcer.js';
import { fitBubbles } from './bubble-width.js';
import { ScrollAnchor } from './scroll-anchor.js';
import { messageSkeleton } from '../ui/skeleton.js';
import { h, updateKeyed, setAttribute, setText } from '../ui/dom.js';
import { emit, listen } from '../ui/events.js';
import { FloatingDay } from './floating-day.js';
import { icon } from '../ui/icons.js';
import { updateBlocks, createBlock } from './message-group.js';
import { UnreadBar } from './unread-bar.js';
import { say } from '../view/strings.js';
import { TypingIndicator } from './typing-indicator.js';

const FOLLOW_PX = 100;
const AT_END_PX = 24;
/** How near an end of the loaded messages more are requested. */
const NEAR_PX = 1_200;
/** How long a message is highlighted after a jump. */
const JUMPED_MS = 1_600;
/** The most messages that are drawn, and how many stay on either side of the visible ones when others are dropped. */
const ROWS_MAX = 240;
const ROWS_BESIDE = 80;
const TRIM_MS = 100;
/** The part of the height above the unread line after a jump, and the height that fades at the upper edge. */
const ABOVE_LINE = 0.2;
const FADE_PX = 12;

export class ParlorMessageList extends HTMLElement {
  #blocks = h('div', { class: 'blocks' });
  #writing = new TypingIndicator();
  #older = h('div', { class: 'older', hidden: true });
  #newer = h('div', { class: 'newer', hidden: true });
  #log = h('div', { class: 'message-log', role: 'log', 'aria-live': 'off', tabindex: 0, onscroll: () => this.#scrolled(true) },
    this.#older, this.#blocks, this.#newer, this.#writing.element);
  #anchor = new ScrollAnchor(this.#log, this.#blocks);
  #floatingDay = new FloatingDay();
  #unreadBar = new UnreadBar({ jump: () => this.#toUnread(), left: () => this.#log.focus({ preventScroll: true }) });
  #jumpCover = h('div', { class: 'jump-cover late', hidden: true, 'aria-hidden': true }, messageSkeleton());
  #announcer = new Announcer();
  #pillWords = h('span');
  #pill = h('button', { class: 'pill', type: 'button', hidden: true, onclick: () => this.toEnd(true) },
    icon('down', { small: true }), this.#pillWords);
  /** What is drawn. @type {MessageListView|null} */
  #view = null;
  /** What would be drawn if the visible place were loaded. @type {MessageListView|null} */
  #kept = null;
  #seenSeq = 0;
  #ownKey = '';
  #trouble = '';
  #following = true;
  /** The end is being loaded. */
  #toLatest = false;
  #drawnOlder = '';
  #drawnNewer = '';
  #height = 0;
  #width = 0;
  /** The last known scroll position. */
  #top = 0;
  /** @type {ReturnType<typeof setTimeout>|null} */
  #trimming = null;
  #observer = new ResizeObserver(() => this.#resized());

  connectedCallback() {
    if (!this.firstChild) {
      this.append(
        this.#unreadBar.element, this.#log, this.#jumpCover, this.#floatingDay.element, this.#pill, this.#announcer.element,
      );
      listen(this.#log, { 'parlor-jump-to-edge': (edge) => this.#toEdge(edge) });
    }
    this.#observer.observe(this.#log);
    this.#observer.observe(this.#blocks);
  }

  disconnectedCallback() {
    this.#observer.disconnect();
    this.#top = 0;
    this.#floatingDay.hide();
    this.#announcer.stop();
    if (this.#trimming) clearTimeout(this.#trimming);
    this.#trimming = null;
  }

  focusLog() {
    this.#log.focus();
  }

  /** Dismisses the bar about unread messages above. */
  dismissUnreadBar() {
    const { activeElement } = document;
    const focused = this.#unreadBar.element.contains(activeElement);
    if (this.#unreadBar.leave() && focused) this.#log.focus({ preventScroll: true });
  }

  /** Returns whether the drawn messages stay on the screen although the thread is not loaded at the moment.
   * @param {MessageListView} view @returns {boolean} */
  keeps(view) {
    return view.conversation === this.#view?.conversation && this.#view.loaded && !this.#following
      && !this.#toLatest && !view.isJumping && !view.hasLeft && this.#anchor.seq > 0;
  }

  /** @param {MessageListView} view */
  update(view) {
    if (this.#wentUp()) this.#following = false;
    if (!this.#following) this.#anchor.remember();
    if (this.#isLost(view)) {
      const isAsked = this.#kept?.loaded ?? false;
      this.#kept = view;
      if (view.loaded && !isAsked) emit(this, 'parlor-jump', { seq: this.#anchor.seq, quiet: true, keep: true });
      return;
    }
    this.#kept = null;
    this.#show(view);
  }

  /** The kept place is loaded again, or cannot be loaded. @param {number} seq */
  restorePosition(seq) {
    if (!this.#kept) return;
    const view = this.#kept;
    this.#kept = null;
    this.#show(view);
    this.#scrollTo(seq, true);
  }

  /** @param {MessageListView} view @returns {boolean} whether what is seen went away without anybody going anywhere */
  #isLost(view) {
    if (!this.keeps(view) || (view.ownKey !== '' && view.ownKey !== this.#ownKey)) return false;
    const there = (/** @type {string} */ key) =>
      view.blocks.some((one) => one.type === 'group' && one.messages.some((message) => message.key === key));
    return !this.#anchor.keys.some(there);
  }

  /** @param {MessageListView} view */
  #show(view) {
    const before = this.#view;
    const fresh = view.conversation !== before?.conversation || (view.loaded && !before.loaded);
    const ownNew = !fresh && view.ownKey !== '' && view.ownKey !== this.#ownKey;
    if (fresh) this.#begin(view);
    this.#view = view;
    this.#ownKey = view.ownKey;
    setAttribute(this.#log, 'aria-label', say.messagesWith(view.name));
    this.#draw(view);
    if (view.moreAfter) this.#following = false;
    if (this.#following || ownNew || (this.#toLatest && !view.moreAfter)) this.toEnd(false);
    else this.#anchor.restore();
    if (view.trouble !== this.#trouble && view.trouble !== '') this.#announcer.write(view.trouble);
    this.#trouble = view.trouble;
    this.#announcer.update(view);
    this.#scrolled(false);
  }

  /** @param {MessageListView} view */
  #draw(view) {
    const focused = this.#log.contains(document.activeElement);
    this.#drawnOlder = this.#drawEnd(this.#older, view, 'before', this.#drawnOlder);
    this.#drawnNewer = this.#drawEnd(this.#newer, view, 'after', this.#drawnNewer);
    this.#jumpCover.hidden = !(view.loaded && view.loading && view.side === 'place');
    updateBlocks(this.#blocks, view.blocks);
    updateKeyed(this.#blocks, view.blocks, (block) => block.key, createBlock);
    this.#writing.update(view.moreAfter ? [] : view.typingUsers, view.typing, view.isGroup);
    fitBubbles(this.#blocks);
    this.#anchor.changed();
    // A message that is dropped takes the focus with it.
    if (focused && !this.#log.contains(document.activeElement)) this.#log.focus({ preventScroll: true });
  }

  /** @param {boolean} smooth */
  toEnd(smooth) {
    if (this.#view?.moreAfter) {
      if (!this.#toLatest) emit(this, 'parlor-latest');
      this.#toLatest = true;
      return;
    }
    // This cancels a jump.
    if (smooth) emit(this, 'parlor-latest');
    const calm = matchMedia('(prefers-reduced-motion: reduce)').matches;
    this.#following = true;
    this.#toLatest = false;
    this.#log.scrollTo({ top: this.#log.scrollHeight, behavior: smooth && !calm ? 'smooth' : 'instant' });
    this.#top = this.#log.scrollTop;
    if (smooth) this.#log.focus({ preventScroll: true });
  }

  /** Scrolls to a message and highlights it, or to the next one if it is not drawn. @param {number} seq
   * @param {boolean} [quiet] without a highlight */
  jumpTo(seq, quiet = false) {
    const message = this.#scrollTo(seq, quiet);
    message?.focus({ preventScroll: true });
    if (message && !quiet && message.seq === seq) {
      message.classList.add('jumped');
      setTimeout(() => message.classList.remove('jumped'), JUMPED_MS);
    }
    this.#scrolled(false);
  }

  /** @param {number} seq @param {boolean} quiet @returns {ParlorMessage|undefined} the message, or what comes next */
  #scrollTo(seq, quiet) {
    const all = this.#anchor.messages;
    const message = all.find((one) => one.seq >= seq) ?? all.findLast((one) => one.seq > 0);
    if (!message) return undefined;
    this.#following = false;
    this.#toLatest = false;
    const line = quiet && seq === this.#view?.divider?.seq ? this.#line() : null;
    if (line) {
      // Some read messages stay visible above it.
      const { top } = this.#log.getBoundingClientRect();
      this.#log.scrollTop += line.getBoundingClientRect().top - top - this.#log.clientHeight * ABOVE_LINE;
    } else {
      message.scrollIntoView({ block: quiet ? 'nearest' : 'center', behavior: 'instant' });
    }
    if (message === all[0] && !this.#view?.moreBefore && !line) this.#log.scrollTop = 0;
    this.#height = this.#log.scrollHeight;
    if (!line) return message;
    return all.find((one) => (line.compareDocumentPosition(one) & Node.DOCUMENT_POSITION_FOLLOWING) !== 0) ?? message;
  }

  /** Returns the unread line, if it is drawn. @returns {Element|null} */
  #line() {
    return this.#blocks.querySelector(':scope > .unread-from');
  }

  #toUnread() {
    const divider = this.#view?.divider;
    if (!divider) return;
    if (this.#line()) this.jumpTo(divider.seq, true);
    else emit(this, 'parlor-jump', { seq: divider.seq, quiet: true });
  }

  /** Goes to the first or last message of the conversation. @param {{first: boolean}} edge */
  #toEdge({ first }) {
    const view = this.#view;
    if (!view) return;
    if (first && view.moreBefore) emit(this, 'parlor-jump', { seq: view.first, quiet: true });
    else if (first) this.jumpTo(0, true);
    else if (view.moreAfter) this.toEnd(false);
    else this.jumpTo(Infinity, true);
  }

  /** Reports again whether the end is visible: the page came back. */
  markVisible() {
    this.#scrolled(false);
  }

  /** @param {MessageListView} view */
  #begin(view) {
    this.#blocks.replaceChildren();
    this.#anchor.changed();
    this.#anchor.forget();
    this.#floatingDay.hide();
    this.#following = true;
    this.#top = 0;
    this.#toLatest = false;
    this.#seenSeq = view.lastSeq;
    this.#ownKey = view.ownKey;
    this.#trouble = '';
    this.#announcer.reset(view);
  }

  /** Draws what is above the first loaded message, or below the last; it keeps its height while more is loading.
   * @param {HTMLElement} end @param {MessageListView} view @param {'before'|'after'} side @param {string} before what
   * is drawn @returns {string} what is drawn now */
  #drawEnd(end, view, side, before) {
    const isOlder = side === 'before';
    const isMore = isOlder ? view.moreBefore : view.moreAfter;
    const drawn = !isMore ? '' : view.failed && view.side === side ? 'failed' : 'skeleton';
    if (drawn === before) return drawn;
    end.hidden = drawn === '';
    setAttribute(end, 'aria-hidden', !isOlder && drawn === 'skeleton' ? 'true' : null);
    const again = () => h('button', {
      class: 'link', type: 'button', onclick: () => emit(this, isOlder ? 'parlor-older' : 'parlor-newer'),
    }, say.tryAgain);
    const failed = () => [h('span', {}, isOlder ? say.olderFailed : say.newerFailed), again()];
    end.replaceChildren(...(drawn === '' ? [] : drawn === 'failed' ? failed() : [messageSkeleton()]));
    return drawn;
  }

  /** Returns whether the user has scrolled up, before the scroll event arrives. @returns {boolean} */
  #wentUp() {
    return this.#following && this.#below() > FOLLOW_PX && this.#log.scrollTop < this.#top - FOLLOW_PX;
  }

  /** @returns {number} how much lies below what is seen */
  #below() {
    return this.#log.scrollHeight - this.#log.scrollTop - this.#log.clientHeight;
  }

  /** @param {boolean} moved by scrolling */
  #scrolled(moved) {
    const view = this.#view;
    if (!view || this.#kept || this.#log.clientHeight === 0) return;
    const below = this.#below();
    const atEnd = below <= AT_END_PX && !view.moreAfter;
    // Growing content moves the end away although nobody scrolled; then the end is followed.
    if (this.#height === this.#log.scrollHeight) this.#following = below <= FOLLOW_PX && !view.moreAfter;
    else if (this.#wentUp()) this.#following = false;
    this.#top = this.#log.scrollTop;
    this.#height = this.#log.scrollHeight;
    if (below <= FOLLOW_PX && !view.moreAfter) this.#seenSeq = view.lastSeq;
    const all = this.#anchor.messages;
    const seen = atEnd ? view.lastSeq : (all[this.#anchor.last(AT_END_PX)]?.seq ?? 0);
    if (seen > 0) emit(this, 'parlor-seen', { seq: seen });
    this.#drawPill(view, below);
    const first = all[this.#anchor.first()]?.view;
    const since = this.#unreadBar.update(view.divider, this.#whereLine(view, first?.seq ?? 0), view.now);
    if (since !== '') this.#announcer.announce(since);
    if (moved && first && !this.#following) this.#floatingDay.scrolled(this.#log, first.at, view.now);
    this.#want(view, below);
    if (!this.#following) this.#anchor.remember();
    if (all.length > ROWS_MAX) this.#trimming ??= setTimeout(() => this.#trim(), TRIM_MS);
  }

  /** @param {MessageListView} view @param {number} seq the first message that is seen @returns {Where} */
  #whereLine({ divider, moreBefore }, seq) {
    if (divider === null || seq === 0) return 'none';
    const line = this.#line();
    if (!line) {
      const first = this.#anchor.messages[0];
      return moreBefore && first.seq > divider.seq ? 'above' : 'none';
    }
    const [box, log] = [line.getBoundingClientRect(), this.#log.getBoundingClientRect()];
    // The bar covers the messages, so that nothing moves when it comes and goes.
    if (box.bottom <= log.top + FADE_PX + this.#unreadBar.element.offsetHeight) return 'above';
    return box.top >= log.bottom ? 'below' : 'seen';
  }

  /** Requests more messages near an end of the loaded ones. @param {MessageListView} view @param {number} below */
  #want(view, below) {
    if (view.loading && view.side === 'place') return;
    const quiet = (/** @type {Side} */ side) => !((view.loading || view.failed) && view.side === side);
    const above = this.#log.scrollTop - this.#older.offsetHeight;
    if (view.moreBefore && quiet('before') && above < NEAR_PX) emit(this, 'parlor-older');
    const under = below - this.#newer.offsetHeight;
    if (view.moreAfter && quiet('after') && under < NEAR_PX) emit(this, 'parlor-newer');
  }

  /** Drops messages that are far from the visible ones. */
  #trim() {
    this.#trimming = null;
    const all = this.#anchor.messages.filter((one) => one.seq > 0);
    if (all.length <= ROWS_MAX || this.#toLatest) return;
    const from = Math.max(0, this.#anchor.first() - ROWS_BESIDE);
    const to = Math.min(all.length - 1, Math.max(0, this.#anchor.last(0)) + ROWS_BESIDE);
    emit(this, 'parlor-trim', {
      first: from === 0 ? 0 : all[from].seq, last: to === all.length - 1 ? Infinity : all[to].seq,
    });
  }

  #resized() {
    // A hidden element comes back at its beginning, although nobody scrolled there.
    if (this.#log.clientHeight === 0) this.#top = 0;
    if (this.#width !== this.#log.clientWidth) {
      this.#width = this.#log.clientWidth;
      for (const bubble of this.#blocks.querySelectorAll('.bubble')) bubble.removeAttribute('data-fits');
      fitBubbles(this.#blocks);
    }
    if (this.#wentUp()) this.#following = false;
    if (this.#following && this.#view) this.#log.scrollTop = this.#log.scrollHeight;
    else this.#anchor.restore(true);
    if (this.#view) this.#scrolled(false);
  }

  /** @param {MessageListView} view @param {number} below */
  #drawPill(view, below) {
    const held = view.others.filter((one) => one.seq > this.#seenSeq).length;
    const count = view.moreAfter && view.lastSeq > this.#seenSeq ? Math.max(held, view.unread) : held;
    const far = below > Math.max(FOLLOW_PX, this.#log.clientHeight);
    this.#pill.hidden = !view.moreAfter && !(below > FOLLOW_PX && (count > 0 || far));
    setText(this.#pillWords, count > 0 ? say.newPill(count) : say.toLatest);
    setAttribute(this.#pill, 'aria-label', count > 0 ? null : say.toLatestFull);
  }
}

customElements.define('parlor-message-list', ParlorMessageList);
