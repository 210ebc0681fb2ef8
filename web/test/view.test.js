/**
 * Views: previews, message groups, receipts, times and names; and the frames that both sides must understand.
 */
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { applyToRow, withMarker, mergeRow } from '../src/sdk/state/conversations.js';
import { initials, isLargeEmoji, shortTime } from '../src/inbox/view/format.js';
import { routeOf } from '../src/inbox/route.js';
import { buildBlocks } from '../src/inbox/view/message-groups.js';
import { emptyState } from '../src/sdk/state/state.js';
import { ALL, contextFilter, contextKey, contextsOf, rowsOf, unreadTotals } from '../src/inbox/view/conversations.js';
import { Socket } from '../src/sdk/socket.js';
import { flushPromises, manualClock } from './support/clock.js';
import { apply } from '../src/sdk/state/apply.js';
import { ModelServer } from './support/model-server.js';
import { updateSettings } from './support/model-settings.js';
import { FakeSocket } from './support/fake-network.js';

const NOW = new Date(2026, 10, 22, 12, 0).getTime();
const ME = 1;

/** Builds a conversation of two users, with times by minute and second of today. @param {[number, string, number,
 * number][]} lines @param {'direct'|'group'} [kind] */
function buildConversation(lines, kind = 'direct') {
  const server = new ModelServer(3);
  const id = server.open(kind, ME, kind === 'group' ? [2, 3] : [2]);
  for (const [index, [who, text, minute, second]] of lines.entries()) {
    const { message } = server.send(who, id, text, `m${index}`);
    message.created_at = new Date(2026, 10, 22, 9, minute, second).toISOString();
  }
  let state = apply(emptyState(ME), { kind: 'list', page: server.list(ME, undefined, 10), requestedAt: 0 });
  state = apply(state, { kind: 'opening', conversation: id });
  const page = server.messages(ME, id, { limit: 100 });
  state = apply(state, { kind: 'messages', conversation: id, page, requestedAt: 0 });
  const conversation = state.conversations.get(id);
  assert.ok(conversation);
  return { server, state, conversation, messages: page.messages };
}

/** @param {ReturnType<typeof buildConversation>} story
 * @param {Partial<import('../src/inbox/view/message-groups.js').ThreadInput>} [more] */
function blocksOf(story, more = {}) {
  return buildBlocks({
    state: story.state, conversation: story.conversation, messages: story.messages, items: [], now: NOW,
    atBeginning: false, divider: null, offline: false, ...more,
  });
}

/** @param {string} text @param {string} state @returns {import('../src/sdk/outbox-item.js').Item} */
function item(text, state) {
  return {
    client_id: text, conversation: 1, text, at: NOW, tried: true,
    state: /** @type {'waiting'} */ (state), problem: state === 'refused' ? { code: 'not_allowed', title: 'no' } : null,
  };
}

test('a message group has one sender and one minute', () => {
  const blocks = blocksOf(buildConversation([[2, 'a', 1, 10], [2, 'b', 1, 59], [2, 'c', 2, 0], [1, 'd', 2, 1], [2, 'e', 2, 2]]));
  assert.deepEqual(blocks.map((one) => (one.type === 'group' ? one.messages.map((said) => said.text).join('') : one.type)),
    ['day', 'ab', 'c', 'd', 'e']);
});

test('one divider marks both the day and the first unread message', () => {
  const story = buildConversation([[2, 'a', 1, 0], [2, 'b', 5, 0]]);
  const whole = blocksOf(story, { divider: { seq: 1, count: 2, since: null } });
  assert.deepEqual(whole.filter((one) => one.type !== 'group').map((one) => [one.type, 'text' in one && one.text]),
    [['unread', 'Today · 2 new messages']]);
  const inside = blocksOf(story, { divider: { seq: 2, count: 1, since: null } });
  assert.deepEqual(inside.map((one) => one.type), ['day', 'group', 'unread', 'group']);
  assert.equal('text' in inside[2] && inside[2].text, '1 new message');
});

test('a refused message stands alone, and the messages behind it say that they wait', () => {
  const blocks = blocksOf(buildConversation([[1, 'a', 1, 0]]), {
    items: [item('no', 'refused'), item('b', 'waiting'), item('c', 'waiting')],
  });
  const runs = blocks.filter((one) => one.type === 'group');
  assert.deepEqual(runs.map((one) => one.messages.map((said) => said.text).join('')), ['a', 'no', 'bc']);
  assert.deepEqual(runs.map((one) => one.meta.kind), ['tick', 'failed', 'waits']);
  assert.equal('words' in runs[1].meta && runs[1].meta.words, 'Not sent: not allowed.');
});

test('a message keeps its key when the server has stored it', () => {
  const story = buildConversation([[1, 'a', 1, 0]]);
  const before = blocksOf({ ...story, messages: [] }, { items: [{ ...item('a', 'sending'), client_id: 'm0' }] });
  const after = blocksOf(story, { items: [{ ...item('a', 'sending'), client_id: 'm0' }] });
  const keys = (/** @type {typeof before} */ blocks) => blocks.flatMap((one) => (one.type === 'group' ? [one.key] : []));
  assert.deepEqual(keys(before), keys(after));
});

test('the last own message shows its tick with a word, earlier ones without', () => {
  const story = buildConversation([[1, 'a', 1, 0], [2, 'b', 2, 0], [1, 'c', 3, 0]]);
  story.server.mark(2, story.conversation.id, { read: 2 });
  const whole = story.server.conversation(ME, story.conversation.id);
  const blocks = blocksOf({ ...story, conversation: { ...whole, unreadAt: 0 } });
  const metas = blocks.flatMap((one) => (one.type === 'group' ? [one.meta] : []));
  assert.deepEqual(metas.map((one) => (one.kind === 'tick' ? [one.words, one.iconOnly] : one.kind)),
    [['Read', true], 'time', ['Sent', false]]);
});

test('pinned conversations come first, archived ones are apart, and those marked as unread are unread', () => {
  const server = new ModelServer(4);
  const [old, middle, young] = [2, 3, 4].map((user) => server.open('direct', user, [ME]));
  for (const [index, id] of [old, middle, young].entries()) server.send(index + 2, id, 'hello', `k${index}`);
  for (const id of [old, middle, young]) server.mark(ME, id, { read: 1 });
  updateSettings(server, ME, old, { pinned: true });
  updateSettings(server, ME, middle, { archived_seq: 1, muted: true, muted_until: '2026-11-22T10:00:00.000Z' });
  updateSettings(server, ME, young, { marked_unread: true });
  const state = apply(apply(emptyState(ME), { kind: 'me', answer: server.me(ME), since: null, requestedAt: 0 }),
    { kind: 'list', page: server.list(ME, undefined, 10), requestedAt: 0 });
  const viewInput = {
    state, now: NOW, serverNow: Date.parse('2026-11-22T09:00:00.000Z'), selected: null, waiting: () => [], draft: () => '', readUpTo: () => 0,
    presenceSource: { typing: () => /** @type {number[]} */ ([]), presence: () => null },
  };
  const ids = (/** @type {Partial<typeof ALL>} */ filter, more = {}) =>
    rowsOf({ ...viewInput, ...more }, { ...ALL, ...filter }).map((row) => row.id);
  assert.deepEqual(ids({}), [old, young]);
  assert.deepEqual(ids({ show: 'unread' }), [young]);
  assert.deepEqual(ids({ show: 'archived' }), [middle]);
  assert.deepEqual(ids({ query: 'person' }), [old, young, middle], 'the archive is searched, too');
  const [row] = rowsOf(viewInput, { ...ALL, show: 'archived' });
  assert.deepEqual([row.muted, row.archived, row.pinned], [true, true, false]);
  assert.equal(rowsOf({ ...viewInput, serverNow: Date.parse('2026-11-22T10:00:00.000Z') }, { ...ALL, show: 'archived' })[0].muted, false);
  assert.deepEqual(unreadTotals(viewInput), { conversations: 1, messages: 0 });
});

test('the list shows what the conversations are about, and only those about one thing', () => {
  const server = new ModelServer(3);
  const [one, other] = [2, 3].map((user) => server.open('group', user, [ME]));
  for (const [index, id] of [one, other].entries()) server.send(index + 2, id, 'hello', `k${index}`);
  server.setContextStatus(one, 'Lost');
  const state = apply(emptyState(ME), { kind: 'list', page: server.list(ME, undefined, 10), requestedAt: 0 });
  const viewInput = {
    state, now: NOW, serverNow: NOW, selected: null, waiting: () => [], draft: () => '', readUpTo: () => 0,
    presenceSource: { typing: () => /** @type {number[]} */ ([]), presence: () => null },
  };
  const [context] = contextsOf(viewInput);
  assert.deepEqual(rowsOf(viewInput, { ...ALL, context: contextKey(context) }).map((row) => row.id), [one]);
  assert.deepEqual(contextFilter(viewInput, contextKey(context)), { contextTitle: context.title, hasContexts: true });
});

test('in a group the tick shows how many have read', () => {
  const story = buildConversation([[1, 'a', 1, 0]], 'group');
  story.server.mark(3, story.conversation.id, { read: 1 });
  const whole = story.server.conversation(ME, story.conversation.id);
  const run = blocksOf({ ...story, conversation: { ...whole, unreadAt: 0 } }).find((one) => one.type === 'group');
  assert.deepEqual(run?.meta.kind === 'tick' && [run.meta.words, run.meta.readers], ['Read by 1 of 2', true]);
});

test('the list shows the most urgent state, and no empty conversation that somebody else created', async () => {
  const { server, state, conversation } = buildConversation([[2, 'is it yours?', 1, 0]]);
  const quiet = server.open('direct', 3, [ME]);
  const own = server.open('direct', ME, [3]);
  const all = apply(state, { kind: 'list', page: server.list(ME, undefined, 10), requestedAt: 0 });
  const viewInput = {
    state: all, now: NOW, serverNow: NOW, selected: /** @type {number|null} */ (null),
    waiting: (/** @type {number} */ id) => (id === conversation.id ? [item('no', 'refused')] : []),
    draft: (/** @type {number} */ id) => (id === own ? 'dear' : ''), readUpTo: () => 0,
    presenceSource: { typing: () => /** @type {number[]} */ ([]), presence: () => null },
  };
  const filter = { ...ALL, query: '' };
  const rows = rowsOf(viewInput, filter);
  assert.deepEqual(rows.map((row) => [row.id, row.preview.kind]), [[own, 'draft'], [conversation.id, 'failed']]);
  assert.deepEqual(rowsOf({ ...viewInput, selected: quiet }, filter).map((row) => row.id), [own, quiet, conversation.id]
    .sort((a, b) => (all.conversations.get(b)?.activity ?? 0) - (all.conversations.get(a)?.activity ?? 0)));
  assert.deepEqual(rowsOf(viewInput, { ...ALL, show: 'unread' }).map((row) => row.id), [conversation.id]);
  const plain = rowsOf(viewInput, { ...ALL, query: 'PERson 3' });
  assert.deepEqual(plain.map((row) => row.id), [own], 'before the search module has loaded');
  await import('../src/inbox/search/name-matching.js');
  assert.deepEqual(rowsOf(viewInput, { ...ALL, query: 'PÉRson 3' }).map((row) => row.id), [own]);
  assert.equal(rowsOf({ ...viewInput, readUpTo: () => 1 }, filter)[1].unread, 0,
    'messages read on this page count as read');
});

test('a system message about a former member shows their name in the list', () => {
  const { state, conversation } = buildConversation([[2, 'hello', 1, 0], [1, 'bye', 2, 0]], 'group');
  const ben = conversation.members.find((one) => one.user.id === 2)?.user;
  const last = conversation.last_message;
  assert.ok(ben && last);
  const left = {
    ...conversation, version: conversation.version + 1, members: conversation.members.filter((one) => one.user.id !== 2),
    last_message: { ...last, sender: 2, text: '', system: /** @type {const} */ ({ type: 'left' }) },
  };
  const page = { conversations: [left], users: [ben], next: null, cursor: '1.1' };
  const fresh = apply(emptyState(ME), { kind: 'list', page, requestedAt: 0 });
  const viewInput = {
    state: fresh, now: NOW, serverNow: NOW, selected: null, waiting: () => [], draft: () => '', readUpTo: () => 0,
    presenceSource: { typing: () => /** @type {number[]} */ ([]), presence: () => null },
  };
  assert.equal(rowsOf(viewInput, { ...ALL, query: '' })[0].preview.text, `${ben.name} left`);
  const opened = apply(emptyState(ME), { kind: 'conversation', conversation: left, users: [ben], requestedAt: 0 });
  assert.equal(opened.users.get(2)?.name, ben.name);
  assert.equal(state.users.get(2)?.name, ben.name);
});

test('the list is filtered in the way the server finds users', () => {
  const { state, conversation } = buildConversation([[2, 'hello', 1, 0]]);
  const found = (/** @type {string} */ name, /** @type {string} */ query) => {
    const members = conversation.members.map((one) => (one.user.id === 2 ? { ...one, user: { ...one.user, name, version: 99 } } : one));
    const page = { conversations: [{ ...conversation, members }], next: null, cursor: '1.1' };
    const viewInput = {
      state: apply(emptyState(ME), { kind: 'list', page, requestedAt: 0 }), now: NOW, serverNow: NOW, selected: null, waiting: () => [],
      draft: () => '', readUpTo: () => 0, presenceSource: { typing: () => /** @type {number[]} */ ([]), presence: () => null },
    };
    return rowsOf(viewInput, { ...ALL, query }).length === 1;
  };
  for (const [name, query] of [['Jérémie', 'jer'], ['Łukasz', 'lukasz'], ['Groß', 'gross'], ['Işık', 'ışık'], ['김철수', '철수'],
    ["O'Brien", 'obrien']]) assert.ok(found(name, query), `${query} finds ${name}`);
  assert.ok(!found('Jérémie', 'erem'));
  assert.ok(!found('Jérémie', '?'), 'a punctuation mark alone finds nothing');
  assert.ok(state.list.loaded);
});

test('times are as short as possible', () => {
  const at = (/** @type {number[]} */ ...when) => new Date(when[0], when[1], when[2], 10, 47).getTime();
  assert.equal(shortTime(at(2026, 10, 22), NOW), '10:47');
  assert.equal(shortTime(at(2026, 10, 21), NOW), 'Yesterday');
  assert.equal(shortTime(at(2026, 10, 20), NOW), 'Fri');
  assert.equal(shortTime(at(2026, 10, 12), NOW), '12 Nov');
  assert.equal(shortTime(at(2025, 10, 12), NOW), '12 Nov 2025');
});

test('names have initials, and messages of a few emoji are large', () => {
  assert.deepEqual(['Ada Lovelace', 'Élodie', '田中 由紀', 'Priya R.-C. Castellanos', '  '].map(initials),
    ['AL', 'É', '由紀', 'PC', '?']);
  assert.deepEqual(['🎉🙌', '👩‍👩‍👧', '🇦🇹', '1', '🎉 ok', '🎉🎉🎉🎉', ''].map(isLargeEmoji),
    [true, true, true, false, false, false, false]);
});

test('the URL hash names the route', () => {
  assert.deepEqual(routeOf('#/c/12'), { at: 'conversation', id: 12 });
  assert.deepEqual(routeOf('#/c/0'), { at: 'list' });
  assert.deepEqual(routeOf(''), { at: 'list' });
  assert.deepEqual(routeOf('#/settings'), { at: 'settings' });
  assert.deepEqual(routeOf('#/open?type=item&id=5&role=owner'),
    { at: 'open', context: { type: 'item', id: '5' }, role: 'owner' });
});

test('in a large conversation unloaded members are counted, and the own marker arrives in another scope', () => {
  const { conversation, server } = buildConversation([[2, 'a', 1, 0], [2, 'b', 1, 1]], 'group');
  const row = { ...conversation.members[1], user: { id: 99, name: 'New', picture: null, version: 50 } };
  const how = { me: ME, fanOutMax: 2 };
  const place = { scope: 'conversation:1', version: 90, prev: conversation.version };
  const grown = applyToRow(conversation,
    { type: 'member.updated', ...place, members: [row], member_count: 4, unread: null }, how);
  assert.equal(grown.members.length, 3);
  assert.equal(grown.member_count, 4);
  const marker = { conversation: 1, read_seq: 2, delivered_seq: 2, unread: 0 };
  assert.equal(withMarker(conversation, marker, ME, 5), null, 'older than the copy: the conversation is requested');
  const read = withMarker(conversation, marker, ME, 95);
  assert.equal(read?.unread, 0);
  assert.equal(read && withMarker(read, { ...marker, read_seq: 1 }, ME, 96), read, 'an old marker is ignored');
  const whole = mergeRow(read ?? undefined, server.conversation(ME, 1), ME);
  assert.equal(whole.members.find((one) => one.user.id === ME)?.read_seq, 2, 'a full copy does not move it back');
});

test('in a large conversation a member row without a marker does not reset a read position', () => {
  const { conversation } = buildConversation([[2, 'a', 1, 0], [2, 'b', 1, 1]], 'group');
  const ben = conversation.members.find((one) => one.user.id !== ME);
  assert.ok(ben && ben.read_seq === 2);
  const place = { scope: 'conversation:1', version: 90, prev: conversation.version };
  const masked = { ...ben, role: /** @type {const} */ ('moderator'), read_seq: 0, read_at: null };
  const event = {
    type: /** @type {const} */ ('member.updated'), ...place, members: [masked], member_count: 3, unread: null,
  };
  const rowIn = (/** @type {number} */ fanOutMax) => applyToRow(conversation, event, { me: ME, fanOutMax })
    .members.find((one) => one.user.id === ben.user.id);
  assert.equal(rowIn(2)?.read_seq, 2);
  assert.equal(rowIn(2)?.role, 'moderator');
  assert.equal(rowIn(9)?.read_seq, 0, 'in a small conversation the missing marker counts');
});

test('an own message does not undo an own marker that moved in another scope', () => {
  const { conversation, server } = buildConversation([[2, 'a', 1, 0], [2, 'b', 1, 0], [2, 'c', 1, 0]], 'group');
  const { last_message: last, unread, version } = conversation;
  assert.ok(last && unread === 3);
  // The own marker moved to 2 at a version in between; the own message, sent after it, arrives first.
  const message = { ...last, id: version + 2, seq: last.seq + 1, sender: ME, client_id: 'mine' };
  const sender = server.conversation(ME, 1).members.find((one) => one.user.id === ME)?.user;
  assert.ok(sender);
  const place = { scope: 'conversation:1', version: version + 2, prev: version };
  const sent = applyToRow(conversation,
    { type: 'message.created', ...place, message, sender, sender_read_seq: 2 }, { me: ME, fanOutMax: 2 });
  assert.equal(sent.unread, 3);
  const marker = { conversation: 1, read_seq: 2, delivered_seq: 2, unread: 1 };
  assert.equal(withMarker(sent, marker, ME, version + 1), null, 'counted before: the conversation is requested');
  const later = withMarker(conversation, { ...marker, read_seq: last.seq + 1, unread: 1 }, ME, version + 9);
  const all = later && applyToRow(later, { type: 'message.created', ...place, message, sender,
    sender_read_seq: message.seq }, { me: ME, fanOutMax: 2 });
  assert.equal(all?.unread, 1, 'counted after the message: the count stays');
});

const frames = new URL('../../fixtures/frames/', import.meta.url);

test('every frame of the server is understood', async () => {
  const files = readdirSync(frames).filter((name) => /^(event|reply)\./u.test(name));
  assert.ok(files.length > 10);
  for (const file of files) {
    for (const { name, frame } of JSON.parse(readFileSync(new URL(file, frames), 'utf8'))) {
      await assertUnderstood(file, name, frame);
    }
  }
});

/** @param {string} file @param {string} name @param {any} frame */
async function assertUnderstood(file, name, frame) {
  const fake = new FakeSocket();
  /** @type {any[]} */
  const events = [];
  const socket = new Socket({
    socket: fake.like(), clock: manualClock(), opened: () => {}, event: (event) => events.push(event), closed: () => {},
  });
  fake.open();
  if (file.startsWith('event.')) {
    fake.receive(frame);
    assert.equal(events.length, 1, `${file}: ${name}`);
    // Ephemeral events have no scope and are not part of the state.
    if (frame.scope === undefined) return;
    const user = Number(/^user:(\d+)$/u.exec(frame.scope)?.[1] ?? 7);
    const state = apply(emptyState(user), { kind: 'event', event: frame });
    assert.equal(state.cursor, null);
    return;
  }
  const request = socket.request({ type: 'me.get' }).then((value) => ({ value }), (error) => ({ error }));
  fake.receive({ ...frame, re: fake.sent[0].id });
  await flushPromises();
  const answer = /** @type {any} */ (await request);
  if (frame.error) assert.equal(answer.error.code, frame.error.code, `${file}: ${name}`);
  else assert.deepEqual({ ...answer.value, re: 0 }, { ...frame, re: 0 }, `${file}: ${name}`);
}
