/**
 * I7: after any interruption the client's state equals the store, for every kind of change, in any interleaving of
 * losses, doublings, overtakings, failures, restarts and restored backups.
 */
import { test } from 'node:test';
import fc from 'fast-check';
import { Rig } from './support/rig.js';
import { ModelServer } from './support/server.js';

const PEOPLE = 4;
const ME = 1;
const RUNS = Number(process.env.RUNS ?? 300);

/** One step of a story: which kind, and the numbers it needs. */
const step = fc.record({
  kind: fc.constantFrom(
    'send', 'send', 'send', 'read', 'deliver', 'add', 'remove', 'rename', 'restate', 'open', 'group',
    'hear', 'hear', 'hear', 'overtake', 'lose', 'double', 'reply', 'reply', 'reply', 'early', 'fail',
    'disconnect', 'resume', 'restart', 'restore', 'backup', 'wait', 'show', 'older', 'more', 'quiet',
    'askHeads', 'answerHeads', 'answerHeads',
  ),
  who: fc.integer({ min: 1, max: PEOPLE }),
  other: fc.integer({ min: 1, max: PEOPLE }),
  pick: fc.nat(12),
});

test('whatever happens on the way, the state ends equal to the store', async () => {
  await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 90 }), async (steps) => {
    const server = new ModelServer(PEOPLE);
    const room = server.open('group', 1, [2, 3]);
    server.open('direct', 1, [2]);
    server.send(2, room, 'hello', 'first');
    const rig = new Rig(server, ME);
    await rig.begin();
    let backup = server.backup();
    for (const [index, one] of steps.entries()) {
      if (one.kind === 'backup') backup = server.backup();
      if (one.kind === 'restore') server.restore(backup);
      change(server, one, index);
      await suffer(rig, one);
    }
    await rig.calm();
    rig.assertEqual();
  }), { numRuns: RUNS });
});

/** @typedef {{kind: string, who: number, other: number, pick: number}} Step */

/** @param {ModelServer} server @param {Step} one @param {number} index */
function change(server, { kind, who, other, pick }, index) {
  const rooms = [...server.data.rooms.values()].filter((room) => room.members.get(who)?.left === false);
  const room = rooms[pick % Math.max(1, rooms.length)];
  const last = room?.messages.at(-1)?.seq ?? 0;
  if (kind === 'open' && who !== other && server.data.rooms.size < 6) server.open('direct', who, [other]);
  if (kind === 'group' && server.data.rooms.size < 6) server.open('group', who, [other]);
  if (kind === 'rename') server.rename(who, `Person ${who}.${index}`);
  if (!room) return;
  if (kind === 'send') server.send(who, room.id, `message ${index}`, `id-${index}`);
  if (kind === 'read') server.mark(who, room.id, { read: Math.max(0, last - (pick % 3)) });
  if (kind === 'deliver') server.mark(who, room.id, { delivered: last });
  if (kind === 'add') server.add(room.id, other);
  if (kind === 'remove') server.remove(room.id, other);
  if (kind === 'restate') server.restate(room.id, `state ${index}`);
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
    case 'reply': return rig.reply(pick);
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
    case 'wait': return rig.clock.advance(pick * 100);
    case 'show': return void (id && rig.sync.open(id));
    case 'older': return void (id && rig.sync.older(id));
    case 'more': return void rig.sync.loadList();
    case 'askHeads': return rig.askHeads();
    case 'answerHeads': return rig.answerHeads();
    case 'quiet':
      rig.live = !rig.live;
  }
}
