/**
 * Reads out new messages to screen readers.
 *
 * Invariant: history and the user's own messages are never read out.
 *
 * @import {MessageListView} from '../view/thread.js'
 */
import { h, setText } from '../ui/dom.js';
import { say } from '../view/strings.js';

const ANNOUNCE_MS = 1_000;
const SILENT_MS = 5_000;

export class Announcer {
  element = h('div', { class: 'visually-hidden', role: 'status' });
  /** @type {MessageListView|null} */
  #view = null;
  #lastSeq = 0;
  /** @type {ReturnType<typeof setTimeout>|null} */
  #announcing = null;
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #silencing;

  /** Another conversation is shown: what it has loaded now is history. @param {MessageListView} view */
  reset(view) {
    this.#lastSeq = view.lastSeq;
    this.write('');
  }

  stop() {
    clearTimeout(this.#silencing);
    if (this.#announcing) clearTimeout(this.#announcing);
    this.#announcing = null;
  }

  /** @param {string} words */
  write(words) {
    setText(this.element, words);
  }

  /** Reads something out once. The text is removed afterwards, since the message may be deleted.
   * @param {string} words */
  announce(words) {
    clearTimeout(this.#silencing);
    this.write(words);
    this.#silencing = setTimeout(() => this.write(''), SILENT_MS);
  }

  /** Reads out what others wrote, collected over a second. @param {MessageListView} view */
  update(view) {
    this.#view = view;
    if (view.lastSeq <= this.#lastSeq || this.#announcing) return;
    this.#announcing = setTimeout(() => {
      this.#announcing = null;
      const now = this.#view;
      if (!now) return;
      const fresh = now.others.filter((one) => one.seq > this.#lastSeq);
      const unloaded = fresh.length === 0 && now.moreAfter ? Math.min(now.unread, now.lastSeq - this.#lastSeq) : 0;
      this.#lastSeq = now.lastSeq;
      if (fresh.length === 1) this.announce(say.arrived(fresh[0].who, fresh[0].text));
      else if (fresh.length > 1 || unloaded > 0) this.announce(say.arrivedMany(Math.max(fresh.length, unloaded)));
    }, ANNOUNCE_MS);
  }
}
