import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ComposerDraft } from '../src/inbox/thread/draft.js';
import { isMentioned } from '../src/inbox/view/conversations.js';
import { parseMarkup } from '../src/inbox/view/markup.js';
import { moveMentions, withMentions } from '../src/inbox/view/mentions.js';
import { findMentioned, mentionBefore } from '../src/inbox/view/mention-query.js';
import { NewMessages } from '../src/inbox/view/arrivals.js';
import { Drafts } from '../src/sdk/drafts.js';
import { UserStorage, memoryStorage } from '../src/sdk/storage.js';
import { SyncHarness } from './support/sync-harness.js';
import { ModelServer } from './support/model-server.js';
import { deleteMessage, edit, hide, react } from './support/message-changes.js';

const ME = 1;
const ADA = { user: 7, at: 3, length: 4 };

/** @param {string} before @param {string} after with `|` at the caret @returns {number[]} where the mention is then */
function moved(before, after) {
  const caret = after.indexOf('|');
  return moveMentions([ADA], before, after.replace('|', ''), caret < 0 ? after.length : caret).map((one) => one.at);
}

test('a mention follows its letters, and is gone when one of them changes', () => {
  assert.deepEqual(moved('Hi @Ada!', 'Hi @Ada!'), [3]);
  assert.deepEqual(moved('Hi @Ada!', 'Hi again| @Ada!'), [9]);
  assert.deepEqual(moved('Hi @Ada!', 'Hi @|@Ada!'), [4], 'the first of two equal signs is new');
  assert.deepEqual(moved('Hi @Ada!', '|@Ada!'), [0]);
  assert.deepEqual(moved('Hi @Ada!', 'Hi @Ada, and more|'), [3]);
  assert.deepEqual(moved('Hi @Ada', 'Hi @Adaa|'), [3], 'behind it');
  assert.deepEqual(moved('Hi @Ada!', 'Hi @Ad|!'), []);
  assert.deepEqual(moved('Hi @Ada!', 'Hi @A-|da!'), []);
  assert.deepEqual(moved('Hi @Ada!', 'Hi |Ada!'), []);
  assert.deepEqual(moved('Hi @Ada!', 'something else'), []);
  assert.deepEqual(moved('Hi @Ada!', '|'), []);
});

test('whatever is written, a mention that is left has the letters that it had', () => {
  const letters = fc.string({ unit: fc.constantFrom('@', 'a', 'A', ' ', '\n', '🙂'), maxLength: 8 });
  fc.assert(fc.property(letters, letters, letters, fc.nat(), fc.nat(), (begin, end, put, from, length) => {
    const before = `${begin}@aA${end}`;
    const at = from % (before.length + 1);
    const after = before.slice(0, at) + put + before.slice(at + length % (before.length + 1 - at));
    const mentions = moveMentions([{ user: 7, at: begin.length, length: 3 }], before, after, at + put.length);
    for (const one of mentions) assert.equal(after.slice(one.at, one.at + one.length), '@aA');
    const isOutside = at + length % (before.length + 1 - at) <= begin.length || at >= begin.length + 3;
    assert.equal(mentions.length, isOutside ? 1 : mentions.length);
  }));
});

test('mentions are marked in what is plain, bold or italic, and not in code and links', () => {
  const text = 'Hi *@Ada Winter* and `@Ben`, see https://x.example/@Cleo';
  const places = ['@Ada Winter', '@Ben', '@Cleo'].map((name) => ({ at: text.indexOf(name), length: name.length, mine: name === '@Ben' }));
  const pieces = withMentions(parseMarkup(text), places);
  assert.equal(pieces.map((one) => one.text).join(''), text);
  assert.deepEqual(pieces.filter((one) => one.type === 'mention'),
    [{ type: 'mention', text: '@Ada Winter', mine: false, bold: true, italic: false }]);
});

test('any places of any text are marked without a change of the text', () => {
  const text = fc.string({ unit: fc.constantFrom('@', 'a', '*', '_', '`', ' ', '\n', 'b'), maxLength: 30 });
  const places = fc.array(fc.record({ at: fc.nat(35), length: fc.integer({ min: 1, max: 9 }), mine: fc.boolean() }), { maxLength: 4 });
  fc.assert(fc.property(text, places, (words, marks) => {
    const sorted = marks.sort((a, b) => a.at - b.at);
    assert.equal(withMentions(parseMarkup(words), sorted).map((one) => one.text).join(''), words);
  }));
});

test('a name begins with an at sign that begins a word', () => {
  for (const [text, query] of [
    ['@', ''], ['@a', 'a'], ['Hi @Ada W', 'Ada W'], ['(@a', 'a'], ['＠ア', 'ア'], ['、@安', '安'], ['你好@安', '安'], ['了解です@田中', '田中'], ['コピー@a', 'a'], ['👍🏽@ben', 'ben'], ['❤️@b', 'b'], ['\n@a', 'a'], ['@أ', 'أ'],
  ]) assert.equal(mentionBefore(text, text.length)?.query, query, text);
  for (const text of ['', 'a', 'ada@example', '@ a', '@a @', '`@a', '```\n@a', '@a b c d', `@${'a'.repeat(60)}`]) {
    const found = mentionBefore(text, text.length);
    assert.ok(found === null || (text === '@a @' && found.from === 3), text);
  }
});

test('names are found as everywhere, in their order', () => {
  const users = ['Zoë Ada', 'Ben', 'ÁDA Winter', 'آدا'].map((name, index) => ({ id: index, name, picture: null, version: 1 }));
  const names = (/** @type {string} */ query) => findMentioned(users, query).map((one) => one.name);
  assert.deepEqual(names('ada'), ['ÁDA Winter', 'Zoë Ada']);
  assert.deepEqual(names('ada zo'), ['Zoë Ada']);
  assert.deepEqual(names('ا'), ['آدا']);
  assert.deepEqual(names('!'), []);
  assert.equal(names('').length, 4);
});

test('a draft keeps its mentions over a reload, and moves them behind what is restored before it', () => {
  const shelf = memoryStorage();
  const page = () => new ComposerDraft(new Drafts({
    storage: new UserStorage(shelf, ME), now: () => 1, newId: () => 'id', session: null,
  }));
  const draft = page();
  draft.drafts.write(4, { text: 'Hi @Ada', mentions: [ADA] });
  draft.restore(4, { text: '@Ben', mentions: [{ user: 9, at: 0, length: 4 }] });
  const { text, mentions } = page().drafts.of(4);
  assert.deepEqual(mentions.map((one) => text.slice(one.at, one.at + one.length)), ['@Ben', '@Ada']);
  shelf.setItem('parlor:1:draft:5:x', JSON.stringify({ text: 'short', mentions: [ADA, { at: 1 }, null, { user: 7, at: -1, length: 1 }] }));
  assert.deepEqual(page().drafts.of(5).mentions, [], 'what is not within the text');
});

test('the newest unread mention is known at once, also after edits, deletion and hiding', async () => {
  const server = new ModelServer(3);
  const id = server.open('group', 2, [ME, 3]);
  const harness = await SyncHarness.open(server, ME);
  const row = () => /** @type {import('../src/sdk/state/conversations.js').ConversationRow} */ (harness.state.conversations.get(id));
  const news = new NewMessages();
  const arrived = () => news.find({ state: harness.state, user: ME, readUpTo: () => 0 }).map((one) => one.mention > 0);
  arrived();
  server.send(2, id, 'hello', 'k1', undefined, [ME]);
  await harness.settle();
  assert.ok(isMentioned(row(), ME, 0));
  assert.deepEqual(arrived(), [true]);
  assert.ok(!isMentioned(row(), ME, 1), 'read on this page');
  server.send(2, id, 'hello', 'k2', undefined, [3]);
  await harness.settle();
  assert.deepEqual(arrived(), [false], 'an older mention says nothing about a new message');
  server.send(ME, id, 'hello', 'k3', undefined, [ME]);
  edit(server, 2, id, 2, 'hello, both', [ME, 3]);
  await harness.settle();
  assert.equal(row().mention_seq, 2);
  edit(server, 2, id, 2, 'hello');
  await harness.settle();
  assert.equal(row().mention_seq, 1);
  server.send(2, id, 'hello', 'k4', undefined, [ME]);
  server.send(2, id, 'hello', 'k5', undefined, [ME]);
  await harness.settle();
  deleteMessage(server, 2, id, 5);
  await harness.settle();
  assert.equal(row().mention_seq, 4);
  hide(server, ME, id, 4);
  await harness.settle();
  assert.equal(row().mention_seq, 1);
  server.mark(ME, id, { read: 5 });
  await harness.settle();
  assert.ok(!isMentioned(row(), ME, 0));
});

test('a change of a message that was hidden before the page was opened is no mention', async () => {
  const server = new ModelServer(3);
  const id = server.open('group', 2, [ME, 3]);
  server.send(2, id, 'hello', 'k1', undefined, [ME]);
  hide(server, ME, id, 1);
  const harness = await SyncHarness.open(server, ME);
  react(server, 3, id, 1, '👍', true);
  await harness.settle();
  assert.equal(harness.state.conversations.get(id)?.mention_seq, undefined);
  await harness.recover();
  harness.assertEqual();
});

test('an unread mention in a conversation that was not loaded has not arrived with a later message', async () => {
  const server = new ModelServer(3);
  const id = server.open('group', 2, [ME, 3]);
  server.send(2, id, 'hello', 'k1', undefined, [ME]);
  for (let number = 0; number < 5; number += 1) server.send(2, server.open('group', 2, [ME]), 'newer', `n${number}`);
  const harness = await SyncHarness.open(server, ME, false);
  assert.ok(!harness.state.conversations.has(id), 'it is further down');
  const news = new NewMessages();
  const client = () => ({ state: harness.state, user: ME, readUpTo: () => 0 });
  news.find(client());
  server.send(2, id, 'nothing for you', 'k2', undefined, [3]);
  await harness.settle();
  assert.deepEqual(news.find(client()).map((one) => [one.conversation, one.mention]), [[id, 0]]);
  server.send(2, id, 'something for you', 'k3', undefined, [ME]);
  await harness.settle();
  assert.deepEqual(news.find(client()).map((one) => one.mention), [3]);
});
