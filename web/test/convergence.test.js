/**
 * I7: after any interruption the client's state equals the store, for every kind of change, in any interleaving of
 * losses, repeats, reorderings, failures, restarts and restored backups.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { totalsOf } from '../src/sdk/state/unread-totals.js';
import {
  changeRole, deleteMessage, edit, hide, react, removeMessage, switchReceipts, unhide, updateGroup,
} from './support/message-changes.js';
import { SyncHarness } from './support/sync-harness.js';
import { ModelServer } from './support/model-server.js';
import { isBlocked, setBlocked } from './support/model-blocks.js';
import { draftOf, saveDraft } from './support/model-drafts.js';
import { readWarning, report, setModerator, settle } from './support/model-reports.js';
import { clear, updateSettings } from './support/model-settings.js';

const USERS = 4;
const ME = 1;
const RUNS = Number(process.env.RUNS ?? 300);

/** One step: its kind and the numbers that it needs. */
const step = fc.record({
  kind: fc.constantFrom(
    'send', 'send', 'send', 'send', 'reply', 'read', 'read', 'deliver', 'add', 'addFromStart', 'remove', 'rename',
    'setContext', 'open', 'group', 'edit', 'edit', 'delete', 'delete', 'react', 'react', 'hide', 'hide', 'hide',
    'unhide', 'unhide', 'hostRemoves',
    'title', 'picture', 'role', 'receipts', 'settings', 'settings', 'clear', 'block', 'block', 'unblock',
    'draft', 'draft',
    'report', 'report', 'report', 'settle', 'settle', 'readWarning', 'moderator', 'loadReports', 'loadReports', 'loadReports',
    'receive', 'receive', 'receive', 'receive', 'reorder', 'lose', 'repeat', 'answer', 'answer', 'answer',
    'answerEarly', 'fail',
    'disconnect', 'resume', 'restart', 'restore', 'backup', 'wait', 'show', 'show', 'older', 'newer', 'jump', 'jump',
    'latest', 'trim', 'leave', 'more', 'toggleLive', 'actSelf', 'search', 'search',
    'save', 'save', 'reload', 'reloadAndResume',
    'askHeads', 'answerHeads', 'answerHeads', 'reset', 'reset', 'leaveUnnoticed', 'leaveUnnoticed',
  ),
  who: fc.integer({ min: 1, max: USERS }),
  other: fc.integer({ min: 1, max: USERS }),
  pick: fc.nat(12),
});

const steps = fc.array(step, { maxLength: 120, size: 'max' });

/** Returns the steps of a failure that was found once. @param {string} text each `kind who other pick`
 * @returns {Step[]} */
function stepsOf(text) {
  return text.split(', ').map((words) => {
    const [kind, ...numbers] = words.split(' ');
    const [who, other, pick] = numbers.map(Number);
    return { kind: /** @type {any} */ (kind), who: who ?? 1, other: other ?? 1, pick: pick ?? 0 };
  });
}

/** @param {number} count @returns {string} */
const sends = (count) => Array(count).fill('send').join(', ');

/** @type {[Step[], number][]} */
const FOUND = [
  [stepsOf(`${sends(5)}, reloadAndResume, ${sends(3)}, send 1 1 9, restart, send, settings 1 1 3`), 0],
  [stepsOf('reload, leaveUnnoticed, settings, receive, receive, answer'), 0],
];

/** @type {[Step[], number][]} */
const FOUND_IN_TOTALS = [
  [stepsOf(`${sends(9)}, reset, group 1 4, send, settings 4`), 2],
  [stepsOf(`${sends(3)}, reset, ${sends(5)}, open 3, ${sends(7)}, send 3, send, settings 3`), 2],
];

test('after any sequence of failures the state equals the store', async () => {
  await fc.assert(fc.asyncProperty(steps, fc.nat(4), async (steps, older) => {
    const server = new ModelServer(USERS);
    for (const user of older % 2 ? [] : [ME, 2]) setModerator(server, user, true);
    for (let index = 0; index < older; index += 1) server.send(2, server.open('group', 2, [1]), 'unread', `old-${index}`);
    const conversation = server.open('group', 1, [2, 3]);
    server.open('direct', 1, [2]);
    server.send(2, conversation, 'hello', 'first');
    const harness = await SyncHarness.open(server, ME, older === 0);
    let backup = server.backup();
    for (const [index, one] of steps.entries()) {
      if (one.kind === 'backup') backup = server.backup();
      if (one.kind === 'restore') server.restore(backup);
      change(server, one, index);
      if (one.kind === 'leaveUnnoticed') leaveUnnoticed(harness, one);
      await disturb(harness, one);
    }
    await harness.recover();
    harness.assertEqual();
  }), { numRuns: RUNS, examples: FOUND });
});

/** Steps that lose something or end the connection. */
const LOSSES = new Set(['reload', 'reloadAndResume', 'lose', 'fail', 'disconnect', 'resume', 'restart', 'restore', 'toggleLive', 'leaveUnnoticed']);

test('while the connection lasts, events alone keep the unread totals right, for loaded and unloaded conversations', async () => {
  await fc.assert(fc.asyncProperty(steps, fc.integer({ min: 2, max: 5 }), async (steps, older) => {
    const server = new ModelServer(USERS);
    for (const user of older % 2 ? [] : [ME, 2]) setModerator(server, user, true);
    for (let index = 0; index < older; index += 1) server.send(2, server.open('group', 2, [1]), 'unread', `old-${index}`);
    server.open('direct', 1, [2]);
    const harness = await SyncHarness.open(server, ME, false);
    for (const [index, one] of steps.entries()) {
      change(server, one, index);
      if (!LOSSES.has(one.kind)) await disturb(harness, one);
    }
    await harness.settle();
    assert.deepEqual(totalsOf(harness.state), server.totals(ME));
    harness.assertReports();
  }), { numRuns: RUNS, examples: FOUND_IN_TOTALS });
});

/** @typedef {{kind: string, who: number, other: number, pick: number}} Step */

/** @param {ModelServer} server @param {Step} one @param {number} index */
function change(server, { kind, who, other, pick }, index) {
  const conversations = server.conversationsOf(who);
  const conversation = conversations[pick % Math.max(1, conversations.length)];
  const last = conversation?.messages.at(-1)?.seq ?? 0;
  if (kind === 'open' && who !== other && server.data.conversations.size < 9) server.open('direct', who, [other]);
  if (kind === 'group' && server.data.conversations.size < 9) server.open('group', who, [other]);
  if (kind === 'moderator') setModerator(server, pick % 3 ? ME : who, pick % 4 > 0);
  if (kind === 'rename') server.rename(who, `Person ${who}.${index}`);
  if (!conversation) return;
  if (kind === 'block' || kind === 'unblock') setBlocked(server, pick % 3 ? ME : who, other, kind === 'block');
  const isOpen = !isBlocked(server, conversation);
  if (kind === 'send' && isOpen) server.send(who, conversation.id, `message ${index}`, `id-${index}`, undefined, mentioned(pick));
  const replyTo = 1 + (pick % Math.max(1, last));
  if (kind === 'reply' && last > 0 && isOpen) server.send(who, conversation.id, `reply ${index}`, `id-${index}`, replyTo);
  if (last > 0) changeMessage(server, { kind, who, other, pick }, conversation.id, 1 + (pick * 7 + index) % last);
  if (kind === 'read') server.mark(who, conversation.id, { read: Math.max(0, last - (pick % 3)) });
  if (kind === 'deliver') server.mark(who, conversation.id, { delivered: last });
  if (kind === 'add' || kind === 'addFromStart') server.add(conversation.id, other, who, kind !== 'add');
  if (kind === 'remove') server.remove(conversation.id, other);
  if (kind === 'settle' || kind === 'readWarning') changeReport(server, { kind, who, other, pick });
  if (kind === 'settings') updateSettings(server, userOf(server, conversation.id, who), conversation.id, SETTINGS[index % SETTINGS.length](last));
  if (kind === 'clear') clear(server, userOf(server, conversation.id, who), conversation.id, last - (pick % 3));
  if (kind === 'draft') {
    const user = userOf(server, conversation.id, who);
    const { version } = draftOf(server, user, conversation.id);
    saveDraft(server, user, conversation.id, { text: pick % 3 === 0 ? '' : `draft ${index}`, since: pick % 5 === 0 ? 0 : version });
  }
  if (kind === 'setContext') server.setContextStatus(conversation.id, `state ${index}`);
}

/** @param {ModelServer} server @param {Step} one */
function changeReport(server, { kind, pick }) {
  const { moderators, reports, warnings } = server.data.reports;
  const [by, one] = [[...moderators][pick % Math.max(1, moderators.size)], reports[pick % Math.max(1, reports.length)]];
  if (kind === 'readWarning') readWarning(server, ME, warnings.get(ME)?.at(pick % 2)?.report ?? 0);
  else if (by !== undefined && one) settle(server, by, one.id, { remove: pick % 2 > 0, warn: pick % 3 > 0 });
}

/** Returns whom a message mentions: often the user under test. @param {number} pick @returns {number[]} */
function mentioned(pick) {
  return [[], [ME], [2], [ME, 3]][pick % 4];
}

/** What a user changes of their settings. @type {((last: number) => import('../src/sdk/wire.js').SettingsUpdate)[]} */
const SETTINGS = [
  () => ({ pinned: true }), (last) => ({ archived_seq: last }), () => ({ muted: true }), () => ({ marked_unread: true }),
  () => ({ pinned: false, archived_seq: null }), (last) => ({ archived_seq: last - 1 }), () => ({ muted: false }),
  () => ({ muted: true, muted_until: '2020-01-02T03:04:05.000Z' }), () => ({ marked_unread: false }),
];

/** Returns the user if they are in a conversation, else another member. @param {ModelServer} server @param {number} id
 * @param {number} who @returns {number} */
function userOf(server, id, who) {
  return server.data.conversations.get(id)?.members.get(ME)?.left === false ? ME : who;
}

/** @param {ModelServer} server @param {Step} one @param {number} id @param {number} seq */
function changeMessage(server, { kind, who, other, pick }, id, seq) {
  if (kind === 'edit') edit(server, who, id, seq, `edited ${pick}`, mentioned(pick >> 1));
  if (kind === 'delete') deleteMessage(server, who, id, seq);
  // Everybody tries: the sender may not, and not everybody sees it.
  if (kind === 'report') for (const user of pick % 4 ? [1, 2, 3, 4] : [who]) report(server, user, id, seq);
  if (kind === 'react') react(server, who, id, seq, pick % 2 ? '👍' : '❤️', pick % 3 > 0);
  const there = server.data.conversations.get(id)?.members.get(ME)?.left === false;
  if (kind === 'hide') hide(server, pick % 3 && there ? ME : who, id, seq);
  if (kind === 'unhide') unhide(server, ME, pick);
  if (kind === 'hostRemoves') removeMessage(server, id, seq);
  if (kind === 'title') updateGroup(server, who, id, { title: `Title ${pick}` });
  if (kind === 'picture') updateGroup(server, who, id, { picture: `/v1/pictures/${pick}` });
  if (kind === 'role') changeRole(server, who, id, other, pick % 2 ? 'moderator' : 'member');
  if (kind === 'receipts') switchReceipts(server, pick % 2 ? ME : other, pick % 3 > 0);
}

/** @param {SyncHarness} harness @param {{kind: string, pick: number}} one */
async function disturb(harness, { kind, pick }) {
  const { events } = harness;
  const ids = [...harness.state.conversations.keys()];
  const id = ids[pick % Math.max(1, ids.length)];
  switch (kind) {
    case 'receive': return harness.receiveOne();
    case 'reorder': return harness.receiveOne(pick);
    case 'lose': return void events.splice(pick % Math.max(1, events.length), 1);
    case 'repeat': return void (events.length > 0 && events.push(events[pick % events.length]));
    case 'answer': return harness.reply(pick);
    case 'answerEarly': return harness.reply(pick, true);
    case 'fail': return harness.fail(pick);
    case 'disconnect': return harness.disconnect();
    case 'resume': return harness.resume();
    case 'restore':
    case 'restart': {
      if (kind === 'restart') harness.server.start();
      await harness.disconnect();
      return harness.resume();
    }
    case 'reset': return harness.reset();
    case 'save': return harness.save(pick % 4 === 0);
    case 'reload': return harness.reload();
    case 'reloadAndResume':
      await harness.reload();
      return harness.resume();
    case 'wait': return harness.clock.advance(pick * 100);
    case 'show': return void (id && harness.sync.threads.open(id));
    case 'older': return void (id && harness.sync.threads.loadOlder(id));
    case 'newer': return void (id && harness.sync.threads.loadNewer(id));
    case 'jump': return void (id && harness.sync.threads.openAround(id, 1 + pick));
    case 'search': return void (id && recordHit(harness, id, pick));
    case 'latest': return void (id && harness.sync.threads.openLatest(id));
    case 'leave': return void (id && harness.sync.threads.close(id));
    case 'trim': {
      const seqs = (id && harness.state.threads.get(id)?.messages.map((message) => message.seq)) || [];
      return void (id && seqs.length > 2 && harness.sync.threads.trim(id, seqs[pick % 2], seqs[seqs.length - 1 - (pick % 3)]));
    }
    case 'actSelf': return actSelf(harness, id, pick);
    case 'loadReports': return harness.loadReports(pick % 3 ? 'open' : 'settled');
    case 'more': return void harness.sync.loadList();
    case 'askHeads': return harness.askHeads();
    case 'answerHeads': return harness.answerHeads();
    case 'toggleLive':
      harness.live = !harness.live;
  }
}

/** Opens a group with the user and removes them: its opening is still on its way, and the event of the removal is lost.
 * @param {SyncHarness} harness @param {Step} one */
function leaveUnnoticed({ server, events }, { other }) {
  if (server.data.conversations.size >= 10) return;
  const conversation = server.open('group', other, [ME]);
  const before = events.length;
  server.remove(conversation, ME);
  events.splice(before);
}

/** Adds a message to the search hits. @param {SyncHarness} harness @param {number} id @param {number} pick */
function recordHit({ server, sync }, id, pick) {
  if (server.data.conversations.get(id)?.members.get(ME)?.left !== false) return;
  const messages = server.messages(ME, id, { limit: 20 }).messages.filter((one) => !one.hidden && !one.deleted);
  sync.applyInput({ kind: 'found', messages, first: pick % 3 === 0 });
}

/** Performs an own action whose answer arrives before its event.
 * @param {SyncHarness} harness @param {number|undefined} id @param {number} pick */
function actSelf(harness, id, pick) {
  const { server, state } = harness;
  const conversation = id === undefined ? undefined : server.data.conversations.get(id);
  if (!conversation || id === undefined || conversation.members.get(ME)?.left !== false) return;
  if (conversation.messages.length === 0) return;
  const seq = 1 + (pick % conversation.messages.length);
  const requestedAt = state.turn;
  if (pick % 3 === 0) {
    const changed = hide(server, ME, id, seq);
    if (changed) harness.sync.applyInput({ kind: 'hidden', place: { conversation: id, seq }, version: changed.version });
    return;
  }
  const changed = pick % 3 === 1 ? edit(server, ME, id, seq, `own ${pick}`) : react(server, ME, id, seq, '🎉', true);
  if (changed) harness.sync.applyInput({ kind: 'changed', changed: structuredClone(changed), requestedAt });
}
