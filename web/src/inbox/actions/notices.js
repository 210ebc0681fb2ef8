/**
 * Notices about messages that have arrived: a sound and a notification of the system.
 *
 * Invariants: of all tabs of a browser, one decides about a message. Sounds are played once, by a tab that may. There is
 * one notification for each conversation, and it is withdrawn when the conversation has been read.
 *
 * @import {Client} from '../../sdk/client.js'
 * @import {Conversation} from '../../sdk/wire.js'
 * @import {Arrival, LoggedNotice} from '../view/notices.js'
 * @import {Looking} from '../ui/looking.js'
 */
import { memberOf } from '../../sdk/state/conversations.js';
import { chime } from '../ui/chime.js';
import { emit } from '../ui/events.js';
import { avatarUsers, nameOf, unreadOf } from '../view/conversations.js';
import { shortName } from '../view/format.js';
import { NOTICE_LOG, NOTICE_SETTINGS, decide, noticeSettings } from '../view/notices.js';
import { nameFor, previewMessage } from '../view/preview.js';
import { say } from '../view/strings.js';

/** Stored for the user: the last message of each conversation that a tab has decided about. */
const CLAIMED = 'noticed';
/** When a sound is still to be played by a tab that may. */
const SOUND_DUE = 'notice-sound-due';
/** When the last sound was played. */
const SOUND_AT = 'notice-sound-at';

const LOG_MAX = 30;
const CLAIMED_MAX = 200;
const SOUND_DUE_MS = 5_000;
/** Messages that follow each other this closely share a sound. */
const SOUND_GAP_MS = 2_000;

export class Notices {
  /** The notification of each conversation. @type {Map<number, Notification>} */
  #shown = new Map();
  /** What arrives while earlier messages are handled: the newest of each conversation. @type {Map<number, Arrival>} */
  #waiting = new Map();
  #isHandling = false;

  /** @param {{host: HTMLElement, client: Client, signal: AbortSignal}} parts @param {Looking} looking */
  constructor({ host, client, signal }, looking) {
    this.host = host;
    this.client = client;
    this.looking = looking;
    signal.addEventListener('abort', () => this.#shown.forEach((one) => one.close()));
  }

  /** Decides about messages that have arrived, unless another tab has. @param {Arrival[]} arrivals */
  async arrived(arrivals) {
    for (const one of arrivals) this.#waiting.set(one.conversation, one);
    if (this.#isHandling) return;
    this.#isHandling = true;
    const name = `parlor:${this.client.user}:notices`;
    try {
      while (this.#waiting.size > 0) {
        const all = [...this.#waiting.values()];
        this.#waiting.clear();
        if (navigator.locks) await navigator.locks.request(name, () => this.#handle(all));
        else await this.#handle(all);
      }
    } finally {
      this.#isHandling = false;
    }
  }

  /** @param {Arrival[]} arrivals */
  async #handle(arrivals) {
    const { storage } = this.client;
    const fresh = this.#claim(arrivals);
    const looking = await this.looking.find();
    /** @type {LoggedNotice[]} */
    const log = [];
    for (const one of fresh) {
      const { rule, show, sound } = this.#decide(one, looking);
      const isShown = show && this.#show(one);
      log.push({ at: Date.now(), conversation: one.conversation, rule: show && !isShown ? 'blocked' : rule, show: isShown, sound });
    }
    await this.#sound(log);
  }

  /** Plays the sound that these decisions want, or that another tab was not allowed to play, and keeps what was done.
   * @param {LoggedNotice[]} log */
  async #sound(log) {
    const { storage } = this.client;
    const isWanted = log.some((one) => one.sound);
    const isDue = Date.now() - (storage.get(SOUND_DUE) ?? 0) < SOUND_DUE_MS;
    if (log.length === 0 && !isDue) return;
    const isPlayed = (isWanted || isDue) && await this.#playSound();
    if (isPlayed) storage.remove(SOUND_DUE);
    else if (isWanted) storage.set(SOUND_DUE, Date.now());
    /** @type {LoggedNotice[]} */
    const before = storage.get(NOTICE_LOG) ?? [];
    if (isPlayed && !isWanted && before.length > 0) before[0].sound = true;
    const heard = log.map((one) => ({ ...one, sound: one.sound && isPlayed })).reverse();
    storage.set(NOTICE_LOG, [...heard, ...before].slice(0, LOG_MAX));
  }

  /** @returns {Promise<boolean>} whether it was played, now or a moment ago */
  async #playSound() {
    const { storage } = this.client;
    const now = Date.now();
    if (Math.abs(now - (storage.get(SOUND_AT) ?? 0)) < SOUND_GAP_MS) return true;
    const isPlayed = await chime();
    if (isPlayed) storage.set(SOUND_AT, now);
    return isPlayed;
  }

  /** Returns the messages that no tab has decided about yet. @param {Arrival[]} arrivals @returns {Arrival[]} */
  #claim(arrivals) {
    const { storage } = this.client;
    const claimed = new Map(/** @type {[number, number][]} */ (storage.get(CLAIMED) ?? []));
    const fresh = arrivals.filter(({ conversation, seq }) => (claimed.get(conversation) ?? 0) < seq);
    for (const { conversation, seq } of fresh) {
      claimed.delete(conversation);
      claimed.set(conversation, seq);
    }
    if (fresh.length > 0) storage.set(CLAIMED, [...claimed].slice(-CLAIMED_MAX));
    return fresh;
  }

  /** @param {Arrival} arrival @param {number|null} looking */
  #decide(arrival, looking) {
    const { client } = this;
    const now = new Date();
    return decide(arrival, {
      readSeq: this.#readSeq(arrival.conversation),
      looking,
      settings: noticeSettings(client.storage.get(NOTICE_SETTINGS)),
      permission: globalThis.Notification?.permission ?? 'denied',
      minutes: now.getHours() * 60 + now.getMinutes(),
    });
  }

  /** @param {number} id @returns {number} */
  #readSeq(id) {
    const { state, user, readMarkers } = this.client;
    const conversation = state.conversations.get(id);
    return Math.max(readMarkers.readUpTo(id), conversation ? (memberOf(conversation, user)?.read_seq ?? 0) : Infinity);
  }

  /** Shows a notification in place of the previous one of its conversation. @param {Arrival} arrival
   * @returns {boolean} whether the browser did */
  #show({ conversation: id }) {
    const { client } = this;
    const conversation = client.state.conversations.get(id);
    if (!conversation?.last_message) return false;
    try {
      const note = new Notification(nameOf(client.state, conversation), {
        body: this.#bodyOf(conversation),
        tag: `parlor-${client.user}-${id}`,
        icon: conversation.picture ?? avatarUsers(client.state, conversation)[0]?.picture ?? undefined,
        lang: say.locale,
        silent: true,
      });
      note.onclick = () => {
        window.focus();
        note.close();
        emit(this.host, 'parlor-open', { id });
      };
      note.onclose = () => this.#shown.get(id) === note && this.#shown.delete(id);
      this.#shown.set(id, note);
      return true;
    } catch {
      // Browsers of phones show none for an open page.
      return false;
    }
  }

  /** @param {Conversation} conversation @returns {string} */
  #bodyOf(conversation) {
    const { state, readMarkers } = this.client;
    const { last_message: last } = conversation;
    if (!last) return '';
    const { text } = previewMessage(state, last);
    const line = conversation.kind === 'group' ? say.arrived(shortName(nameFor(state, last.sender)), text) : text;
    const count = unreadOf(conversation, readMarkers.readUpTo(conversation.id));
    return count > 1 ? `${say.newMessages(count)}\n${line}` : line;
  }

  /** Withdraws the notifications of conversations that have been read, here or elsewhere. */
  withdraw() {
    const { state, readMarkers } = this.client;
    for (const [id, note] of this.#shown) {
      const conversation = state.conversations.get(id);
      if (conversation && unreadOf(conversation, readMarkers.readUpTo(id)) > 0) continue;
      this.#shown.delete(id);
      note.close();
    }
  }
}
