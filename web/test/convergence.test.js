/**
 * I7: after any interruption the client's state equals the store, for every kind of change, in any interleaving of
 * losses, repeats, reorderings, failures, restarts and restored backups.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { totalsOf } from '../src/sdk/state/unread-totals.js';
import { dress, edit, erase, hide, promote, react, receipts } from './support/message-changes.js';
import { Rig } from './support/sync-harness.js';
import { ModelServer } from './support/model-server.js';

const PEOPLE = 4;
const ME = 1;
const RUNS = Number(process.env.RUNS ?? 300);

/** One step: its kind and the numbers that it needs. */
const step = fc.record({
  kind: fc.constantFrom(
    'send', 'send', 'send', 'send', 'reply', 'read', 'read', 'deliver', 'add', 'addFromStart', 'remove', 'rename',
    'restate', 'open', 'group', 'edit', 'edit', 'erase', 'erase', 'react', 'react', 'hide', 'hide', 'hide',
    'title', 'picture', 'role', 'receipts',
    'hear', 'hear', 'hear', 'hear', 'overtake', 'lose', 'double', 'answer', 'answer', 'answer', 'early', 'fail',
    'disconnect', 'resume', 'restart', 'restore', 'backup', 'wait', 'show', 'show', 'older', 'newer', 'jump', 'jump',
    'latest', 'trim', 'leave', 'more', 'quiet', 'mine', 'find', 'find',
    'askHeads', 'answerHeads', 'answerHeads', 'reset', 'reset', 'haunt', 'haunt',
  ),
  who: fc.integer({ min: 1, max: PEOPLE }),
  other: fc.integer({ min: 1, max: PEOPLE }),
  pick: fc.nat(12),
});

const steps = fc.array(step, { maxLength: 120, size: 'max' });

test('after any sequence of failures the state equals the store', async () => {
  await fc.assert(fc.asyncProperty(steps, fc.nat(4), async (steps, older) => {
    const server = new ModelServer(PEOPLE);
    for (let index = 0; index < older; index += 1) server.send(2, server.open('group', 2, [1]), 'unread', `old-${index}`);
    const room = server.open('group', 1, [2, 3]);
    server.open('direct', 1, [2]);
    server.send(2, room, 'hello', 'first');
    const rig = new Rig(server, ME);
    await rig.begin(older === 0);
    let backup = server.backup();
    for (const [index, one] of steps.entries()) {
      if (one.kind === 'backup') backup = server.backup();
      if (one.kind === 'restore') server.restore(backup);
      change(server, one, index);
      if (one.kind === 'haunt') haunt(rig, one);
      await suffer(rig, one);
    }
    await rig.calm();
    rig.assertEqual();
  }), { numRuns: RUNS });
});

/** Steps that lose something or end the connection. */
const LOSSES = new Set(['lose', 'fail', 'disconnect', 'resume', 'restart', 'restore', 'quiet', 'haunt']);

test('while the connection lasts, events alone keep the unread totals right, for loaded and unloaded conversations', async () => {
  await fc.assert(fc.asyncProperty(steps, fc.integer({ min: 2, max: 5 }), async (steps, older) => {
    const server = new ModelServer(PEOPLE);
    for (let index = 0; index < older; index += 1) server.send(2, server.open('group', 2, [1]), 'unread', `old-${index}`);
    server.open('direct', 1, [2]);
    const rig = new Rig(server, ME);
    await rig.begin(false);
    for (const [index, one] of steps.entries()) {
      change(server, one, index);
      if (!LOSSES.has(one.kind)) await suffer(rig, one);
    }
    await rig.still();
    assert.deepEqual(totalsOf(rig.state), server.totals(ME));
  }), { numRuns: RUNS });
});

/** @typedef {{kind: string, who: number, other: number, pick: number}} Step */

/** @param {ModelServer} server @param {Step} one @param {number} index */
function change(server, { kind, who, other, pick }, index) {
  const rooms = [...server.data.rooms.values()].filter((room) => room.members.get(who)?.left === false);
  const room = rooms[pick % Math.max(1, rooms.length)];
  const last = room?.messages.at(-1)?.seq ?? 0;
  if (kind === 'open' && who !== other && server.data.rooms.size < 9) server.open('direct', who, [other]);
  if (kind === 'group' && server.data.rooms.size < 9) server.open('group', who, [other]);
  if (kind === 'rename') server.rename(who, `Person ${who}.${index}`);
  if (!room) return;
  if (kind === 'send') server.send(who, room.id, `message ${index}`, `id-${index}`);
  if (kind === 'reply' && last > 0) server.send(who, room.id, `reply ${index}`, `id-${index}`, 1 + (pick % last));
  if (last > 0) changeMessage(server, { kind, who, other, pick }, room.id, 1 + (pick * 7 + index) % last);
  if (kind === 'read') server.mark(who, room.id, { read: Math.max(0, last - (pick % 3)) });
  if (kind === 'deliver') server.mark(who, room.id, { delivered: last });
  if (kind === 'add' || kind === 'addFromStart') server.add(room.id, other, who, kind !== 'add');
  if (kind === 'remove') server.remove(room.id, other);
  if (kind === 'restate') server.restate(room.id, `state ${index}`);
}

/** @param {ModelServer} server @param {Step} one @param {number} id @param {number} seq */
function changeMessage(server, { kind, who, other, pick }, id, seq) {
  if (kind === 'edit') edit(server, who, id, seq, `edited ${pick}`);
  if (kind === 'erase') erase(server, who, id, seq);
  if (kind === 'react') react(server, who, id, seq, pick % 2 ? '👍' : '❤️', pick % 3 > 0);
  const there = server.data.rooms.get(id)?.members.get(ME)?.left === false;
  if (kind === 'hide') hide(server, pick % 3 && there ? ME : who, id, seq);
  if (kind === 'title') dress(server, who, id, { title: `Title ${pick}` });
  if (kind === 'picture') dress(server, who, id, { picture: `/v1/pictures/${pick}` });
  if (kind === 'role') promote(server, who, id, other, pick % 2 ? 'moderator' : 'member');
  if (kind === 'receipts') receipts(server, pick % 2 ? ME : other, pick % 3 > 0);
}

/** @param {Rig} rig @param {{kind: string, pick: number}} one */
async function suffer(rig, { kind, pick }) {
  const ids = [...rig.state.conversations.keys()];
  const id = ids[pick % Math.max(1, ids.length)];
  switch (kind) {
    case 'hear': return rig.hearOne();
    case 'overtake': return rig.hearOne(pick);
    case 'lose': return void rig.events.splice(pick % Math.max(1, rig.events.length), 1);
    case 'double': return void (rig.events.length > 0 && rig.events.push(rig.events[pick % rig.events.length]));
    case 'answer': return rig.reply(pick);
    case 'early': return rig.reply(pick, true);
    case 'fail': return rig.fail(pick);
    case 'disconnect': return rig.disconnect();
    case 'resume': return rig.resume();
    case 'restore':
    case 'restart': {
      if (kind === 'restart') rig.server.start();
      await rig.disconnect();
      return rig.resume();
    }
    case 'reset': return rig.reset();
    case 'wait': return rig.clock.advance(pick * 100);
    case 'show': return void (id && rig.sync.open(id));
    case 'older': return void (id && rig.sync.loadOlder(id));
    case 'newer': return void (id && rig.sync.loadNewer(id));
    case 'jump': return void (id && rig.sync.openAround(id, 1 + pick));
    case 'find': return void (id && find(rig, id, pick));
    case 'latest': return void (id && rig.sync.openLatest(id));
    case 'leave': return void (id && rig.sync.close(id));
    case 'trim': {
      const seqs = (id && rig.state.threads.get(id)?.messages.map((message) => message.seq)) || [];
      return void (id && seqs.length > 2 && rig.sync.trim(id, seqs[pick % 2], seqs[seqs.length - 1 - (pick % 3)]));
    }
    case 'mine': return mine(rig, id, pick);
    case 'more': return void rig.sync.loadList();
    case 'askHeads': return rig.askHeads();
    case 'answerHeads': return rig.answerHeads();
    case 'quiet':
      rig.live = !rig.live;
  }
}

/** Opens a group with the user and removes them: its opening is still on its way, and the event of the removal is lost.
 * @param {Rig} rig @param {Step} one */
function haunt({ server, events }, { other }) {
  if (server.data.rooms.size >= 10) return;
  const room = server.open('group', other, [ME]);
  const before = events.length;
  server.remove(room, ME);
  events.splice(before);
}

/** Adds a message to the search hits. @param {Rig} rig @param {number} id @param {number} pick */
function find({ server, sync }, id, pick) {
  if (server.data.rooms.get(id)?.members.get(ME)?.left !== false) return;
  const messages = server.messages(ME, id, { limit: 20 }).messages.filter((one) => !one.hidden && !one.deleted);
  sync.applyInput({ kind: 'found', messages, first: pick % 3 === 0 });
}

/** Performs an own action whose answer arrives before its event. @param {Rig} rig @param {number|undefined} id
 * @param {number} pick */
function mine(rig, id, pick) {
  const { server, state } = rig;
  const room = id === undefined ? undefined : server.data.rooms.get(id);
  if (!room || id === undefined || room.members.get(ME)?.left !== false || room.messages.length === 0) return;
  const seq = 1 + (pick % room.messages.length);
  const asked = state.turn;
  if (pick % 3 === 0) {
    const changed = hide(server, ME, id, seq);
    if (changed) rig.sync.applyInput({ kind: 'hidden', place: { conversation: id, seq }, version: changed.version });
    return;
  }
  const changed = pick % 3 === 1 ? edit(server, ME, id, seq, `mine ${pick}`) : react(server, ME, id, seq, '🎉', true);
  if (changed) rig.sync.applyInput({ kind: 'changed', changed: structuredClone(changed), asked });
}
