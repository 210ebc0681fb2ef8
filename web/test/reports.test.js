import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keptState } from '../src/sdk/snapshot.js';
import { reportsIn } from '../src/sdk/state/reports.js';
import { apply } from '../src/sdk/state/apply.js';
import { ModelServer } from './support/model-server.js';
import { readWarning, report, reportPage, setModerator, settle } from './support/model-reports.js';
import { SyncHarness } from './support/sync-harness.js';

const ME = 1;
const BEN = 2;
const CEM = 3;

/** Opens a conversation of two others with messages of the first of them, and the page of a moderator.
 * @param {number} count of reported messages */
async function moderated(count) {
  const server = new ModelServer(4);
  const id = server.open('direct', BEN, [CEM]);
  for (const user of [ME, CEM]) setModerator(server, user, true);
  for (let number = 1; number <= count; number += 1) {
    server.send(BEN, id, `message ${number}`, `m${number}`);
    report(server, CEM, id, number);
  }
  const harness = await SyncHarness.open(server, ME);
  return { server, harness, id };
}

/** @param {SyncHarness} harness @param {import('../src/sdk/wire.js').ReportState} list */
const seqs = ({ state }, list) => reportsIn(state, list).map((one) => one.seq);

/** @param {SyncHarness} harness @param {import('../src/sdk/wire.js').ReportState} list */
async function load(harness, list) {
  harness.loadReports(list);
  await harness.replyAll();
}

test('moderators know how many reports are open, others nothing', async () => {
  const { server, harness, id } = await moderated(3);
  assert.equal(harness.state.reports.open, 3);
  server.send(BEN, id, 'one more', 'm4');
  report(server, CEM, id, 4);
  await harness.settle();
  assert.equal(harness.state.reports.open, 4);
  setModerator(server, ME, false);
  await harness.settle();
  assert.equal(harness.state.reports.open, null);
  assert.equal(harness.state.reports.rows.size, 0, 'what was reported is forgotten');
  setModerator(server, ME, true);
  await harness.settle();
  assert.equal(harness.state.reports.open, 4);
  const other = await SyncHarness.open(server, BEN);
  assert.equal(other.state.reports.open, null);
});

test('the open reports are loaded from the oldest on, and one that comes waits for its page', async () => {
  const { server, harness, id } = await moderated(5);
  await load(harness, 'open');
  assert.deepEqual(seqs(harness, 'open'), [1, 2]);
  server.send(BEN, id, 'new', 'm6');
  report(server, CEM, id, 6);
  await harness.settle();
  assert.deepEqual(seqs(harness, 'open'), [1, 2], 'those in between are not loaded');
  await load(harness, 'open');
  assert.deepEqual(seqs(harness, 'open'), [1, 2, 3, 4]);
  await load(harness, 'open');
  assert.deepEqual(seqs(harness, 'open'), [1, 2, 3, 4, 5, 6]);
});

test('a settlement by another moderator moves a report at once, and further reporters are added', async () => {
  const { server, harness, id } = await moderated(2);
  await load(harness, 'open');
  await load(harness, 'settled');
  report(server, CEM, id, 1);
  assert.equal(harness.events.length, 0, 'the same reporter again changes nothing');
  const [{ id: first }] = reportPage(server, ME, {}).reports;
  settle(server, CEM, first, { remove: true, warn: false });
  await harness.settle();
  assert.deepEqual([seqs(harness, 'open'), seqs(harness, 'settled')], [[2], [1]]);
  const [row] = reportsIn(harness.state, 'settled');
  assert.deepEqual([row.settled_by?.id, row.removed, row.warned, row.text], [CEM, true, false, '']);
  assert.equal(harness.state.reports.open, 1);
});

test('an older copy of a report changes nothing', async () => {
  const { server, harness } = await moderated(1);
  await load(harness, 'open');
  const [before] = reportsIn(harness.state, 'open');
  settle(server, CEM, before.id, { remove: false, warn: false });
  await harness.settle();
  harness.sync.applyInput({ kind: 'report', report: before });
  assert.deepEqual(seqs(harness, 'open'), []);
});

test('after a loss the pages are requested again, and what was settled meanwhile is no longer open', async () => {
  const { server, harness } = await moderated(2);
  await load(harness, 'open');
  await harness.disconnect();
  const [first] = reportPage(server, ME, {}).reports;
  settle(server, CEM, first.id, { remove: false, warn: false });
  await harness.recover();
  assert.equal(harness.state.reports.lists.open, null, 'it is requested again');
  assert.equal(harness.state.reports.open, 1);
  await load(harness, 'open');
  assert.deepEqual(seqs(harness, 'open'), [2]);
});

test('a page that was requested before a loss is ignored', async () => {
  const { server, harness } = await moderated(2);
  const { turn } = harness.state;
  const page = reportPage(server, ME, {});
  await harness.disconnect();
  settle(server, CEM, page.reports[0].id, { remove: false, warn: false });
  await harness.recover();
  harness.sync.applyInput({ kind: 'reports', list: 'open', page, requestedAt: turn });
  assert.equal(harness.state.reports.lists.open, null);
  assert.deepEqual(seqs(harness, 'open'), []);
});

test('a report that comes while the first page is on its way stays', async () => {
  const { server, harness, id } = await moderated(1);
  harness.loadReports('open');
  server.send(BEN, id, 'new', 'm2');
  report(server, CEM, id, 2);
  await harness.receiveAll();
  await harness.reply(0, true);
  assert.deepEqual(seqs(harness, 'open'), [1, 2]);
});

test('a warning arrives live and with me.get, and goes when it is read on another device', async () => {
  const server = new ModelServer(3);
  const id = server.open('direct', ME, [BEN]);
  setModerator(server, CEM, true);
  for (const seq of [1, 2]) {
    server.send(ME, id, `message ${seq}`, `m${seq}`);
    report(server, BEN, id, seq);
  }
  const [one, two] = server.data.reports.reports.map((row) => row.id);
  const harness = await SyncHarness.open(server, ME);
  settle(server, CEM, one, { remove: true, warn: true });
  await harness.settle();
  assert.deepEqual(harness.state.warnings.map(({ report: of, seq }) => [of, seq]), [[one, 1]]);
  assert.ok(harness.state.conversations.get(id)?.unread === 0);
  await harness.disconnect();
  settle(server, CEM, two, { remove: false, warn: true });
  readWarning(server, ME, one);
  await harness.recover();
  assert.deepEqual(harness.state.warnings.map((warning) => warning.report), [two]);
  readWarning(server, ME, two);
  await harness.settle();
  assert.deepEqual(harness.state.warnings, []);
});

test('what is kept on the device has the number of open reports, and none of them', async () => {
  const { harness } = await moderated(2);
  await load(harness, 'open');
  const kept = keptState(harness.state);
  assert.equal(kept?.reports.open, 2);
  assert.equal(kept?.reports.rows.size, 0);
  assert.equal(kept?.reports.lists.open, null);
});

test('few settled reports are kept, whatever number comes', async () => {
  const { harness } = await moderated(1);
  await load(harness, 'open');
  const [open] = reportsIn(harness.state, 'open');
  let { state } = harness;
  for (let id = 1_000; id < 1_600; id += 1) {
    state = apply(state, { kind: 'report', report: { ...open, id, state: 'settled', settled_at: '2026-11-22T09:00:00.000Z' } });
  }
  assert.equal(state.reports.rows.size, 500);
  assert.equal(reportsIn(state, 'open').length, 1, 'open ones stay');
});

test('with too many open reports the list begins again', async () => {
  const { harness } = await moderated(1);
  await load(harness, 'open');
  const [open] = reportsIn(harness.state, 'open');
  let { state } = harness;
  for (let id = 1_000; id < 1_500; id += 1) state = apply(state, { kind: 'report', report: { ...open, id } });
  assert.equal(state.reports.rows.size, 0);
  assert.equal(state.reports.lists.open, null, 'it is requested again');
  assert.equal(state.reports.open, 1, 'the number stays');
});
