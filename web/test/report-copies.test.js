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
  assert.deepEqual(blocks.map((one) => (one.type === 'group' ? [one.sender.name, one.copies.map((view) => view.mark)] : one.text)),
    ['Today', ['Ada', ['']], ['Ben', ['Reported', '']], ['Ben', ['']]]);
});

test('a copy shows its quote, its files and what was deleted, and no more', () => {
  const file = { id: 3, name: 'a\u202Egpj.exe', media_type: 'image/jpeg', bytes: 2048, url: '/v1/files/3' };
  const blocks = copyBlocks([
    copy(1, ADA, '10:00'), copy(2, BEN, '10:01', { reply_to: 1, attachments: [file] }), copy(3, ADA, '10:02', { deleted: true, text: '', reply_to: 9 }),
  ], NOW);
  const views = blocks.flatMap((one) => (one.type === 'group' ? one.copies : []));
  assert.deepEqual(views[1].quote, { who: 'Ada', text: 'text 1' });
  assert.ok(!views[1].files[0].name.includes('\u202E'));
  assert.deepEqual([views[2].deleted, views[2].quote], [true, { who: '', text: 'This message is not here' }]);
});

test('a message that was edited and reported again is there as it was at first, and as it became', () => {
  const first = { ...copy(2, BEN, '10:01', { text: 'Good morning' }), reported: true };
  const again = { ...copy(2, BEN, '10:01', { text: 'Pay, or else', edited_at: '2026-11-22T10:05:00.000Z' }), reported: true };
  const blocks = copyBlocks([copy(1, ADA, '10:00'), first, again, copy(3, BEN, '10:01')], NOW);
  const views = blocks.flatMap((one) => (one.type === 'group' ? one.copies : []));
  assert.deepEqual(views.map(({ mark, text, edited }) => [mark, text, edited]), [
    ['', 'text 1', false], ['First reported like this', 'Good morning', false], ['Reported again after an edit', 'Pay, or else', true], ['', 'text 3', false],
  ]);
  assert.ok(blocks.every((one) => one.type !== 'line'), 'nothing is missing between them');
});

test('what was not copied between two messages leaves a line, and what is beyond them none', () => {
  const blocks = copyBlocks([copy(4, ADA, '10:00'), copy(5, ADA, '10:00'), copy(11, ADA, '10:00'), copy(12, ADA, '10:00')], NOW);
  assert.deepEqual(blocks.map((one) => (one.type === 'group' ? one.copies.map(({ text }) => text) : one.type)),
    ['day', ['text 4', 'text 5'], 'line', ['text 11', 'text 12']]);
  assert.deepEqual(copyBlocks([], NOW), []);
});

test('an outcome is one of four', () => {
  assert.deepEqual([[false, false], [false, true], [true, false], [true, true]].map(([removed, warned]) => outcomeOf({ removed, warned })),
    ['dismissed', 'warned', 'removed', 'both']);
});
