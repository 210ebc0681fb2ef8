/**
 * The HTTP API: the same commands as on the socket, each as a request, and what only HTTP offers (signing in, pictures,
 * sessions). Every answer is the server's JSON, a `Problem`, or `NoAnswer` when none came in time.
 *
 * @import {UploadTransport} from './upload-request.js'
 * @import {Clock} from './clock.js'
 * @import {Command, Heads, Me, Site} from './wire.js'
 */
import { sendWithTimeout } from './upload-request.js';
import { NoAnswer, Problem } from './problem.js';

/** @typedef {(input: string, init: RequestInit) => Promise<Response>} Fetch */

/** How long an ordinary request may take. */
const TIMEOUT_MS = 10_000;

export class Http {
  /** How long the server holds a long poll, in seconds. */
  pollWaitS = 25;
  /** How far the server's clock is ahead of the device's, by the time of its last answer; accurate to a second or two. */
  serverAheadMs = 0;

  /** @param {{fetch: Fetch, clock: Clock, user?: number, uploadTransport?: UploadTransport}} parts `uploadTransport`
   * sends pictures */
  constructor({ fetch, clock, user, uploadTransport }) {
    this.uploadTransport = uploadTransport;
    this.fetch = fetch;
    this.clock = clock;
    this.user = user;
  }

  /** @param {Command} command @returns {Promise<any>} */
  sendCommand(command) {
    const { method, path, body } = requestOf(command);
    return this.request(method, path, body);
  }

  /** @param {string|null} cursor @param {boolean} wait @param {AbortSignal} [signal] @returns {Promise<Heads>} */
  events(cursor, wait, signal) {
    const path = `/v1/events${query({ cursor: cursor ?? undefined, wait: wait ? this.pollWaitS : 0 })}`;
    return this.request('GET', path, undefined, { timeoutMs: wait ? TIMEOUT_MS + this.pollWaitS * 1000 : TIMEOUT_MS, signal });
  }

  /** @returns {Promise<Site>} */
  site() {
    return this.request('GET', '/v1/site');
  }

  /** @returns {Promise<Me>} */
  me() {
    return this.request('GET', '/v1/me');
  }

  signOut() {
    return this.request('DELETE', '/v1/session');
  }

  /** A large picture takes its time. @param {string} path @param {Blob|null} picture null removes it
   * @returns {Promise<any>} */
  setPicture(path, picture) {
    const { uploadTransport, clock } = this;
    if (!picture) return this.request('DELETE', path);
    if (!uploadTransport) return this.request('PUT', path, picture);
    const request = { method: 'PUT', path, body: picture };
    return sendWithTimeout({ transport: uploadTransport, clock }, request, new AbortController().signal, () => {});
  }

  /** @param {string} method @param {string} path @param {unknown} [body]
   * @param {{timeoutMs?: number, signal?: AbortSignal}} [how] @returns {Promise<any>} */
  async request(method, path, body, { timeoutMs = TIMEOUT_MS, signal } = {}) {
    const stop = new AbortController();
    const timer = this.clock.after(timeoutMs, () => stop.abort());
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
      const at = Date.parse(response.headers.get('date') ?? '');
      if (!Number.isNaN(at)) this.serverAheadMs = at - this.clock.now();
      return await parseResponse(response);
    } catch (error) {
      if (error instanceof Problem) throw error;
      throw new NoAnswer(`${method} ${path}: ${error instanceof Error ? error.message : 'no answer'}`);
    } finally {
      this.clock.stop(timer);
      signal?.removeEventListener('abort', pass);
    }
  }
}

/** @param {Response} response @returns {Promise<any>} */
async function parseResponse(response) {
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
  // A proxy answered: the outcome of the request is unknown.
  throw new NoAnswer(`status ${response.status}`);
}

/** @typedef {{method: string, path: string, body?: unknown}} HttpRequest */

/** @param {Command} command @returns {HttpRequest} */
function requestOf(command) {
  switch (command.type) {
    case 'session.resume':
      return { method: 'GET', path: `/v1/events${query({ cursor: command.cursor, wait: 0 })}` };
    case 'conversation.list':
      return { method: 'GET', path: `/v1/conversations${query({ after: command.after, limit: command.limit })}` };
    case 'conversation.open':
      return { method: 'POST', path: '/v1/conversations', body: bodyOf(command) };
    case 'conversation.show':
    case 'presence.set':
      throw new Error(`${command.type} has no meaning without a socket`);
    case 'message.cancel':
      return { method: 'POST', path: `/v1/sends/${encodeURIComponent(command.client_id)}/cancel` };
    case 'message.search': {
      const { type: _, context, ...rest } = command;
      const about = context ? { context_type: context.type, context_id: context.id } : {};
      return { method: 'GET', path: `/v1/search${query({ ...rest, ...about })}` };
    }
    case 'me.get':
      return { method: 'GET', path: `/v1/me${query({ since: command.since })}` };
    case 'me.update':
      return { method: 'PATCH', path: '/v1/me', body: bodyOf(command) };
    case 'presence.watch':
      return { method: 'GET', path: `/v1/presence?users=${command.users.join(',')}` };
    case 'user.list':
      return { method: 'GET', path: `/v1/users${query({ query: command.query, after: command.after, limit: command.limit })}` };
    case 'user.block':
      return { method: 'PUT', path: `/v1/me/blocks/${command.user}` };
    case 'user.unblock':
      return { method: 'DELETE', path: `/v1/me/blocks/${command.user}` };
    case 'user.blocks':
      return { method: 'GET', path: `/v1/me/blocks${query({ after: command.after, limit: command.limit })}` };
    case 'message.report': {
      const { type: _, ...body } = command;
      return { method: 'POST', path: '/v1/reports', body };
    }
    case 'report.list':
      return { method: 'GET', path: `/v1/reports${query({ state: command.state, after: command.after, limit: command.limit })}` };
    case 'report.get':
      return { method: 'GET', path: `/v1/reports/${command.report}` };
    case 'report.settle': {
      const { type: _, report, ...body } = command;
      return { method: 'POST', path: `/v1/reports/${report}/settlement`, body };
    }
    case 'warning.read':
      return { method: 'POST', path: `/v1/warnings/${command.report}/read` };
    default:
      return conversationRequest(command, `/v1/conversations/${command.conversation}`);
  }
}

/** @param {Extract<Command, {conversation: number}>} command @param {string} base @returns {HttpRequest} */
function conversationRequest(command, base) {
  switch (command.type) {
    case 'conversation.get':
      return { method: 'GET', path: base };
    case 'conversation.changes':
      return { method: 'GET', path: `${base}/changes?since=${command.since}` };
    case 'conversation.mark': {
      const [kind, seq] = command.read === undefined ? ['delivered', command.delivered] : ['read', command.read];
      return { method: 'PUT', path: `${base}/${kind}`, body: { seq } };
    }
    case 'conversation.settings':
      return { method: 'PATCH', path: `${base}/settings`, body: command.settings };
    case 'draft.save':
      return { method: 'PUT', path: `${base}/draft`, body: command.draft };
    case 'conversation.clear':
      return { method: 'PUT', path: `${base}/cleared`, body: { seq: command.seq } };
    case 'conversation.update':
      return { method: 'PATCH', path: base, body: { title: command.title } };
    case 'conversation.typing':
      return { method: 'PUT', path: `${base}/typing`, body: { typing: command.typing } };
    case 'member.list':
      return { method: 'GET', path: `${base}/members${query({ after: command.after, limit: command.limit })}` };
    case 'member.add':
      return { method: 'POST', path: `${base}/members`, body: bodyOf(command) };
    case 'member.update':
      return { method: 'PATCH', path: `${base}/members/${command.user}`, body: { role: command.role } };
    case 'member.remove':
      return { method: 'DELETE', path: `${base}/members/${command.user}` };
    case 'message.forward':
      return { method: 'POST', path: `${base}/forwards`, body: bodyOf(command) };
    default:
      return messageRequest(command, `${base}/messages`);
  }
}

/** @param {Extract<Command, {type: `message.${string}`, conversation: number}>} command @param {string} base
 * @returns {HttpRequest} */
function messageRequest(command, base) {
  switch (command.type) {
    case 'message.send':
      return { method: 'POST', path: base, body: bodyOf(command) };
    case 'message.list': {
      const { before, after, around, limit } = command;
      return { method: 'GET', path: `${base}${query({ before, after, around, limit })}` };
    }
    case 'message.edit': {
      const { text, mentions, subject } = command;
      return { method: 'PATCH', path: `${base}/${command.seq}`, body: { text, mentions, subject } };
    }
    case 'message.delete':
      return { method: 'DELETE', path: `${base}/${command.seq}` };
    case 'message.hide':
      return { method: 'POST', path: `${base}/${command.seq}/hide` };
    case 'message.react':
      return {
        method: command.on ? 'PUT' : 'DELETE',
        path: `${base}/${command.seq}/reactions/${encodeURIComponent(command.emoji)}`,
      };
    case 'message.reactions':
      return {
        method: 'GET',
        path: `${base}/${command.seq}/reactions${query({ after: command.after, limit: command.limit })}`,
      };
    default:
      throw new Error('a command without a request');
  }
}

/** Returns the body of a command: what is not in its path. @param {Command} command @returns {object} */
function bodyOf(command) {
  const { type: _type, conversation: _conversation, ...body } = /** @type {any} */ (command);
  return body;
}

/** @param {Record<string, string|number|boolean|undefined>} values @returns {string} */
function query(values) {
  const pairs = Object.entries(values).filter(([, value]) => value !== undefined);
  if (pairs.length === 0) return '';
  return `?${new URLSearchParams(pairs.map(([name, value]) => [name, String(value)]))}`;
}
