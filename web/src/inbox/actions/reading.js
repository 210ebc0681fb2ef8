/**
 * Reading a thread: loading its parts, jumping to messages, and marking messages as delivered and read.
 *
 * Invariants: a message is read when it is on the screen of a visible page with focus, and delivered when it has
 * arrived. A jump finds its message before anything on the screen changes; if the message cannot be shown, the user
 * stays in place and is told why.
 *
 * @import {Client} from '../../sdk/client.js'
 * @import {MessagePlace} from '../../sdk/wire.js'
 * @import {ParlorThread} from '../thread/thread.js'
 */
import { memberOf } from '../../sdk/state/conversations.js';
import { listen } from '../ui/events.js';
import { findMessage } from './find-message.js';
import { say } from '../view/strings.js';
import { toast } from '../ui/toast.js';
import { whenLoaded } from '../ui/lazy-load.js';

/** @typedef {import('./find-message.js').Outcome} Outcome */
/** @typedef {MessagePlace & {quiet?: boolean, keep?: boolean}} JumpTarget `quiet`: it need not stand out, and what is beside
 * it will do; `keep`: it is where one stands already, and has to be held again */

export class ReadingActions {
  /** The message to jump to. @type {JumpTarget|null} */
  target = null;
  /** The jump target whose message is still being looked up. @type {JumpTarget|null} */
  #searching = null;
  /** Nobody has used the page for a while. */
  isIdle = false;

  /** @param {{
   *   host: HTMLElement, client: Client, thread: ParlorThread, open: () => number|null,
   *   show: (conversation: number) => void, changed: () => void, signal: AbortSignal,
   * }} parts `open` is the conversation on the screen; `show` brings another there */
  constructor({ host, client, thread, open, show, changed, signal }) {
    this.host = host;
    this.client = client;
    this.thread = thread;
    this.open = open;
    this.show = show;
    this.changed = changed;
    const withOpen = (/** @type {(id: number) => void} */ act) => {
      const id = open();
      if (id !== null) act(id);
    };
    listen(host, {
      'parlor-older': () => withOpen((id) => void client.sync.threads.loadOlder(id)),
      'parlor-newer': () => withOpen((id) => void client.sync.threads.loadNewer(id)),
      'parlor-latest': () => withOpen((id) => {
        this.target = null;
        void client.showLatest(id);
      }),
      'parlor-trim': ({ first, last }) => withOpen((id) => client.sync.threads.trim(id, first, last)),
      'parlor-jump': (place) => withOpen((id) => void this.goTo({ conversation: id, ...place })),
      'parlor-go-to-day': () => withOpen((id) => this.#goToDay(id)),
      'parlor-seen': ({ seq }) => withOpen((id) => this.#markRead(id, seq)),
    }, signal);
  }

  /** Lets the user choose a day. @param {number} id */
  #goToDay(id) {
    void whenLoaded(this.host, import('./go-to-day.js'), ({ openGoToDay }) => openGoToDay({
      host: this.host, client: this.client, conversation: id, isOpen: () => this.open() === id,
      goTo: (seq, quiet) => void this.goTo({ conversation: id, seq, quiet }),
    }));
  }

  /** Jumps to a message. @param {JumpTarget} target */
  async goTo(target) {
    this.target = target;
    this.#searching = target;
    const outcome = target.quiet ? 'there' : await findMessage(this.client, target, () => this.target === target);
    if (this.target !== target) return;
    this.#searching = null;
    if (outcome !== 'there') {
      this.#showMissed(outcome);
      return;
    }
    this.show(target.conversation);
    // A conversation that is opened for it gets there by itself.
    if (this.open() !== target.conversation) return;
    const isThere = await this.client.jumpTo(target.conversation, target.seq);
    if (this.target !== target) return;
    if (isThere) this.arrive();
    else this.#showMissed('lost');
  }

  /** Returns the message at which to open a conversation; null for its end. Opening another conversation cancels the
   * jump. @param {number|null} conversation @returns {number|null} */
  startingPoint(conversation) {
    if (this.target?.conversation !== conversation) this.target = null;
    return this.target?.seq ?? null;
  }

  /** Returns whether an open conversation is about to show another place. @param {number} conversation */
  isJumping(conversation) {
    return this.target?.conversation === conversation && !this.target.keep;
  }

  /** Completes a jump if its message is in the thread now. */
  arrive() {
    const { target } = this;
    // An earlier opening says nothing about a message that is being looked up.
    if (!target || target === this.#searching || target.conversation !== this.open()) return;
    // What is drawn now is known to be another place.
    this.changed();
    const { conversation, seq, quiet, keep } = target;
    const isHeld = this.client.state.threads.get(conversation)?.messages.some((one) => one.seq === seq);
    if (!isHeld && !quiet) {
      this.#showMissed('lost');
      return;
    }
    this.target = null;
    // From now on the thread stays where the user scrolls.
    if (isHeld) void this.client.jumpTo(conversation, seq);
    if (keep) this.thread.restorePosition(seq);
    else this.thread.jumpTo(seq, quiet);
  }

  /** @param {Exclude<Outcome, 'there'>} outcome */
  #showMissed(outcome) {
    const { target } = this;
    this.target = null;
    if (target?.keep) this.thread.restorePosition(target.seq);
    else toast(this.host, { words: say.jumpMissed[outcome], sign: outcome === 'lost' ? 'alert' : 'bin' });
  }

  /** Marks what has arrived in any conversation as delivered. */
  markDelivered() {
    const { state, user, readMarkers: marks } = this.client;
    for (const { id, last_seq: last, members } of state.conversations.values()) {
      const mine = members.find((one) => one.user.id === user);
      if (mine && mine.delivered_seq < last) marks.advance(id, last, false);
    }
  }

  /** Marks messages up to one on the screen as read, if somebody is looking. @param {number} id @param {number} seq */
  #markRead(id, seq) {
    if (this.isIdle || document.visibilityState !== 'visible' || !document.hasFocus()) return;
    const { state, user, readMarkers: marks } = this.client;
    const conversation = state.conversations.get(id);
    if (!conversation || seq < 1) return;
    if ((memberOf(conversation, user)?.read_seq ?? 0) >= seq) return;
    const before = marks.readUpTo(id);
    marks.advance(id, seq, true);
    if (before < seq) queueMicrotask(this.changed);
  }
}
