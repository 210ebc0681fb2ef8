/**
 * Finds the messages that have arrived, and passes them to `notices.js`. Those of a time without a connection are passed
 * together, once all of them are there.
 *
 * @import {Client} from '../../sdk/client.js'
 * @import {Arrival} from '../view/notices.js'
 * @import {Notices} from './notices.js'
 */
import { whenIdle } from '../ui/idle.js';
import { whenLoaded } from '../ui/lazy-load.js';
import { Looking } from '../ui/looking.js';
import { NewMessages, isCatchingUp } from '../view/arrivals.js';

export class Arrivals {
  #messages = new NewMessages();
  /** What has arrived and is not passed on yet, by conversation. @type {Map<number, Arrival>} */
  #gathered = new Map();
  #isGathering = false;
  #isIdle = false;
  #isWanted = false;
  /** It was said that the notices cannot be loaded. */
  #isSaid = false;
  /** @type {Notices|null} */
  #notices = null;

  /** @param {{host: HTMLElement, client: Client, open: () => number|null, signal: AbortSignal}} parts `open` is the
   * conversation on the screen */
  constructor(parts) {
    this.parts = parts;
    const { client, signal } = parts;
    this.looking = new Looking(client.user, client.storage);
    for (const name of ['focus', 'blur', 'pageshow']) window.addEventListener(name, () => this.look(), { signal });
    document.addEventListener('visibilitychange', () => this.look(), { signal });
    window.addEventListener('pagehide', () => this.looking.set(-1), { signal });
    window.addEventListener('online', () => this.#prefetch(), { signal });
    signal.addEventListener('abort', () => this.looking.set(-1));
    // A hidden page is drawn late, and would not see a reset.
    const stop = client.subscribe(() => client.state.list.loaded || this.#find());
    signal.addEventListener('abort', stop);
  }

  /** The user has left, or is back. @param {boolean} isIdle */
  setIdle(isIdle) {
    this.#isIdle = isIdle;
    this.look();
  }

  /** Updates where the user looks. */
  look() {
    const isHere = !this.#isIdle && document.visibilityState === 'visible' && document.hasFocus();
    this.looking.set(isHere ? (this.parts.open() ?? 0) : -1);
  }

  /** Called after every change. */
  check() {
    this.look();
    const { client } = this.parts;
    this.#find();
    this.#notices?.withdraw();
    if (!this.#isWanted && client.state.list.loaded) {
      this.#isWanted = true;
      whenIdle(() => this.#prefetch());
    }
    if (this.#isGathering) return;
    if (isCatchingUp(client.state, client.lostAt === null)) void this.#gather();
    else this.#pass(false);
  }

  #find() {
    const { state, user, readMarkers } = this.parts.client;
    const found = this.#messages.find({ state, user, readUpTo: (id) => readMarkers.readUpTo(id) });
    for (const one of found) {
      const { mention = 0 } = this.#gathered.get(one.conversation) ?? {};
      this.#gathered.set(one.conversation, { ...one, mention: Math.max(one.mention, mention) });
    }
  }

  async #gather() {
    const { client, signal } = this.parts;
    this.#isGathering = true;
    do {
      await client.sync.settled();
      // A connection takes its time; the next change comes with it.
      if (client.lostAt !== null || !client.state.list.loaded) await nextChange(client, signal);
    } while (!signal.aborted && (client.lostAt !== null || !client.state.list.loaded));
    this.#isGathering = false;
    if (signal.aborted) return;
    this.#find();
    this.#pass(true);
  }

  /** @param {boolean} caughtUp */
  #pass(caughtUp) {
    const arrived = [...this.#gathered.values()];
    this.#gathered.clear();
    if (arrived.length === 0) return;
    const pass = (/** @type {Notices} */ notices) => void notices.arrived(arrived, caughtUp);
    if (this.#notices) pass(this.#notices);
    else if (this.#isSaid) this.#load().then(pass).catch(() => {});
    else void whenLoaded(this.parts.host, this.#load().catch((error) => { this.#isSaid = true; throw error; }), pass);
  }

  /** @returns {Promise<Notices>} */
  async #load() {
    const part = await import('./notices.js');
    return (this.#notices ??= new part.Notices(this.parts, this.looking));
  }

  #prefetch() {
    // The next message tries again, and says so.
    if (this.#isWanted) this.#load().catch(() => {});
  }
}

/** Waits for a change, or for the end. @param {Client} client @param {AbortSignal} signal @returns {Promise<void>} */
function nextChange(client, signal) {
  return new Promise((resolve) => {
    const stop = client.subscribe(done);
    signal.addEventListener('abort', done, { once: true });
    function done() {
      stop();
      signal.removeEventListener('abort', done);
      resolve();
    }
  });
}
