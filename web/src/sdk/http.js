/**
 * The HTTP API: the same commands as the socket's, each as its request, and what only HTTP has (signing in, pictures,
 * sessions). Every answer is the server's JSON, a `Problem`, or `Lost` when none came in time.
 *
 * @import {Clock} from './clock.js'
 * @import {Command, Heads, Me, Sessions, Site} from './wire.js'
 */
import { Lost, Problem } from './problem.js';

/** @typedef {(input: string, init: RequestInit) => Promise<Response>} Fetch */

/** How long a request that does not wait on purpose may take. */
const PATIENCE_MS = 10_000;
/** How long the server holds a long poll, in seconds. */
export const WAIT_S = 25;

export class Http {
  /** @param {{fetch: Fetch, clock: Clock, user?: number}} parts */
  constructor({ fetch, clock, user }) {
    this.fetch = fetch;
    this.clock = clock;
    this.user = user;
  }

  /** @param {Command} command @returns {Promise<any>} */
  command(command) {
    const { method, path, body } = requestOf(command);
    return this.ask(method, path, body);
  }

  /** @param {string|null} cursor @param {boolean} wait @param {AbortSignal} [signal] @returns {Promise<Heads>} */
  events(cursor, wait, signal) {
    const path = `/v1/events${query({ cursor: cursor ?? undefined, wait: wait ? WAIT_S : 0 })}`;
    return this.ask('GET', path, undefined, { patience: wait ? PATIENCE_MS + WAIT_S * 1000 : PATIENCE_MS, signal });
  }

  /** @returns {Promise<Site>} */
  site() {
    return this.ask('GET', '/v1/site');
  }

  /** @returns {Promise<Me>} */
  me() {
    return this.ask('GET', '/v1/me');
  }

  /** @param {string} login @param {string} password @returns {Promise<Me>} */
  signIn(login, password) {
    return this.ask('POST', '/v1/session', { login, password });
  }

  signOut() {
    return this.ask('DELETE', '/v1/session');
  }

  /** @param {string} login @param {string} name @param {string} password @returns {Promise<Me>} */
  signUp(login, name, password) {
    return this.ask('POST', '/v1/users', { login, name, password });
  }

  /** @param {string} current @param {string} password */
  setPassword(current, password) {
    return this.ask('PUT', '/v1/me/password', { current, new: password });
  }

  /** @param {Blob|null} picture none takes it away */
  setPicture(picture) {
    return picture ? this.ask('PUT', '/v1/me/picture', picture) : this.ask('DELETE', '/v1/me/picture');
  }

  /** @returns {Promise<Sessions>} */
  sessions() {
    return this.ask('GET', '/v1/me/sessions');
  }

  /** @param {number} id */
  endSession(id) {
    return this.ask('DELETE', `/v1/me/sessions/${id}`);
  }

  /** @param {string} method @param {string} path @param {unknown} [body]
   * @param {{patience?: number, signal?: AbortSignal}} [how] @returns {Promise<any>} */
  async ask(method, path, body, { patience = PATIENCE_MS, signal } = {}) {
    const stop = new AbortController();
    const timer = this.clock.after(patience, () => stop.abort());
    const pass = () => stop.abort();
    signal?.addEventListener('abort', pass);
    /** @type {Record<string, string>} */
    const headers = { accept: 'application/json' };
    if (this.user !== undefined) headers['parlor-user'] = String(this.user);
    const raw = body instanceof Blob;
    if (body !== undefined) headers['content-type'] = raw ? body.type : 'application/json';
    try {
      const sent = body === undefined ? undefined : raw ? body : JSON.stringify(body);
      const response = await this.fetch(path, {
        method, headers, body: sent, signal: stop.signal, credentials: 'same-origin', cache: 'no-store',
      });
      return await read(response);
    } catch (error) {
      if (error instanceof Problem) throw error;
      throw new Lost(`${method} ${path}: ${error instanceof Error ? error.message : 'no answer'}`);
    } finally {
      this.clock.stop(timer);
      signal?.removeEventListener('abort', pass);
    }
  }
}

/** @param {Response} response @returns {Promise<any>} */
async function read(response) {
  const text = await response.text();
  /** @type {any} */
  let body = null;
  try {
    body = text === '' ? null : JSON.parse(text);
  } catch {
    body = undefined;
  }
  if (response.ok && body !== undefined) return body;
  if (body && typeof body.code === 'string') throw new Problem(body);
  // A proxy's page: nothing is known of what became of the request.
  throw new Lost(`status ${response.status}`);
}

/** @param {Command} command @returns {{method: string, path: string, body?: unknown}} */
function requestOf(command) {
  switch (command.type) {
    case 'session.resume':
      return { method: 'GET', path: `/v1/events${query({ cursor: command.cursor, wait: 0 })}` };
    case 'conversation.list':
      return { method: 'GET', path: `/v1/conversations${query({ before: command.before, limit: command.limit })}` };
    case 'conversation.get':
      return { method: 'GET', path: `/v1/conversations/${command.conversation}` };
    case 'conversation.changes':
      return { method: 'GET', path: `/v1/conversations/${command.conversation}/changes?since=${command.since}` };
    case 'conversation.open': {
      const { type: _, ...body } = command;
      return { method: 'POST', path: '/v1/conversations', body };
    }
    case 'conversation.show':
      throw new Error('conversation.show has no meaning without a socket');
    case 'conversation.mark': {
      const [kind, seq] = command.read === undefined ? ['delivered', command.delivered] : ['read', command.read];
      return { method: 'PUT', path: `/v1/conversations/${command.conversation}/${kind}`, body: { seq } };
    }
    case 'member.add':
      return {
        method: 'POST', path: `/v1/conversations/${command.conversation}/members`, body: { users: command.users },
      };
    case 'member.remove':
      return { method: 'DELETE', path: `/v1/conversations/${command.conversation}/members/${command.user}` };
    case 'message.send': {
      const body = { client_id: command.client_id, text: command.text };
      return { method: 'POST', path: `/v1/conversations/${command.conversation}/messages`, body };
    }
    case 'message.cancel':
      return { method: 'DELETE', path: `/v1/messages/${encodeURIComponent(command.client_id)}` };
    case 'message.list': {
      const { before, after, limit } = command;
      return {
        method: 'GET', path: `/v1/conversations/${command.conversation}/messages${query({ before, after, limit })}`,
      };
    }
    case 'me.get':
      return { method: 'GET', path: `/v1/me${query({ since: command.since })}` };
    case 'me.update':
      return { method: 'PATCH', path: '/v1/me', body: { name: command.name } };
    case 'user.list':
      return { method: 'GET', path: `/v1/users${query({ query: command.query, limit: command.limit })}` };
  }
}

/** @param {Record<string, string|number|undefined>} values @returns {string} */
function query(values) {
  const pairs = Object.entries(values).filter(([, value]) => value !== undefined);
  if (pairs.length === 0) return '';
  return `?${new URLSearchParams(pairs.map(([name, value]) => [name, String(value)]))}`;
}
