/**
 * One WebSocket, from its opening to its end: commands with their replies, events, and the heartbeat.
 *
 * Invariants: every command is settled, by its reply or with `Lost` when the socket ends first; `closed` is told once.
 * The heartbeat is a frame `{}` both ways, because a page cannot see pings. Who hears nothing for its interval and 10 s
 * more, or no reply to a command for 10 s, gives the socket up.
 * Absent on purpose: coming back. That is the connection's.
 *
 * @import {Clock} from './clock.js'
 * @import {Command, Event, PassingEvent} from './wire.js'
 */
import { Lost, Problem } from './problem.js';

/** @typedef {Pick<WebSocket, 'send'|'close'|'onopen'|'onmessage'|'onclose'|'onerror'>} WebSocketLike */

/** Longer than the heartbeat's interval by so much, nothing was heard: the socket is given up. */
const SLACK_MS = 10_000;
export const REPLY_MS = 10_000;
const OPEN_MS = 10_000;

export class Socket {
  /** @type {Map<number, {resolve: (answer: any) => void, reject: (error: Error) => void, timer: unknown}>} */
  #waiting = new Map();
  #next = 1;
  #ended = false;
  /** @type {unknown} */
  #timer;
  #heardAt;

  /** How often the server sends a heartbeat, in milliseconds. */
  pingMs = 25_000;

  /** @param {{
   *   socket: WebSocketLike, clock: Clock, opened: () => void, event: (event: Event|PassingEvent) => void,
   *   closed: (code: number, reason: string) => void,
   * }} parts */
  constructor({ socket, clock, opened, event, closed }) {
    this.socket = socket;
    this.clock = clock;
    this.event = event;
    this.closed = closed;
    this.#heardAt = clock.now();
    this.#timer = clock.after(OPEN_MS, () => this.giveUp('not opened in time'));
    socket.onopen = () => {
      this.#listen();
      opened();
    };
    socket.onmessage = (message) => this.#hear(String(message.data));
    socket.onclose = (close) => this.#end(close.code, close.reason);
    socket.onerror = () => {};
  }

  /** @param {Command} command @returns {Promise<any>} */
  request(command) {
    if (this.#ended) return Promise.reject(new Lost('the socket has ended'));
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      const timer = this.clock.after(REPLY_MS, () => this.giveUp('no reply in time'));
      this.#waiting.set(id, { resolve, reject, timer });
      this.#send(JSON.stringify({ id, ...command }));
    });
  }

  /** How long nothing was heard, in milliseconds. @returns {number} */
  silentFor() {
    return this.clock.now() - this.#heardAt;
  }

  /** After how long nothing will have been heard for too long. @returns {number} */
  patience() {
    return this.#heardAt + this.pingMs + SLACK_MS - this.clock.now();
  }

  /** @param {string} why */
  giveUp(why) {
    this.socket.close(1000);
    this.#end(1006, why);
  }

  /** @param {string} frame */
  #send(frame) {
    try {
      this.socket.send(frame);
    } catch {
      this.giveUp('could not be written to');
    }
  }

  #listen() {
    this.#heardAt = this.clock.now();
    this.clock.stop(this.#timer);
    const check = () => {
      const left = this.patience();
      if (left <= 0) this.giveUp('silent');
      else this.#timer = this.clock.after(left, check);
    };
    this.#timer = this.clock.after(this.patience(), check);
  }

  /** @param {string} text */
  #hear(text) {
    if (this.#ended) return;
    this.#heardAt = this.clock.now();
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
    const waiting = this.#waiting.get(frame.re);
    if (!waiting) return;
    this.#waiting.delete(frame.re);
    this.clock.stop(waiting.timer);
    if (frame.error) waiting.reject(new Problem(frame.error));
    else waiting.resolve(frame);
  }

  /** @param {number} code @param {string} reason */
  #end(code, reason) {
    if (this.#ended) return;
    this.#ended = true;
    this.clock.stop(this.#timer);
    for (const { reject, timer } of this.#waiting.values()) {
      this.clock.stop(timer);
      reject(new Lost(`the socket ended: ${reason || code}`));
    }
    this.#waiting.clear();
    this.closed(code, reason);
  }
}
