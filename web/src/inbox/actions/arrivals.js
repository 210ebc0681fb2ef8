/**
 * Finds the messages that have arrived, and passes them to `notices.js`, which is loaded for the first of them.
 *
 * @import {Client} from '../../sdk/client.js'
 * @import {Arrival} from '../view/notices.js'
 * @import {Notices} from './notices.js'
 */
import { versionIn } from '../../sdk/state/stale-scopes.js';
import { Looking } from '../ui/looking.js';

export class Arrivals {
  /** The id of the newest message of each conversation. @type {Map<number, number>} */
  #newest = new Map();
  /** What was there when the list was loaded has not arrived. */
  #before = { epoch: '', version: 0 };
  /** @type {Promise<Notices>|null} */
  #loading = null;
  /** @type {Notices|null} */
  #notices = null;

  /** @param {{host: HTMLElement, client: Client, open: () => number|null, signal: AbortSignal}} parts `open` is the
   * conversation on the screen */
  constructor(parts) {
    this.parts = parts;
    const { client, signal } = parts;
    this.looking = new Looking(client.user);
    for (const name of ['focus', 'blur']) window.addEventListener(name, () => this.look(), { signal });
    document.addEventListener('visibilitychange', () => this.look(), { signal });
    signal.addEventListener('abort', () => this.looking.set(-1));
  }

  /** Updates where the user looks. */
  look() {
    const isHere = document.visibilityState === 'visible' && document.hasFocus();
    this.looking.set(isHere ? (this.parts.open() ?? 0) : -1);
  }

  /** Called after every change. */
  check() {
    this.look();
    const { state, user } = this.parts.client;
    if (!state.list.loaded || state.cursor === null) return;
    const [epoch] = state.cursor.split('.');
    if (epoch !== this.#before.epoch) {
      this.#before = { epoch, version: versionIn(state.cursor) };
      this.#newest.clear();
    }
    /** @type {Arrival[]} */
    const arrived = [];
    for (const { id, last_message: last } of state.conversations.values()) {
      if (!last || last.id <= (this.#newest.get(id) ?? this.#before.version)) continue;
      this.#newest.set(id, last.id);
      if (last.sender !== user && !last.system && !last.deleted) arrived.push({ conversation: id, seq: last.seq });
    }
    this.#notices?.withdraw();
    if (arrived.length === 0) return;
    this.#loading ??= import('./notices.js').then((part) => (this.#notices = new part.Notices(this.parts, this.looking)));
    // Without it there is no notice; the list shows the message.
    this.#loading.then((notices) => notices.arrived(arrived)).catch(() => { this.#loading = this.#notices && this.#loading; });
  }
}
