/**
 * What messages show besides their text: system messages, quotes, reactions, screen reader sentences, emoji, drafts.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ComposerDraft } from '../src/inbox/thread/draft.js';
import { Drafts } from '../src/sdk/drafts.js';
import { emojiName, oftenUsed, usedAgain } from '../src/inbox/view/emoji.js';
import { findEmoji, groups } from '../src/inbox/view/emoji-search.js';
import { previewMessage, systemPhrase, wordsOf } from '../src/inbox/view/preview.js';
import { emptyThread } from '../src/sdk/state/messages.js';
import { buildBlocks } from '../src/inbox/view/message-groups.js';
import { spokenMessage } from '../src/inbox/view/spoken-message.js';
import { threadView } from '../src/inbox/view/thread.js';
import { emptyState } from '../src/sdk/state/state.js';
import { UserStorage, memoryStorage } from '../src/sdk/storage.js';

/**
 * @import {Block, MessageView} from '../src/inbox/view/message-groups.js'
 * @import {Conversation, Member, Message, SystemLine} from '../src/sdk/wire.js'
 */

const ME = 1;
const NAMES = ['', 'Ada Winter', 'Ben Okafor', 'Cleo', 'Dora'];
const NOW = new Date(2026, 10, 22, 12, 0).getTime();

function createState() {
  const state = emptyState(ME);
  for (const [id, name] of NAMES.entries()) if (id > 0) state.users.set(id, { id, name, picture: null, version: 1 });
  return state;
}

/** @param {number} seq @param {Partial<Message>} [more] @returns {Message} */
function message(seq, more = {}) {
  return {
    id: seq, conversation: 1, seq, version: seq, sender: 2, client_id: `m${seq}`, text: `text ${seq}`,
    created_at: new Date(2026, 10, 22, 9, seq).toISOString(), ...more,
  };
}

/** @param {Message[]} messages @param {'direct'|'group'} [kind] @param {Map<number, Message|null>} [quoted]
 * @returns {Block[]} */
function blocksOf(messages, kind = 'group', quoted) {
  /** @type {Member[]} */
  const members = [1, 2, 3].map((id) => ({
    user: { id, name: NAMES[id], picture: null, version: 1 }, role: 'member', context_role: null, read_seq: 0,
    read_at: null, delivered_seq: 0, history_from: 1, left: false, version: 1,
  }));
  /** @type {Conversation} */
  const conversation = {
    id: 1, version: 9, kind, title: null, picture: null, context: null, created_by: 2, created_at: '', activity: 9,
    last_seq: messages.length, last_message: messages.at(-1) ?? null, member_count: 3, members, unread: 0,
  };
  return buildBlocks({
    state: createState(), conversation, messages, items: [], now: NOW, atBeginning: false, divider: null, offline: false,
    ...(quoted ? { quoted: (seq) => quoted.get(seq) } : {}),
  });
}

/** @param {Block[]} blocks @returns {MessageView[]} */
function messagesIn(blocks) {
  return blocks.flatMap((one) => (one.type === 'group' ? one.messages : []));
}

test('system messages say who did what, with the right plural', () => {
  const state = createState();
  /** @param {number} sender @param {SystemLine} line */
  const line = (sender, line) => wordsOf(systemPhrase(state, sender, line));
  assert.equal(line(2, { type: 'added', users: [3] }), 'Ben Okafor added Cleo');
  assert.equal(line(2, { type: 'added', users: [3, 1] }), 'Ben Okafor added you and Cleo');
  assert.equal(line(1, { type: 'added', users: [2, 3, 4] }), 'You added Ben Okafor and 2 others');
  assert.equal(line(1, { type: 'removed', user: 2 }), 'You removed Ben Okafor');
  assert.equal(line(2, { type: 'left' }), 'Ben Okafor left');
  assert.equal(line(2, { type: 'left', heir: 3 }), 'Ben Okafor left; Cleo is the owner now');
  assert.equal(line(2, { type: 'left', heir: 1 }), 'Ben Okafor left; you are the owner now');
  assert.equal(line(2, { type: 'role_changed', user: 1, role: 'moderator' }), 'Ben Okafor made you a moderator');
  assert.equal(line(1, { type: 'role_changed', user: 3, role: 'owner' }), 'You made Cleo an owner');
  assert.equal(line(2, { type: 'renamed', title: 'Night desk' }), 'Ben Okafor named the group Night desk');
  assert.equal(line(2, { type: 'picture_changed' }), 'Ben Okafor changed the picture');
  assert.equal(line(9, { type: 'left' }), 'Somebody left', 'an unknown user still has a name');
  assert.equal(line(2, /** @type {any} */ ({ type: 'of_a_later_version' })), 'Ben Okafor changed something here');
});

test('a system message stands alone, and a hidden message takes no space', () => {
  const blocks = blocksOf([
    message(1), message(2, { client_id: '', system: { type: 'left' } }), message(3, { hidden: true, text: '' }),
    message(4), message(5, { client_id: '', system: { type: 'added', users: [3] } }),
  ]);
  assert.deepEqual(blocks.map((one) => (one.type === 'system' ? wordsOf(one.phrase) : one.type)),
    ['day', 'group', 'Ben Okafor left', 'group', 'Ben Okafor added Cleo']);
  assert.deepEqual(messagesIn(blocks).map((one) => one.seq), [1, 4]);
  assert.equal(new Set(blocks.map((one) => one.key)).size, blocks.length);
});

test('a deleted message says so, and not by whom, since a moderator may have removed it', () => {
  const gone = message(1, { text: '', deleted: true });
  assert.equal(messagesIn(blocksOf([gone], 'direct'))[0].deleted, 'This message was deleted');
  assert.equal(messagesIn(blocksOf([gone], 'group'))[0].deleted, 'This message was deleted');
  const [run] = blocksOf([{ ...gone, sender: ME }]).filter((one) => one.type === 'group');
  assert.equal(run.meta.kind, 'time', 'no tick is shown for a system message');
});

test('the last own message that was not deleted has a word beside its tick', () => {
  const blocks = blocksOf([message(1, { sender: ME }), message(3, { sender: ME, text: '', deleted: true })]);
  const metas = blocks.flatMap((one) => (one.type === 'group' ? [one.meta] : []));
  assert.deepEqual(metas.map((one) => (one.kind === 'tick' ? one.iconOnly : one.kind)), [false, 'time']);
});

test('a quote shows the current state of its message, wherever the message is held', () => {
  const answer = message(5, { sender: ME, reply_to: 1 });
  assert.deepEqual(messagesIn(blocksOf([message(1, { text: 'is *it* yours?' }), message(2), answer]))[2].quote,
    { seq: 1, who: 'Ben Okafor', text: 'is it yours?', sign: null, there: true });
  const far = [message(4), answer];
  const quoteOf = (/** @type {Map<number, Message|null>} */ quoted) => messagesIn(blocksOf(far, 'group', quoted))[1].quote;
  assert.equal(quoteOf(new Map([[1, message(1)]]))?.text, 'text 1');
  assert.equal(quoteOf(new Map())?.text, '…', 'the quote is loading');
  assert.deepEqual(quoteOf(new Map([[1, null]])), {
    seq: 1, who: '', text: 'This message is not here', sign: null, there: false,
  });
  assert.equal(quoteOf(new Map([[1, message(1, { hidden: true, text: '' })]]))?.there, false);
  assert.equal(quoteOf(new Map([[1, message(1, { deleted: true, text: '' })]]))?.text, 'This message was deleted');
});

test('reactions show their number, their users and whether one is mine', () => {
  const [view] = messagesIn(blocksOf([message(1, {
    reactions: [{ emoji: '👍🏽', users: [2, ME, 3] }, { emoji: '🎉', users: [2] }],
  })]));
  assert.deepEqual(view.reactions, [
    { emoji: '👍🏽', count: 3, mine: true, names: 'Ben Okafor, You and Cleo' },
    { emoji: '🎉', count: 1, mine: false, names: 'Ben Okafor' },
  ]);
  const many = Array.from({ length: 25 }, (_, index) => index + 1);
  const [crowd] = messagesIn(blocksOf([message(1, { reactions: [{ emoji: '🎉', users: many }] })]));
  assert.match(crowd.reactions[0].names, / and 5 more$/u);
});

test('a screen reader reads a message as one sentence', () => {
  const [, view] = messagesIn(blocksOf([message(1, { text: 'the scratch?' }), message(2, {
    sender: ME, subject: 'The handover', text: 'At *ten*,\nby the stall.', reply_to: 1, forwarded: true,
    reactions: [{ emoji: '❤️', users: [2] }], edited_at: '2026-11-22T09:20:00.000Z',
  })]));
  assert.equal(spokenMessage(view, 'You', 'Read'), 'You, 09:02. Forwarded. In reply to Ben Okafor: the scratch?. '
    + 'Subject: The handover. At ten, by the stall. red heart: Ben Okafor. edited. Read');
  const [gone] = messagesIn(blocksOf([message(1, { deleted: true, text: '' })]));
  assert.equal(spokenMessage(gone, 'Ben Okafor', ''), 'Ben Okafor, 09:01. This message was deleted');
});

test('the conversation list shows a message as one line', () => {
  const state = createState();
  assert.deepEqual(previewMessage(state, message(1, { text: 'a *b*\n  `c`' })), { text: 'a b c', sign: null });
  assert.deepEqual(previewMessage(state, message(1, { subject: 'S', text: 't' })), { text: 'S: t', sign: null });
  assert.deepEqual(previewMessage(state, message(1, { deleted: true, text: '' })),
    { text: 'This message was deleted', sign: 'bin' });
  state.conversations.set(1, /** @type {any} */ ({ id: 1, kind: 'direct' }));
  assert.equal(previewMessage(state, message(1, { deleted: true, text: '', sender: 1 })).text, 'This message was deleted');
  assert.equal(previewMessage(state, message(1, { system: { type: 'left' } })).text, 'Ben Okafor left');
});

test('emoji are found by word prefixes and have names', () => {
  const all = groups.flatMap((group) => group.emoji);
  assert.equal(new Set(all.map((one) => one.emoji)).size, all.length, 'no emoji appears twice');
  for (const one of all) {
    assert.match(one.emoji, /^[\p{Extended_Pictographic}\p{Regional_Indicator}\d]/u, one.words);
    assert.equal([...new Intl.Segmenter().segment(one.emoji)].length, 1, one.words);
    assert.match(one.name, /^[a-z0-9][a-z0-9 -]*$/u, one.emoji);
  }
  assert.deepEqual(findEmoji('umbr').map((one) => one.emoji), ['☂️', '☔', '🌂']);
  assert.deepEqual(findEmoji('Rain, umb').map((one) => one.emoji), ['☔']);
  assert.deepEqual(findEmoji('no such thing'), []);
  assert.equal(emojiName('👍🏽'), 'thumbs up');
  assert.equal(emojiName('❤'), 'red heart');
  assert.equal(emojiName('🫎'), '🫎', 'an emoji without a name is its own name');
});

test('frequently used emoji come first', () => {
  assert.deepEqual(oftenUsed(null, 3), ['👍', '❤️', '😂']);
  const listed = groups.flatMap((group) => group.emoji);
  for (const usual of oftenUsed(null, 8)) {
    assert.equal(listed.find((one) => one.emoji === usual)?.name, emojiName(usual), 'the name is the same everywhere');
  }
  let counts = usedAgain(null, '🎉');
  counts = usedAgain(counts, '☂️');
  counts = usedAgain(counts, '☂️');
  assert.deepEqual(oftenUsed(counts, 4), ['☂️', '🎉', '👍', '❤️']);
  assert.deepEqual(oftenUsed({ '👍': 'x', '🎉': -1 }, 2), ['👍', '❤️'], 'the stored value may be anything');
  for (let index = 0; index < 100; index += 1) counts = usedAgain(counts, `e${index}`);
  assert.ok(Object.keys(counts).length <= 24);
});

/** @param {import('../src/sdk/storage.js').StorageLike} shelf */
function draftOn(shelf) {
  return new ComposerDraft(new Drafts({ storage: new UserStorage(shelf, ME), now: () => 1, newId: () => 'a' }));
}

test('the quoted message and the subject are part of the draft, an edit is not', () => {
  const shelf = memoryStorage();
  const drafting = draftOn(shelf);
  drafting.reply(1, 7);
  drafting.subject(1, ' Handover ');
  drafting.edit(message(3));
  assert.deepEqual(draftOn(shelf).of(1), { reply: 7, subject: ' Handover ', mentions: [], editing: null });
  assert.equal(drafting.of(1).editing?.seq, 3);
  assert.equal(drafting.of(2).editing, null);
  drafting.cancel(1);
  assert.equal(drafting.of(1).editing, null);
  assert.equal(drafting.of(1).reply, 7, 'the quoted message returns when the edit ends');
  assert.deepEqual(drafting.take(1, 7), { reply_to: 7, subject: 'Handover' });
  assert.deepEqual(drafting.of(1), { reply: null, subject: null, mentions: [], editing: null });
  assert.deepEqual(drafting.take(1, null), {});
});

test('an edit continues while its message is not loaded and ends when the message is deleted', () => {
  const drafting = draftOn(memoryStorage());
  drafting.edit(message(3, { sender: ME, text: 'as it was', subject: 'about' }));
  const presenceSource = { typing: () => /** @type {number[]} */ ([]), presence: () => null };
  const modeWith = (/** @type {Message[]} */ messages) => {
    const state = createState();
    state.threads.set(1, { ...emptyThread(1), loaded: true, messages });
    const viewInput = {
      state, now: NOW, serverNow: NOW, selected: 1, waiting: () => [], draft: () => '', readUpTo: () => 0, presenceSource,
    };
    return threadView(viewInput, {
      id: 1, divider: null, offline: false, progress: 'idle', side: null, draft: '', draftTaken: 0, charsMax: 9, subjectMax: 9,
      attached: [], bytesMax: 9, drafting: drafting.of(1), isJumping: false, enterSends: true, withPending: (one) => one,
    }).composer.mode;
  };
  const away = modeWith([message(8)]);
  assert.deepEqual(away?.kind === 'edit' && [away.seq, away.words], [3, { text: 'as it was', mentions: [], subject: 'about' }]);
  const loaded = modeWith([message(3, { sender: ME, text: 'as it is' })]);
  assert.equal(loaded?.kind === 'edit' && loaded.words.text, 'as it is');
  assert.equal(modeWith([message(3, { sender: ME, text: '', deleted: true })]), null);
});
