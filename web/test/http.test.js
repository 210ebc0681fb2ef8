/**
 * HTTP requests for all commands.
 *
 * @import {Command} from '../src/sdk/wire.js'
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errorText, pictureError } from '../src/inbox/view/error-text.js';
import { Http } from '../src/sdk/http.js';
import { NoAnswer, Problem } from '../src/sdk/problem.js';
import { flushPromises, manualClock } from './support/clock.js';

/** @type {[Command, string, unknown?][]} */
const requests = [
  [{ type: 'session.resume', user: 1, cursor: '1.2' }, 'GET /v1/events?cursor=1.2&wait=0'],
  [{ type: 'conversation.list', after: '9', limit: 40 }, 'GET /v1/conversations?after=9&limit=40'],
  [{ type: 'conversation.get', conversation: 7 }, 'GET /v1/conversations/7'],
  [{ type: 'conversation.changes', conversation: 7, since: 3 }, 'GET /v1/conversations/7/changes?since=3'],
  [{ type: 'conversation.open', client_id: 'a', user: 2 }, 'POST /v1/conversations', { client_id: 'a', user: 2 }],
  [{ type: 'conversation.mark', conversation: 7, read: 3 }, 'PUT /v1/conversations/7/read', { seq: 3 }],
  [{ type: 'conversation.mark', conversation: 7, delivered: 3 }, 'PUT /v1/conversations/7/delivered', { seq: 3 }],
  [{ type: 'conversation.update', conversation: 7, title: 'A' }, 'PATCH /v1/conversations/7', { title: 'A' }],
  [{ type: 'conversation.typing', conversation: 7, typing: true }, 'PUT /v1/conversations/7/typing', { typing: true }],
  [{ type: 'member.list', conversation: 7, after: '3' }, 'GET /v1/conversations/7/members?after=3'],
  [{ type: 'member.add', conversation: 7, users: [2], history: 'from_start' }, 'POST /v1/conversations/7/members',
    { users: [2], history: 'from_start' }],
  [{ type: 'member.update', conversation: 7, user: 2, role: 'owner' }, 'PATCH /v1/conversations/7/members/2',
    { role: 'owner' }],
  [{ type: 'member.remove', conversation: 7, user: 2 }, 'DELETE /v1/conversations/7/members/2'],
  [{ type: 'message.send', conversation: 7, client_id: 'a', text: 'x', reply_to: 2, attachments: [5] },
    'POST /v1/conversations/7/messages', { client_id: 'a', text: 'x', reply_to: 2, attachments: [5] }],
  [{ type: 'message.forward', conversation: 7, client_id: 'a', from: { conversation: 8, seq: 2 } },
    'POST /v1/conversations/7/forwards', { client_id: 'a', from: { conversation: 8, seq: 2 } }],
  [{ type: 'message.edit', conversation: 7, seq: 2, text: 'y', subject: 's' }, 'PATCH /v1/conversations/7/messages/2',
    { text: 'y', subject: 's' }],
  [{ type: 'message.delete', conversation: 7, seq: 2 }, 'DELETE /v1/conversations/7/messages/2'],
  [{ type: 'message.hide', conversation: 7, seq: 2 }, 'POST /v1/conversations/7/messages/2/hide'],
  [{ type: 'message.react', conversation: 7, seq: 2, emoji: '👍', on: true },
    'PUT /v1/conversations/7/messages/2/reactions/%F0%9F%91%8D'],
  [{ type: 'message.react', conversation: 7, seq: 2, emoji: '#️⃣', on: false },
    'DELETE /v1/conversations/7/messages/2/reactions/%23%EF%B8%8F%E2%83%A3'],
  [{ type: 'message.reactions', conversation: 7, seq: 2 }, 'GET /v1/conversations/7/messages/2/reactions'],
  [{ type: 'message.list', conversation: 7, around: 5, limit: 1 }, 'GET /v1/conversations/7/messages?around=5&limit=1'],
  [{ type: 'message.cancel', client_id: 'a/b' }, 'POST /v1/sends/a%2Fb/cancel'],
  [{ type: 'me.get', since: 4 }, 'GET /v1/me?since=4'],
  [{ type: 'me.update', receipts: false }, 'PATCH /v1/me', { receipts: false }],
  [{ type: 'presence.watch', users: [1, 2] }, 'GET /v1/presence?users=1,2'],
  [{ type: 'user.list', query: 'be', limit: 30 }, 'GET /v1/users?query=be&limit=30'],
  [{ type: 'message.report', conversation: 7, seq: 2, reason: 'fraud', note: 'n' }, 'POST /v1/reports',
    { conversation: 7, seq: 2, reason: 'fraud', note: 'n' }],
  [{ type: 'report.list', state: 'settled', after: '9.4', limit: 30 }, 'GET /v1/reports?state=settled&after=9.4&limit=30'],
  [{ type: 'report.get', report: 5 }, 'GET /v1/reports/5'],
  [{ type: 'report.settle', report: 5, remove: true, warn: false }, 'POST /v1/reports/5/settlement', { remove: true, warn: false }],
  [{ type: 'warning.read', report: 5 }, 'POST /v1/warnings/5/read'],
];

test('every command has its request', async () => {
  /** @type {{path: string, init: RequestInit}[]} */
  const sent = [];
  const http = new Http({
    clock: manualClock(),
    fetch: async (path, init) => {
      sent.push({ path, init });
      return new Response('{}', { status: 200 });
    },
  });
  for (const [command, request, body] of requests) {
    await http.sendCommand(command);
    const { path, init } = /** @type {typeof sent[0]} */ (sent.pop());
    assert.equal(`${init.method} ${path}`, request);
    assert.deepEqual(init.body === undefined ? undefined : JSON.parse(String(init.body)), body, request);
  }
});

test('a picture upload has no timeout while it makes progress', async () => {
  const clock = manualClock();
  /** @type {import('../src/sdk/upload-request.js').UploadRequest[]} */
  const loads = [];
  const http = new Http({
    clock, user: 7, fetch: () => assert.fail('no bytes of a picture go this way'),
    uploadTransport: (load) => new Promise((resolve, reject) => {
      loads.push(load);
      load.signal.addEventListener('abort', () => reject(new NoAnswer('given up')));
      if (loads.length === 1) clock.after(80_000, () => resolve({ version: 3, prev: 2 }));
    }),
  });
  const picture = new Blob([new Uint8Array(4_000_000)]);
  const changed = http.setPicture('/v1/conversations/3/picture', picture);
  await flushPromises();
  for (let sent = 0; sent < 4_000_000; sent += 1_000_000) {
    loads[0].onProgress?.(sent);
    await clock.advance(20_000);
  }
  assert.deepEqual(await changed, { version: 3, prev: 2 });
  assert.deepEqual(loads.map(({ method, path, body }) => [method, path, body]),
    [['PUT', '/v1/conversations/3/picture', picture]]);
  const lost = assert.rejects(http.setPicture('/v1/me/picture', picture), NoAnswer);
  await clock.advance(31_000);
  await lost;
  assert.equal(loads[1].path, '/v1/me/picture');
});

test('only an error about the picture itself is shown as one', () => {
  const picture = new Blob([new Uint8Array(3_145_728)]);
  const pictureText = (/** @type {string} */ code, /** @type {number} */ status) =>
    pictureError(new Problem({ code, title: '', status, retryable: status >= 500 }), picture);
  assert.match(pictureText('too_large', 413), /^That picture is .*3 MB/u);
  assert.match(pictureText('unsupported_type', 415), /^That picture could not be used/u);
  assert.match(pictureText('unavailable', 503), /could not be changed.*cannot do this now/u);
  assert.match(pictureText('not_allowed', 403), /could not be changed.*may not do this/u);
  assert.match(pictureError(new NoAnswer('gone'), picture), /could not be changed.*did not answer/u);
});

test('a limit that lasts says when it ends', () => {
  const tooMany = (/** @type {number} */ retryAfterMs) =>
    errorText(new Problem({ code: 'too_many', title: '', status: 429, retryable: true, retry_after_ms: retryAfterMs }));
  assert.match(tooMany(5_000), /in a moment/u);
  assert.match(tooMany(2_350_000), /too often\. Try again in 40 minutes\.$/u);
  assert.match(tooMany(3_600_000), /in 1 hour\.$/u);
});

test('every answer tells how far the clock of the server is ahead', async () => {
  const clock = manualClock();
  /** @type {Record<string, string>} */
  let headers = {};
  const http = new Http({ clock, fetch: async () => new Response('{}', { headers }) });
  await http.me();
  assert.equal(http.serverAheadMs, 0, 'a server that does not say it');
  headers = { date: new Date(clock.now() + 3_600_000).toUTCString() };
  await http.me();
  assert.ok(Math.abs(http.serverAheadMs - 3_600_000) < 1_000);
  headers = { date: new Date(clock.now() - 60_000).toUTCString() };
  await http.me();
  assert.ok(Math.abs(http.serverAheadMs + 60_000) < 1_000);
});
