import assert from 'node:assert/strict';
import { test } from 'node:test';
import { copyBlocks, outcomeOf } from '../src/inbox/view/report-copies.js';

const ADA = { id: 1, name: 'Ada', picture: null, version: 1 };
const BEN = { id: 2, name: 'Ben', picture: null, version: 1 };
const NOW = Date.parse('2026-11-22T12:00:00.000Z');

/** @param {number} seq @param {typeof ADA} sender @param {string} time @param {object} more
 * @returns {import('../src/sdk/wire.js').ReportCopy} */
function copy(seq, sender, time, more = {}) {
  const message = {
    id: seq, conversation: 1, seq, version: seq, sender: sender.id, client_id: `c${seq}`, text: `text ${seq}`, created_at: `2026-11-22T${time}:00.000Z`, ...more,
  };
  return { message, sender };
}

test('copies of one sender within a minute are together, and the reported one is marked', () => {
  const blocks = copyBlocks([copy(1, ADA, '10:00'), { ...copy(2, BEN, '10:01'), reported: true }, copy(3, BEN, '10:01'), copy(4, BEN, '10:02')], NOW);
  assert.deepEqual(blocks.map((one) => (one.type === 'group' ? [one.sender.name, one.copies.map((view) => view.reported)] : one.text)),
    ['Today', ['Ada', [false]], ['Ben', [true, false]], ['Ben', [false]]]);
});

test('a copy shows its quote, its files and what was deleted, and no more', () => {
  const file = { id: 3, name: 'a\u202Egpj.exe', media_type: 'image/jpeg', bytes: 2048, url: '/v1/files/3' };
  const blocks = copyBlocks([
    copy(1, ADA, '10:00'), copy(2, BEN, '10:01', { reply_to: 1, attachments: [file] }), copy(3, ADA, '10:02', { deleted: true, text: '', reply_to: 9 }),
    copy(4, BEN, '10:03', { text: '', system: { type: 'added', users: [1, 77] } }),
  ], NOW);
  const views = blocks.flatMap((one) => (one.type === 'group' ? one.copies : []));
  assert.deepEqual(views[1].quote, { who: 'Ada', text: 'text 1' });
  assert.ok(!views[1].files[0].name.includes('\u202E'));
  assert.deepEqual([views[2].deleted, views[2].quote], [true, { who: '', text: 'This message is not here' }]);
  const lines = blocks.map((one) => (one.type === 'line' ? one.text : ''));
  assert.match(lines.join(''), /Somebody/u, 'a name that the copies lack');
});

test('an outcome is one of four', () => {
  assert.deepEqual([[false, false], [false, true], [true, false], [true, true]].map(([removed, warned]) => outcomeOf({ removed, warned })),
    ['dismissed', 'warned', 'removed', 'both']);
});
