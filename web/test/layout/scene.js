/**
 * Fills a running demo with everything that an inbox can show: names of every length and direction, messages of every
 * kind, files, groups and closed conversations.
 */
import { randomUUID } from 'node:crypto';
import assert from 'node:assert/strict';
import { png } from '../journeys/support/png.js';

/** @import {TestServer} from '../journeys/support/test-server.js' */

/** A text that must not affect its surroundings: it closes the isolate around it and reverses what follows. A message
 * may contain it, a name may not. */
export const REVERSING_TEXT = 'dlo\u202Bg';
export const ESCAPING_TEXT = `\u2069\u202E${REVERSING_TEXT}`;
export const LONG_NAME = 'Wolfeschlegelsteinhausenbergerdorff-Hohenlohe-Schillingsfürst';
export const THREE_LINES = 'The first line\nthe second line\nthe third line';
export const SETTINGS = { PARLOR_ACCOUNTS_SIGN_UP: 'true' };

/** A user who talks to the server without a page. */
export class ApiUser {
  cookie = '';
  id = 0;

  /** @param {string} home @param {string} [login] for signing in again in a browser */
  constructor(home, login = '') {
    this.home = home;
    this.login = login;
  }

  /** @param {string} method @param {string} path @param {unknown} [body] JSON, or bytes @returns {Promise<any>} */
  async request(method, path, body) {
    const raw = body instanceof Uint8Array;
    const answer = await fetch(this.home + path, {
      method,
      redirect: 'manual',
      headers: {
        origin: this.home, cookie: this.cookie,
        ...(body === undefined ? {} : { 'content-type': raw ? 'application/octet-stream' : 'application/json' }),
      },
      ...(body === undefined ? {} : { body: raw ? new Uint8Array(body) : JSON.stringify(body) }),
    });
    const cookie = answer.headers.get('set-cookie')?.split(';')[0];
    if (cookie) this.cookie = cookie;
    const text = await answer.text();
    assert.ok(answer.status < 400, `${method} ${path}: ${answer.status} ${text}`);
    return text.startsWith('{') ? JSON.parse(text) : null;
  }

  /** @param {number} conversation @param {string} text
   * @param {{subject?: string, reply_to?: number, attachments?: number[], mentions?: object[]}} [more] @returns {Promise<number>} its seq */
  async send(conversation, text, more = {}) {
    const path = `/v1/conversations/${conversation}/messages`;
    const { message } = await this.request('POST', path, { client_id: randomUUID(), text, ...more });
    return message.seq;
  }

  /** @param {string} name @param {Uint8Array} bytes @returns {Promise<number>} the id of the file */
  async upload(name, bytes) {
    const about = new URLSearchParams({ client_id: randomUUID(), name, bytes: String(bytes.length) });
    const first = await this.request('POST', `/v1/uploads?${about}`, bytes);
    let upload = first.upload ?? first;
    while (!upload.attachment) {
      const next = await this.request('GET', `/v1/uploads/${upload.client_id ?? about.get('client_id')}`);
      upload = next.upload ?? next;
    }
    return upload.attachment.id;
  }

  /** @param {object} what @returns {Promise<number>} the id of the conversation */
  async open(what) {
    const { conversation } = await this.request('POST', '/v1/conversations', { client_id: randomUUID(), ...what });
    return conversation.id;
  }
}

/** @param {TestServer} server @param {'ada'|'ben'} name @returns {Promise<ApiUser>} */
async function demoUser({ links, port }, name) {
  const user = new ApiUser(`http://127.0.0.1:${port}`);
  const { pathname, search } = new URL(links[name]);
  await user.request('GET', pathname + search);
  user.id = (await user.request('GET', '/v1/me')).id;
  return user;
}

export const PASSWORD = 'a long enough password';

/** @param {TestServer} server @param {string} login @param {string} name @returns {Promise<ApiUser>} */
async function newUser({ port }, login, name) {
  const user = new ApiUser(`http://127.0.0.1:${port}`, login);
  await user.request('POST', '/v1/users', { login, name, password: PASSWORD });
  await user.request('POST', '/v1/session', { login, password: PASSWORD });
  user.id = (await user.request('GET', '/v1/me')).id;
  return user;
}

/**
 * @typedef {{all: number, group: number, closed: number, files: number, turned: number, fresh: number, long: number}}
 *   Conversations the ids of the conversations, by what they show
 */

/** @param {TestServer} server @returns {Promise<Conversations>} */
export async function createScene(server) {
  const [ada, ben] = [await demoUser(server, 'ada'), await demoUser(server, 'ben')];
  const [long, rtl, turned] = [
    await newUser(server, 'long', LONG_NAME), await newUser(server, 'rtl', 'محمد عبد الله 7'),
    await newUser(server, 'turned', 'Mal ערן 7'),
  ];
  await newUser(server, 'empty', 'Eve Adler');
  const sign = await newUser(server, 'sign', '🦊 小明');
  const all = await ada.open({ user: ben.id, context: { type: 'item', id: '5' } });
  await sendEveryKind(ada, ben, all);
  const group = await ada.open({
    group: { title: `The committee for ${LONG_NAME} and what it lost`, users: [ben, long, rtl, turned, sign].map((one) => one.id) },
  });
  await fillGroup({ ada, ben, long, rtl, turned, sign }, group);
  await server.runCommand('context', 'put', '--type', 'item', '--id', '20', '--title', 'Parrot ערן 7', '--status',
    'Found', '--tone', 'settled', '--detail', 'A very long detail about a parrot, its cage and the street it was found in',
    '--role', 'owner=turned', '--role', 'finder=ada');
  const strange = await turned.open({ user: ada.id, context: { type: 'item', id: '20' } });
  await turned.send(strange, `Is it ${ESCAPING_TEXT}`);
  await turned.send(strange, 'one more', { reply_to: 1 });
  await server.runCommand('context', 'put', '--type', 'item', '--id', '21', '--title', 'Bicycle bell', '--role', 'owner=ada');
  const closed = await long.open({ user: ada.id, context: { type: 'item', id: '21' } });
  await long.send(closed, 'Is this yours? '.repeat(20));
  await ada.send(closed, 'Thank you, it is here again.');
  await server.runCommand('context', 'close', '--type', 'item', '--id', '21').catch(() => {});
  const pictures = await rtl.open({ user: ada.id });
  await rtl.send(pictures, 'مرحبا، وجدت مظلتك في الترام رقم 18. هل هي سوداء؟');
  await sendFiles(rtl, pictures);
  for (let count = 0; count < 5; count += 1) await long.send(closed, 'a').catch(() => {});
  await fillReports({ server, ada, ben, long, rtl, sign }, all, group);
  const fresh = await ada.open({ group: { title: 'Not a word yet', users: [ben.id, sign.id] } });
  return { all, group, closed, files: pictures, turned: strange, fresh, long: closed };
}

/** Makes Ada a moderator, and reports a message of Ben's, one of hers and two of the group. @param {{server: TestServer, ada: ApiUser,
 * ben: ApiUser, long: ApiUser, rtl: ApiUser, sign: ApiUser}} users @param {number} all @param {number} group */
async function fillReports({ server, ada, ben, long, rtl, sign }, all, group) {
  await server.runCommand('user', 'moderator', 'ada', 'on');
  const { messages } = await ben.request('GET', `/v1/conversations/${all}/messages?limit=40`);
  const seqOf = (/** @type {string} */ words) =>
    messages.find((/** @type {{text: string}} */ one) => one.text.startsWith(words)).seq;
  const fraud = { reason: 'fraud', note: 'They want money before they come.' };
  await ada.request('POST', '/v1/reports', { conversation: all, seq: seqOf('By the flower stall'), ...fraud });
  await ben.request('POST', '/v1/reports', { conversation: all, seq: seqOf('And in a green coat'), ...fraud });
  await sign.request('POST', '/v1/reports', { conversation: group, seq: 3, reason: 'spam' });
  await rtl.request('PATCH', `/v1/conversations/${group}/messages/3`, { text: 'صباح الخير\nand what was added' });
  await long.request('POST', '/v1/reports', { conversation: group, seq: 3, reason: 'hate' });
  await sign.request('POST', '/v1/reports', { conversation: group, seq: 2, reason: 'harassment' });
  await rtl.request('POST', '/v1/reports', { conversation: group, seq: 2, reason: 'other', note: 'هذا مزعج جداً.' });
}

/** Sends one message of each kind. @param {ApiUser} ada @param {ApiUser} ben @param {number} id */
async function sendEveryKind(ada, ben, id) {
  await ben.send(id, THREE_LINES);
  await ada.send(id, 'A list:\n- one\n- two\n\nand a paragraph.');
  await ben.send(id, 'See *bold*, _this_, and `ref-2041`, at https://wien.example/karlsplatz.');
  await ben.send(id, 'The list:\n```\n1 umbrella\n2 gloves\n```\nThat is all.');
  await ada.send(id, `https://wien.example/${'a-very-long-path-without-a-break/'.repeat(6)}?and=more`);
  await ben.send(id, `Un${'break'.repeat(30)}able`);
  const large = await ben.send(id, '🎉🙌');
  const question = await ben.send(id, 'By the flower stall at the east exit, at half past five?', { subject: 'The handover' });
  const answer = await ada.send(id, 'I will be there.', { reply_to: question });
  await ada.send(id, 'And in a green coat, so that you know me when you see me from far away.', { reply_to: large });
  for (const [user, emoji, seq] of /** @type {[ApiUser, string, number][]} */ ([
    [ada, '👍', question], [ben, '👍', question], [ben, '🙏', question], [ben, '❤️', answer], [ada, '😂', large],
  ])) await user.request('PUT', `/v1/conversations/${id}/messages/${seq}/reactions/${encodeURIComponent(emoji)}`);
  await ada.request('PATCH', `/v1/conversations/${id}/messages/${answer}`, { text: 'I will be there, with an umbrella.' });
  await ada.request('DELETE', `/v1/conversations/${id}/messages/${await ada.send(id, 'A mistake.')}`);
  await ben.request('DELETE', `/v1/conversations/${id}/messages/${await ben.send(id, 'Another mistake.')}`);
  const picture = await ben.upload('umbrella.png', png(640, 420, [40, 80, 90]));
  await ben.send(id, 'This is it.', { attachments: [picture] });
  await ada.request('POST', `/v1/conversations/${id}/forwards`, {
    client_id: randomUUID(), from: { conversation: id, seq: question },
  }).catch(() => ada.send(id, 'Not forwarded.'));
}

/** @param {Record<'ada'|'ben'|'long'|'rtl'|'turned'|'sign', ApiUser>} people @param {number} id */
async function fillGroup({ ada, ben, long, rtl, turned, sign }, id) {
  await long.send(id, 'Good morning all.');
  await long.send(id, THREE_LINES);
  await rtl.send(id, 'صباح الخير');
  await turned.send(id, 'A name that turns around.');
  await ada.send(id, 'Who of you comes?');
  await sign.send(id, '我来');
  await ben.send(id, 'I do, and I bring the box with the gloves.');
  const mention = (/** @type {ApiUser} */ { id: user }, /** @type {string} */ name, at = 0) => ({ user, at, length: name.length + 1 });
  await ben.send(id, '@Ada Winter, do you have the key?', { mentions: [mention(ada, 'Ada Winter')] });
  await ada.send(id, `Ask @${LONG_NAME}.`, { mentions: [mention(long, LONG_NAME, 4)] });
  await ada.request('PATCH', `/v1/conversations/${id}/members/${ben.id}`, { role: 'moderator' });
  await ada.request('DELETE', `/v1/conversations/${id}/members/${turned.id}`);
  await ada.request('POST', `/v1/conversations/${id}/members`, { users: [turned.id] });
  await sign.send(id, 'ok');
}

/** Sends one picture, several pictures, and files. @param {ApiUser} user @param {number} id */
async function sendFiles(user, id) {
  const colours = /** @type {[number, number, number][]} */ ([[120, 60, 40], [40, 90, 120], [60, 110, 60], [120, 100, 40], [90, 60, 120]]);
  const upload = (/** @type {number} */ at) => user.upload(`picture-${at}.png`, png(300 + 60 * at, 420 - 50 * at, colours[at]));
  for (const count of [1, 2, 3, 5]) {
    const attachments = [];
    for (let at = 0; at < count; at += 1) attachments.push(await upload(at));
    await user.send(id, count === 2 ? 'Two of them.' : '', { attachments });
  }
  const paper = await user.upload(`A file with a rather long name that goes on and on ${'x'.repeat(60)}.pdf`,
    Buffer.from('%PDF-1.4\n%%EOF\n'));
  await user.send(id, 'And the papers.', { attachments: [paper, await user.upload('notes.txt', Buffer.from('notes'))] });
}
