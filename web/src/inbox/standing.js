/**
 * Where one stands in a thread: what of it is held, the message that one goes to, and how far one has received and
 * read.
 *
 * Invariant: read is what is on the screen of a page that is seen and has the focus; received is what has come.
 * Hears: `parlor-older`, `parlor-newer`, `parlor-latest`, `parlor-trim {first, last}`, `parlor-jump {seq, quiet}` and
 * `parlor-end {seq}` of a thread.
 *
 * @import {Client} from '../sdk/client.js'
 * @import {MessagePlace} from '../sdk/wire.js'
 * @import {ParlorThread} from './thread.js'
 */
import { memberOf } from './changes.js';

/** @typedef {MessagePlace & {quiet?: boolean}} Goal `quiet`: it need not stand out */

export class Standing {
  /** The message that is looked for. @type {Goal|null} */
  goal = null;

  /** @param {{
   *   host: HTMLElement, client: Client, thread: ParlorThread, open: () => number|null,
   *   show: (conversation: number) => void, changed: () => void, signal: AbortSignal,
   * }} parts `open` is the conversation on the screen; `show` brings another there */
  constructor({ host, client, thread, open, show, changed, signal }) {
    this.client = client;
    this.thread = thread;
    this.open = open;
    this.show = show;
    this.changed = changed;
    /** @type {Record<string, (id: number, detail: any) => void>} */
    const told = {
      'parlor-older': (id) => void client.sync.older(id),
      'parlor-newer': (id) => void client.sync.newer(id),
      'parlor-latest': (id) => void client.toLatest(id),
      'parlor-trim': (id, { first, last }) => client.sync.trim(id, first, last),
      'parlor-jump': (id, { seq, quiet }) => this.goTo({ conversation: id, seq, quiet }),
      'parlor-end': (id, { seq }) => this.#read(id, seq),
    };
    for (const [name, act] of Object.entries(told)) {
      host.addEventListener(name, (event) => {
        const id = open();
        if (id !== null) act(id, /** @type {CustomEvent} */ (event).detail);
      }, { signal });
    }
  }

  /** Shows a message in its place. @param {Goal} goal */
  goTo(goal) {
    this.goal = goal;
    this.show(goal.conversation);
    if (this.open() !== goal.conversation) return;
    void this.client.jump(goal.conversation, goal.seq).then((isThere) => {
      if (isThere) this.reach();
      else if (this.goal === goal) this.goal = null;
    });
  }

  /** The place to show of a conversation that is opened; null for its end. @param {number} conversation
   * @returns {number|null} */
  placeIn(conversation) {
    return this.goal?.conversation === conversation ? this.goal.seq : null;
  }

  /** A thread is there, and with it, perhaps, the message that is looked for. */
  reach() {
    const { goal } = this;
    if (!goal || goal.conversation !== this.open()) return;
    this.goal = null;
    this.changed();
    this.thread.jumpTo(goal.seq, goal.quiet);
  }

  /** Lets the others know what has come here, in whatever conversation. */
  receive() {
    const { state, user, marks } = this.client;
    for (const { id, last_seq: last, members } of state.conversations.values()) {
      const mine = members.find((one) => one.user.id === user);
      if (mine && mine.delivered_seq < last) marks.mark(id, last, false);
    }
  }

  /** This and what is before it is on the screen; it is read if somebody is there. @param {number} id
   * @param {number} seq */
  #read(id, seq) {
    if (document.visibilityState !== 'visible' || !document.hasFocus()) return;
    const { state, user, marks } = this.client;
    const conversation = state.conversations.get(id);
    if (!conversation || seq < 1) return;
    if ((memberOf(conversation, user)?.read_seq ?? 0) >= seq) return;
    const before = marks.readUpTo(id);
    marks.mark(id, seq, true);
    if (before < seq) queueMicrotask(this.changed);
  }
}
