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
import { isMuted, settingsOf } from '../../sdk/state/settings.js';
import { memberOf } from '../../sdk/state/conversations.js';
import { allowChime, chime, mayChime } from '../ui/chime.js';
import { closeAll } from '../ui/dialog.js';
import { emit } from '../ui/events.js';
import { claim, isSummedUp } from '../view/arrivals.js';
import { avatarUsers, nameOf, unreadOf } from '../view/conversations.js';
import { dialogSay } from '../view/dialog-strings.js';
import { shortName } from '../view/format.js';
import { NOTICE_LOG, NOTICE_SETTINGS, decide, maySound, noticeSettings } from '../view/notices.js';
import { nameFor, previewMessage } from '../view/preview.js';
import { say } from '../view/strings.js';

/** Shared by the pages of the user: the last message of each conversation that a tab has decided about. */
const CLAIMS = 'notice-claims';
/** When a sound is still to be played by a tab that may. */
const SOUND_DUE = 'notice-sound-due';
/** When the last sound was played. */
const SOUND_AT = 'notice-sound-at';

const LOG_MAX = 30;
const CLAIMS_MAX = 200;
const SOUND_DUE_MS = 5_000;
/** Messages that follow each other this closely share a sound. */
const SOUND_GAP_MS = 2_000;

export class Notices {
  /** The notification of each conversation. @type {Map<number, Notification>} */
  #shown = new Map();
  /** What arrives while earlier messages are handled: the newest of each conversation. @type {Map<number, Arrival>} */
  #waiting = new Map();
  #isHandling = false;
  #isCaughtUp = false;
  /** The notification about several conversations at once, and which. @type {Notification|null} */
  #summary = null;
  /** @type {Set<number>} */
  #summedUp = new Set();

  /** @param {{host: HTMLElement, client: Client, signal: AbortSignal}} parts @param {Looking} looking */
  constructor({ host, client, signal }, looking) {
    this.host = host;
    this.client = client;
    this.looking = looking;
    allowChime(signal);
    signal.addEventListener('abort', () => this.#closeAll());
    // Otherwise they would outlive the page, and a click on them would do nothing.
    window.addEventListener('pagehide', () => this.#closeAll(), { signal });
    window.addEventListener('storage', ({ key, newValue }) => {
      if (key === client.storage.prefix + SOUND_DUE && newValue !== null) void this.#playDue();
    }, { signal });
  }

  /** Decides about messages that have arrived, unless another tab has. @param {Arrival[]} arrivals
   * @param {boolean} caughtUp they come from a time without a connection */
  async arrived(arrivals, caughtUp) {
    for (const one of arrivals) {
      const mention = Math.max(one.mention, this.#waiting.get(one.conversation)?.mention ?? 0);
      this.#waiting.set(one.conversation, { ...one, mention });
    }
    this.#isCaughtUp ||= caughtUp;
    if (this.#isHandling) return;
    this.#isHandling = true;
    try {
      while (this.#waiting.size > 0) {
        const [all, isCaughtUp] = [[...this.#waiting.values()], this.#isCaughtUp];
        this.#waiting.clear();
        this.#isCaughtUp = false;
        await this.#handle(all, isCaughtUp);
      }
    } finally {
      this.#isHandling = false;
    }
  }

  /** @param {Arrival[]} arrivals @param {boolean} caughtUp */
  async #handle(arrivals, caughtUp) {
    const fresh = await this.#claim(arrivals);
    if (fresh.length === 0) return;
    const looking = await this.looking.find();
    const decided = fresh.map((one) => ({ ...one, ...this.#decide(one, looking) }));
    const toShow = decided.filter((one) => one.show).map((one) => one.conversation);
    const isSummed = isSummedUp(toShow.length, caughtUp) && this.#showSummary(toShow);
    /** @type {LoggedNotice[]} */
    const log = decided.map(({ conversation, rule, show, sound }) => {
      const isShown = show && (isSummed || this.#show(conversation));
      return { at: Date.now(), conversation, rule: show && !isShown ? 'blocked' : rule, show: isShown, sound };
    });
    await this.#sound(log);
  }

  /** Plays the sound that these decisions want, or leaves it to a tab that may, and keeps what was done.
   * @param {LoggedNotice[]} log */
  async #sound(log) {
    const { storage, shared } = this.client;
    const isWanted = log.some((one) => one.sound);
    const isPlayed = isWanted && await this.#playSound();
    const heard = log.map((one) => ({ ...one, sound: one.sound && isPlayed })).reverse();
    await shared.update(NOTICE_LOG, (earlier) => [...heard, ...(earlier ?? [])].slice(0, LOG_MAX));
    if (isWanted && !isPlayed) storage.set(SOUND_DUE, Date.now());
    else storage.remove(SOUND_DUE);
  }

  /** Plays the sound that another tab was not allowed to play, unless something newer was decided since. */
  async #playDue() {
    if (!mayChime()) return;
    const { storage, shared } = this.client;
    const due = storage.get(SOUND_DUE) ?? 0;
    storage.remove(SOUND_DUE);
    const [newest] = await shared.get(NOTICE_LOG) ?? [];
    const isDue = Date.now() - due < SOUND_DUE_MS && due >= (newest?.at ?? 0)
      && maySound(noticeSettings(storage.get(NOTICE_SETTINGS)), minutesNow());
    if (!isDue || !(await this.#playSound())) return;
    await shared.update(NOTICE_LOG, (/** @type {LoggedNotice[]|null} */ log) => {
      const [last, ...earlier] = log ?? [];
      return last && [{ ...last, sound: true }, ...earlier];
    });
  }

  /** @returns {Promise<boolean>} whether it was played, now or a moment ago, by any tab */
  async #playSound() {
    const { shared } = this.client;
    const now = Date.now();
    let before = 0;
    await shared.update(SOUND_AT, (at) => {
      before = at ?? 0;
      return isClose(now, before) ? undefined : now;
    });
    if (isClose(now, before)) return true;
    const isPlayed = await chime();
    if (!isPlayed) await shared.update(SOUND_AT, (at) => (at === now ? before : undefined));
    return isPlayed;
  }

  /** Returns the messages that no tab has decided about yet. @param {Arrival[]} arrivals @returns {Promise<Arrival[]>} */
  async #claim(arrivals) {
    /** @type {Arrival[]} */
    let mine = [];
    await this.client.shared.update(CLAIMS, (stored) => {
      const { fresh, claims } = claim(stored ?? [], arrivals, CLAIMS_MAX);
      mine = fresh;
      return fresh.length > 0 ? claims : undefined;
    });
    return mine;
  }

  /** @param {Arrival} arrival @param {number|null} looking */
  #decide(arrival, looking) {
    const { client } = this;
    return decide(arrival, {
      readSeq: this.#readSeq(arrival.conversation),
      isMuted: isMuted(settingsOf(client.state, arrival.conversation), new Date(client.serverNow()).toISOString()),
      looking,
      settings: noticeSettings(client.storage.get(NOTICE_SETTINGS)),
      permission: globalThis.Notification?.permission ?? 'denied',
      minutes: minutesNow(),
    });
  }

  /** @param {number} id @returns {number} */
  #readSeq(id) {
    const { state, user, readMarkers } = this.client;
    const conversation = state.conversations.get(id);
    return Math.max(readMarkers.readUpTo(id), conversation ? (memberOf(conversation, user)?.read_seq ?? 0) : Infinity);
  }

  /** Shows a notification in place of the previous one of its conversation. @param {number} id @returns {boolean} whether
   * the browser did */
  #show(id) {
    const { client } = this;
    const conversation = client.state.conversations.get(id);
    if (!conversation?.last_message) return false;
    const note = notify(nameOf(client.state, conversation), {
      body: this.#bodyOf(conversation),
      tag: `parlor-${client.user}-${id}`,
      icon: conversation.picture ?? avatarUsers(client.state, conversation)[0]?.picture ?? undefined,
    }, () => emit(this.host, 'parlor-open', { id }));
    if (!note) return false;
    note.onclose = () => this.#shown.get(id) === note && this.#shown.delete(id);
    this.#shown.set(id, note);
    return true;
  }

  /** Shows one notification about several conversations, in place of theirs. @param {number[]} ids @returns {boolean}
   * whether the browser did */
  #showSummary(ids) {
    const { client } = this;
    for (const id of ids) {
      this.#shown.get(id)?.close();
      this.#shown.delete(id);
      this.#summedUp.add(id);
    }
    const counts = [...this.#summedUp].map((id) => this.#unread(id));
    const messages = counts.reduce((sum, count) => sum + count, 0);
    const title = dialogSay.newInConversations(messages, counts.length);
    const note = notify(title, { tag: `parlor-${client.user}` }, () => {});
    this.#summary = note;
    if (!note) return false;
    note.onclose = () => {
      if (this.#summary !== note) return;
      this.#summary = null;
      this.#summedUp.clear();
    };
    return true;
  }

  /** @param {number} id @returns {number} */
  #unread(id) {
    const { state, readMarkers } = this.client;
    const conversation = state.conversations.get(id);
    return conversation ? unreadOf(conversation, readMarkers.readUpTo(id)) : 0;
  }

  /** @param {Conversation} conversation @returns {string} */
  #bodyOf(conversation) {
    const { state } = this.client;
    const { last_message: last } = conversation;
    if (!last) return '';
    const { text } = previewMessage(state, last);
    const line = conversation.kind === 'group' ? say.arrived(shortName(nameFor(state, last.sender)), text) : text;
    const count = this.#unread(conversation.id);
    return count > 1 ? `${say.newMessages(count)}\n${line}` : line;
  }

  /** Withdraws the notifications of conversations that have been read, here or elsewhere. */
  withdraw() {
    for (const [id, note] of this.#shown) {
      if (this.#unread(id) > 0) continue;
      this.#shown.delete(id);
      note.close();
    }
    for (const id of this.#summedUp) if (this.#unread(id) === 0) this.#summedUp.delete(id);
    if (this.#summedUp.size > 0) return;
    this.#summary?.close();
    this.#summary = null;
  }

  #closeAll() {
    for (const note of this.#shown.values()) note.close();
    this.#shown.clear();
    this.#summedUp.clear();
    this.#summary?.close();
    this.#summary = null;
  }
}

/** @param {string} title @param {NotificationOptions} options @param {() => void} act what a click does
 * @returns {Notification|null} null if the browser shows none */
function notify(title, options, act) {
  try {
    // One that takes the place of another is as new as the first.
    const again = /** @type {NotificationOptions} */ ({ renotify: true });
    const note = new Notification(title, { ...options, ...again, lang: say.locale, silent: true });
    note.onclick = () => {
      window.focus();
      note.close();
      closeAll();
      act();
    };
    return note;
  } catch {
    // Browsers of phones show none for an open page.
    return null;
  }
}

/** Returns whether a sound is that of the other one. @param {number} now @param {number} before @returns {boolean} */
function isClose(now, before) {
  return Math.abs(now - before) < SOUND_GAP_MS;
}

/** @returns {number} */
function minutesNow() {
  const now = new Date();
  return now.getHours() * 60 + now.getMinutes();
}
