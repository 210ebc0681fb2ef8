/**
 * The connection to the server, whatever the network allows: a socket; after repeated failures the long poll; if that
 * fails too, a poll every five seconds. The socket is retried all the while. Commands use whatever is open.
 *
 * Invariants: there is at most one socket and one poll at a time; heads are passed on in the order of their answers;
 * `ended` is called once, and nothing is tried after it.
 * Absent on purpose: the meaning of heads and events.
 *
 * @import {Clock} from './clock.js'
 * @import {Http} from './http.js'
 * @import {Command, Event, Heads, EphemeralEvent} from './wire.js'
 * @import {WebSocketLike} from './socket.js'
 */
import { backoffDelay } from './clock.js';
import { Poll } from './poll.js';
import { endsSession } from './problem.js';
import { Socket } from './socket.js';

/**
 * @typedef {'connecting'|'live'|'long_poll'|'poll'|'offline'} Mode
 * @typedef {{
 *   cursor: () => string|null,
 *   heads: (heads: Heads) => void,
 *   event: (event: Event|EphemeralEvent) => void,
 *   mode: (mode: Mode) => void,
 *   ended: () => void,
 *   settled: () => Promise<void>,
 * }} ConnectionHandlers
 */

/** With close codes from here on the socket is not tried again; these two mean that the session has ended. */
const SOCKET_FORBIDDEN_FROM = 4500;
const SESSION_ENDED = [4500, 4501];
const RESTARTING = 4000;
/** Polling starts after this many socket failures in a row, or this long without a socket. */
const FAILURES_BEFORE_POLL = 3;
const POLL_AFTER_MS = 4_000;
/** Shorter at the start, when nothing is shown yet. */
const POLL_AFTER_START_MS = 1_000;
/** When the network comes back, a socket that has been opening for longer than this is replaced. */
const STUCK_MS = 1_000;
const SOCKET_RETRY = { base: 500, most: 15_000 };

export class Connection {
  /** @type {Mode} */
  mode = 'connecting';
  /** @type {Socket|null} */
  #socket = null;
  #live = false;
  #ended = false;
  #pingMs = 25_000;
  #failures = 0;
  #socketForbidden = false;
  /** @type {unknown} */
  #retryTimer = null;
  /** @type {unknown} */
  #pollTimer = null;
  /** @type {Poll|null} */
  #poll = null;

  /** @param {{user: number, http: Http, open: () => WebSocketLike, clock: Clock, handlers: ConnectionHandlers}} parts */
  constructor({ user, http, open, clock, handlers }) {
    this.user = user;
    this.http = http;
    this.open = open;
    this.clock = clock;
    this.handlers = handlers;
  }

  start() {
    this.#pollAfter(POLL_AFTER_START_MS);
    this.#trySocket();
  }

  stop() {
    this.#ended = true;
    this.#stopTimers();
    this.#stopPoll();
    this.#socket?.close('stopped');
  }

  /** @param {Command} command @returns {Promise<any>} */
  async request(command) {
    try {
      if (this.#live && this.#socket) return await this.#socket.request(command);
      return await this.http.sendCommand(command);
    } catch (error) {
      if (endsSession(error)) this.#end();
      throw error;
    }
  }

  /** Whether commands use a socket, which also delivers the events that follow them. */
  get isLive() {
    return this.#live;
  }

  /** Asks for changes. Failures need no handling: the socket closes, or the poll goes on. */
  async refresh() {
    if (!this.#live || !this.#socket) return;
    try {
      this.handlers.heads(await this.#socket.request(this.#resumeCommand()));
    } catch (error) {
      if (endsSession(error)) this.#end();
    }
  }

  /** Applies the server's limits for heartbeats and polls.
   * @param {{ping_interval_ms: number, poll_wait_max_ms: number}} limits */
  setLimits({ ping_interval_ms: pingMs, poll_wait_max_ms: waitMs }) {
    this.#pingMs = pingMs;
    if (this.#socket) this.#socket.pingMs = pingMs;
    this.http.pollWaitS = Math.max(1, Math.min(25, Math.floor(waitMs / 1000)));
  }

  /** The network or the page came back: whatever waits is tried now. */
  wake() {
    if (this.#ended) return;
    if (this.#live && this.#socket) {
      if (this.#socket.remainingMs() < 0) this.#socket.close('silent while away');
      else void this.refresh();
      return;
    }
    this.#poll?.wake();
    // A socket that was opened without a network may wait long for an answer.
    if (this.#socket && this.#socket.silentFor() > STUCK_MS) this.#socket.close('stuck');
    if (!this.#socket) this.#trySocket();
  }

  /** The browser reports that there is no network, which may be wrong: whatever is open is closed, and retried as after
   * any other failure. */
  networkLost() {
    if (this.#ended) return;
    this.#socket?.close('no network');
    if (!this.#poll) return;
    this.#stopPoll();
    this.#startPoll();
  }

  /** @returns {Command} */
  #resumeCommand() {
    const cursor = this.handlers.cursor();
    return { type: 'session.resume', user: this.user, ...(cursor === null ? {} : { cursor }) };
  }

  #trySocket() {
    this.clock.stop(this.#retryTimer);
    if (this.#ended || this.#socket || this.#socketForbidden) return;
    /** @type {Socket} */
    const socket = new Socket({
      socket: this.open(),
      clock: this.clock,
      opened: () => void this.#resumeOn(socket),
      event: (event) => this.handlers.event(event),
      closed: (code, reason) => void this.#socketClosed(socket, code, reason),
    });
    socket.pingMs = this.#pingMs;
    this.#socket = socket;
  }

  /** @param {Socket} socket */
  async #resumeOn(socket) {
    try {
      const heads = await socket.request(this.#resumeCommand());
      if (this.#ended || this.#socket !== socket) return;
      this.#failures = 0;
      this.#live = true;
      this.#stopPoll();
      this.clock.stop(this.#pollTimer);
      this.handlers.heads(heads);
      this.#setMode('live');
    } catch (error) {
      if (endsSession(error)) this.#end();
      else socket.close('resume was refused');
    }
  }

  /** @param {Socket} socket @param {number} code @param {string} reason */
  async #socketClosed(socket, code, reason) {
    if (this.#socket !== socket) return;
    const wasLive = this.#live;
    this.#socket = null;
    this.#live = false;
    if (this.#ended) return;
    if (SESSION_ENDED.includes(code)) {
      this.#end();
      return;
    }
    if (code >= SOCKET_FORBIDDEN_FROM) this.#socketForbidden = true;
    if (wasLive) this.#pollAfter(POLL_AFTER_MS);
    else this.#failures += 1;
    this.#setMode(this.#poll ? this.mode : 'connecting');
    if (this.#failures >= FAILURES_BEFORE_POLL || this.#socketForbidden) this.#startPoll();
    const delay = code === RESTARTING ? retryAfter(reason) : null;
    const wait = delay ?? backoffDelay(wasLive ? 0 : this.#failures, this.clock.random(), SOCKET_RETRY);
    this.#retryTimer = this.clock.after(wait, () => this.#trySocket());
    if (!wasLive) await this.#checkSession();
  }

  /** To a page a refused handshake looks like a dead network; the HTTP API tells them apart. */
  async #checkSession() {
    try {
      await this.http.me();
    } catch (error) {
      if (endsSession(error)) this.#end();
    }
  }

  /** @param {number} milliseconds */
  #pollAfter(milliseconds) {
    this.clock.stop(this.#pollTimer);
    this.#pollTimer = this.clock.after(milliseconds, () => {
      if (!this.#live) this.#startPoll();
    });
  }

  /** Polls until a socket is live. */
  #startPoll() {
    if (this.#poll || this.#ended || this.#live) return;
    this.#poll = new Poll({
      http: this.http,
      clock: this.clock,
      cursor: () => this.handlers.cursor(),
      heads: (heads) => this.handlers.heads(heads),
      mode: (mode) => this.#setMode(mode),
      settled: () => this.handlers.settled(),
      ended: () => this.#end(),
    });
    void this.#poll.run();
  }

  #stopPoll() {
    this.#poll?.stop();
    this.#poll = null;
  }

  /** @param {Mode} mode */
  #setMode(mode) {
    if (this.mode === mode || this.#ended) return;
    this.mode = mode;
    this.handlers.mode(mode);
  }

  #stopTimers() {
    this.clock.stop(this.#retryTimer);
    this.clock.stop(this.#pollTimer);
  }

  #end() {
    if (this.#ended) return;
    this.stop();
    this.handlers.ended();
  }
}

/** Returns the delay that the server asks for. @param {string} reason @returns {number|null} */
function retryAfter(reason) {
  try {
    const value = JSON.parse(reason).retry_after_ms;
    return typeof value === 'number' && value >= 0 ? Math.min(value, 60_000) : null;
  } catch {
    return null;
  }
}
