/**
 * Fills a running demo with everything that an inbox can show: names of every length and direction, messages of every
 * kind, files, groups and closed conversations.
 */
import { randomUUID } from 'node:crypto';
import assert from 'node:assert/strict';
import { png } from '../journeys/support/png.js';

/** @import {Demo} from '../journeys/support/test-server.js' */

/** A text that must not affect its surroundings: it closes the isolate around it and reverses what follows. A message
 * may contain it, a name may not. */
export const TURNS = 'dlo\u202Bg';
export const TURNED = `\u2069\u202E${TURNS}`;
export const LONG_NAME = 'Wolfeschlegelsteinhausenbergerdorff-Hohenlohe-Schillingsfürst';
export const LINES = 'The first line\nthe second line\nthe third line';
export const SETTINGS = { PARLOR_ACCOUNTS_SIGN_UP: 'true' };

/** A user who talks to the server without a page. */
export class Speaker {
  cookie = '';
  id = 0;

  /** @param {string} home @param {string} [login] for signing in again in a browser */
  constructor(home, login = '') {
    this.home = home;
    this.login = login;
  }

  /** @param {string} method @param {string} path @param {unknown} [body] JSON, or bytes @returns {Promise<any>} */
  async ask(method, path, body) {
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
   * @param {{subject?: string, reply_to?: number, attachments?: number[]}} [more] @returns {Promise<number>} its seq */
  async say(conversation, text, more = {}) {
    const path = `/v1/conversations/${conversation}/messages`;
    const { message } = await this.ask('POST', path, { client_id: randomUUID(), text, ...more });
    return message.seq;
  }

  /** @param {string} name @param {Uint8Array} bytes @returns {Promise<number>} the id of the file */
  async upload(name, bytes) {
    const about = new URLSearchParams({ client_id: randomUUID(), name, bytes: String(bytes.length) });
    const first = await this.ask('POST', `/v1/uploads?${about}`, bytes);
    let upload = first.upload ?? first;
    while (!upload.attachment) {
      const next = await this.ask('GET', `/v1/uploads/${upload.client_id ?? about.get('client_id')}`);
      upload = next.upload ?? next;
    }
    return upload.attachment.id;
  }

  /** @param {object} what @returns {Promise<number>} the id of the conversation */
  async open(what) {
    const { conversation } = await this.ask('POST', '/v1/conversations', { client_id: randomUUID(), ...what });
    return conversation.id;
  }
}

/** @param {Demo} demo @param {'ada'|'ben'} name @returns {Promise<Speaker>} */
async function demoPerson({ links, port }, name) {
  const person = new Speaker(`http://127.0.0.1:${port}`);
  const { pathname, search } = new URL(links[name]);
  await person.ask('GET', pathname + search);
  person.id = (await person.ask('GET', '/v1/me')).id;
  return person;
}

export const PASSWORD = 'a long enough password';

/** @param {Demo} demo @param {string} login @param {string} name @returns {Promise<Speaker>} */
async function newPerson({ port }, login, name) {
  const person = new Speaker(`http://127.0.0.1:${port}`, login);
  await person.ask('POST', '/v1/users', { login, name, password: PASSWORD });
  await person.ask('POST', '/v1/session', { login, password: PASSWORD });
  person.id = (await person.ask('GET', '/v1/me')).id;
  return person;
}

/**
 * @typedef {{all: number, group: number, closed: number, files: number, turned: number, fresh: number, long: number}}
 *   Rooms the ids of the conversations, by what they show
 */

/** @param {Demo} demo @returns {Promise<Rooms>} */
export async function tell(demo) {
  const [ada, ben] = [await demoPerson(demo, 'ada'), await demoPerson(demo, 'ben')];
  const [long, rtl, turned] = [
    await newPerson(demo, 'long', LONG_NAME), await newPerson(demo, 'rtl', 'محمد عبد الله 7'),
    await newPerson(demo, 'turned', 'Mal ערן 7'),
  ];
  await newPerson(demo, 'empty', 'Eve Adler');
  const sign = await newPerson(demo, 'sign', '🦊 小明');
  const all = await ada.open({ user: ben.id, context: { type: 'item', id: '5' } });
  await everything(ada, ben, all);
  const group = await ada.open({
    group: { title: `The committee for ${LONG_NAME} and what it lost`, users: [ben, long, rtl, turned, sign].map((one) => one.id) },
  });
  await committee({ ada, ben, long, rtl, turned, sign }, group);
  await demo.operate('context', 'put', '--type', 'item', '--id', '20', '--title', 'Parrot ערן 7', '--status',
    'Found', '--tone', 'settled', '--detail', 'A very long detail about a parrot, its cage and the street it was found in',
    '--role', 'owner=turned', '--role', 'finder=ada');
  const strange = await turned.open({ user: ada.id, context: { type: 'item', id: '20' } });
  await turned.say(strange, `Is it ${TURNED}`);
  await turned.say(strange, 'one more', { reply_to: 1 });
  await demo.operate('context', 'put', '--type', 'item', '--id', '21', '--title', 'Bicycle bell', '--role', 'owner=ada');
  const closed = await long.open({ user: ada.id, context: { type: 'item', id: '21' } });
  await long.say(closed, 'Is this yours? '.repeat(20));
  await ada.say(closed, 'Thank you, it is here again.');
  await demo.operate('context', 'close', '--type', 'item', '--id', '21').catch(() => {});
  const pictures = await rtl.open({ user: ada.id });
  await rtl.say(pictures, 'مرحبا، وجدت مظلتك في الترام رقم 18. هل هي سوداء؟');
  await files(rtl, pictures);
  for (let count = 0; count < 5; count += 1) await long.say(closed, 'a').catch(() => {});
  const fresh = await ada.open({ group: { title: 'Not a word yet', users: [ben.id, sign.id] } });
  return { all, group, closed, files: pictures, turned: strange, fresh, long: closed };
}

/** Sends one message of each kind. @param {Speaker} ada @param {Speaker} ben @param {number} id */
async function everything(ada, ben, id) {
  await ben.say(id, LINES);
  await ada.say(id, 'A list:\n- one\n- two\n\nand a paragraph.');
  await ben.say(id, 'See *bold*, _this_, and `ref-2041`, at https://wien.example/karlsplatz.');
  await ben.say(id, 'The list:\n```\n1 umbrella\n2 gloves\n```\nThat is all.');
  await ada.say(id, `https://wien.example/${'a-very-long-path-without-a-break/'.repeat(6)}?and=more`);
  await ben.say(id, `Un${'break'.repeat(30)}able`);
  const large = await ben.say(id, '🎉🙌');
  const question = await ben.say(id, 'By the flower stall at the east exit, at half past five?', { subject: 'The handover' });
  const answer = await ada.say(id, 'I will be there.', { reply_to: question });
  await ada.say(id, 'And in a green coat, so that you know me when you see me from far away.', { reply_to: large });
  for (const [person, emoji, seq] of /** @type {[Speaker, string, number][]} */ ([
    [ada, '👍', question], [ben, '👍', question], [ben, '🙏', question], [ben, '❤️', answer], [ada, '😂', large],
  ])) await person.ask('PUT', `/v1/conversations/${id}/messages/${seq}/reactions/${encodeURIComponent(emoji)}`);
  await ada.ask('PATCH', `/v1/conversations/${id}/messages/${answer}`, { text: 'I will be there, with an umbrella.' });
  await ada.ask('DELETE', `/v1/conversations/${id}/messages/${await ada.say(id, 'A mistake.')}`);
  await ben.ask('DELETE', `/v1/conversations/${id}/messages/${await ben.say(id, 'Another mistake.')}`);
  const picture = await ben.upload('umbrella.png', png(640, 420, [40, 80, 90]));
  await ben.say(id, 'This is it.', { attachments: [picture] });
  await ada.ask('POST', `/v1/conversations/${id}/forwards`, {
    client_id: randomUUID(), from: { conversation: id, seq: question },
  }).catch(() => ada.say(id, 'Not forwarded.'));
}

/** @param {Record<'ada'|'ben'|'long'|'rtl'|'turned'|'sign', Speaker>} people @param {number} id */
async function committee({ ada, ben, long, rtl, turned, sign }, id) {
  await long.say(id, 'Good morning all.');
  await long.say(id, LINES);
  await rtl.say(id, 'صباح الخير');
  await turned.say(id, 'A name that turns around.');
  await ada.say(id, 'Who of you comes?');
  await sign.say(id, '我来');
  await ben.say(id, 'I do, and I bring the box with the gloves.');
  await ada.ask('PATCH', `/v1/conversations/${id}/members/${ben.id}`, { role: 'moderator' });
  await ada.ask('DELETE', `/v1/conversations/${id}/members/${turned.id}`);
  await ada.ask('POST', `/v1/conversations/${id}/members`, { users: [turned.id] });
  await sign.say(id, 'ok');
}

/** Sends one picture, several pictures, and files. @param {Speaker} person @param {number} id */
async function files(person, id) {
  const colours = /** @type {[number, number, number][]} */ ([[120, 60, 40], [40, 90, 120], [60, 110, 60], [120, 100, 40], [90, 60, 120]]);
  const upload = (/** @type {number} */ at) => person.upload(`picture-${at}.png`, png(300 + 60 * at, 420 - 50 * at, colours[at]));
  for (const count of [1, 2, 3, 5]) {
    const attachments = [];
    for (let at = 0; at < count; at += 1) attachments.push(await upload(at));
    await person.say(id, count === 2 ? 'Two of them.' : '', { attachments });
  }
  const paper = await person.upload(`A file with a rather long name that goes on and on ${'x'.repeat(60)}.pdf`,
    Buffer.from('%PDF-1.4\n%%EOF\n'));
  await person.say(id, 'And the papers.', { attachments: [paper, await person.upload('notes.txt', Buffer.from('notes'))] });
}
