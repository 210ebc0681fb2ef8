/**
 * One WebSocket, from opening to closing: commands with their replies, events, and the heartbeat.
 *
 * Invariants: every command is settled, by its reply or with `NoAnswer` if the socket closes first; `closed` is called
 * once.
 * The heartbeat is a frame `{}` in both directions, because a page cannot see pings. The socket is closed if nothing
 * arrives within the heartbeat interval plus 10 s, or no reply to a command within 10 s.
 * Absent on purpose: reconnecting, which is up to the connection.
 *
 * @import {Clock} from './clock.js'
 * @import {Command, Event, EphemeralEvent} from './wire.js'
 */
import { NoAnswer, Problem } from './problem.js';

/** @typedef {Pick<WebSocket, 'send'|'close'|'onopen'|'onmessage'|'onclose'|'onerror'>} WebSocketLike */

/** How long a heartbeat may be overdue. */
const HEARTBEAT_GRACE_MS = 10_000;
export const REPLY_TIMEOUT_MS = 10_000;
const OPEN_TIMEOUT_MS = 10_000;

export class Socket {
  /** @type {Map<number, {resolve: (answer: any) => void, reject: (error: Error) => void, timer: unknown}>} */
  #pending = new Map();
  #nextId = 1;
  #ended = false;
  /** @type {unknown} */
  #timer;
  #lastReceivedAt;

  /** How often the server sends a heartbeat, in milliseconds. */
  pingMs = 25_000;

  /** @param {{
   *   socket: WebSocketLike, clock: Clock, opened: () => void, event: (event: Event|EphemeralEvent) => void,
   *   closed: (code: number, reason: string) => void,
   * }} parts */
  constructor({ socket, clock, opened, event, closed }) {
    this.socket = socket;
    this.clock = clock;
    this.event = event;
    this.closed = closed;
    this.#lastReceivedAt = clock.now();
    this.#timer = clock.after(OPEN_TIMEOUT_MS, () => this.close('not opened in time'));
    socket.onopen = () => {
      this.#startHeartbeat();
      opened();
    };
    socket.onmessage = (message) => this.#receive(String(message.data));
    socket.onclose = (close) => this.#end(close.code, close.reason);
    socket.onerror = () => {};
  }

  /** @param {Command} command @returns {Promise<any>} */
  request(command) {
    if (this.#ended) return Promise.reject(new NoAnswer('the socket has ended'));
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const timer = this.clock.after(REPLY_TIMEOUT_MS, () => this.close('no reply in time'));
      this.#pending.set(id, { resolve, reject, timer });
      this.#send(JSON.stringify({ id, ...command }));
    });
  }

  /** Returns how long nothing has arrived, in milliseconds. @returns {number} */
  silentFor() {
    return this.clock.now() - this.#lastReceivedAt;
  }

  /** Returns how long the socket may still stay silent, in milliseconds. @returns {number} */
  remainingMs() {
    return this.#lastReceivedAt + this.pingMs + HEARTBEAT_GRACE_MS - this.clock.now();
  }

  /** @param {string} why */
  close(why) {
    this.socket.close(1000);
    this.#end(1006, why);
  }

  /** @param {string} frame */
  #send(frame) {
    try {
      this.socket.send(frame);
    } catch {
      this.close('could not be written to');
    }
  }

  #startHeartbeat() {
    this.#lastReceivedAt = this.clock.now();
    this.clock.stop(this.#timer);
    const check = () => {
      const left = this.remainingMs();
      if (left <= 0) this.close('silent');
      else this.#timer = this.clock.after(left, check);
    };
    this.#timer = this.clock.after(this.remainingMs(), check);
  }

  /** @param {string} text */
  #receive(text) {
    if (this.#ended) return;
    this.#lastReceivedAt = this.clock.now();
    if (text === '{}') {
      this.#send('{}');
      return;
    }
    const frame = JSON.parse(text);
    if ('re' in frame) this.#reply(frame);
    else if (typeof frame.type === 'string') this.event(frame);
  }

  /** @param {any} frame */
  #reply(frame) {
    const waiting = this.#pending.get(frame.re);
    if (!waiting) return;
    this.#pending.delete(frame.re);
    this.clock.stop(waiting.timer);
    if (frame.error) waiting.reject(new Problem(frame.error));
    else waiting.resolve(frame);
  }

  /** @param {number} code @param {string} reason */
  #end(code, reason) {
    if (this.#ended) return;
    this.#ended = true;
    this.clock.stop(this.#timer);
    for (const { reject, timer } of this.#pending.values()) {
      this.clock.stop(timer);
      reject(new NoAnswer(`the socket ended: ${reason || code}`));
    }
    this.#pending.clear();
    this.closed(code, reason);
  }
}
