/**
 * A client's sync over a bad network: events wait in a queue where they can be lost, repeated and reordered; answers
 * arrive late, in any order, or not at all.
 *
 * @import {Command, Event} from '../../src/sdk/wire.js'
 * @import {Delivery} from './model-server.js'
 */
import assert from 'node:assert/strict';
import { loadReports } from '../../src/sdk/reports.js';
import { reportsIn } from '../../src/sdk/state/reports.js';
import { missingQuoteIn } from '../../src/sdk/state/threads.js';
import { isEmptyDraft } from '../../src/sdk/state/drafts.js';
import { settingsOf } from '../../src/sdk/state/settings.js';
import { totalsOf } from '../../src/sdk/state/unread-totals.js';
import { keptState } from '../../src/sdk/snapshot.js';
import { NoAnswer } from '../../src/sdk/problem.js';
import { Sync } from '../../src/sdk/sync.js';
import { flushPromises, manualClock } from './clock.js';
import { ModelServer } from './model-server.js';
import { sortedReports } from './model-reports.js';

/**
 * @typedef {{
 *   command: Command, answer: () => any, early: any, resolve: (answer: any) => void, reject: (error: Error) => void,
 * }} PendingRequest
 */

export class SyncHarness {
  /** @type {Event[]} */
  events = [];
  /** @type {PendingRequest[]} */
  pending = [];
  clock = manualClock(7);
  /** @type {import('../../src/sdk/wire.js').Heads|null} */
  heads = null;
  live = true;
  /** @type {import('../../src/sdk/state/state.js').State|null} */
  kept = null;
  /** The types of all requests. @type {string[]} */
  log = [];

  /** @param {ModelServer} server @param {number} user */
  constructor(server, user) {
    this.server = server;
    this.user = user;
    this.sync = this.#open();
    server.deliver = (delivery) => this.receive(delivery);
  }

  /** @param {import('../../src/sdk/state/state.js').State} [state] @returns {Sync} */
  #open(state) {
    return new Sync({
      user: this.user,
      clock: this.clock,
      request: (command) => this.#request(command),
      isLive: () => this.live,
      changed: () => {},
      state,
    });
  }

  /** Keeps the state as on the device. @param {boolean} [isFull] there is little room */
  save(isFull = false) {
    const limits = isFull ? { conversations: 2, threads: 1, characters: 3_000 } : undefined;
    this.kept = structuredClone(keptState(this.state, limits)) ?? this.kept;
  }

  /** Opens the page again without a connection, with the state that was kept last. */
  async reload() {
    await this.disconnect();
    this.sync.stop();
    this.sync = this.#open(structuredClone(this.kept) ?? undefined);
  }

  /** Opens a connection and loads the list. @param {ModelServer} server @param {number} user
   * @param {boolean} [all] the whole list, or its first page */
  static async open(server, user, all = true) {
    const harness = new SyncHarness(server, user);
    await harness.start(all);
    return harness;
  }

  /** Opens a group with `count` messages of its other member. @param {number} user @param {number} other
   * @param {number} count */
  static async openThread(user, other, count) {
    const server = new ModelServer(3);
    const conversation = server.open('group', user, [other]);
    for (let number = 1; number <= count; number += 1) server.send(other, conversation, `message ${number}`, `m${number}`);
    const harness = await SyncHarness.open(server, user);
    void harness.sync.threads.open(conversation);
    await harness.replyAll();
    return { server, harness, conversation };
  }

  get state() {
    return this.sync.state;
  }

  /** @param {Delivery} delivery */
  receive({ to, event }) {
    if (to === this.user) this.events.push(event);
  }

  /** @param {Command} command @returns {Promise<any>} */
  #request(command) {
    this.log.push(command.type);
    const answer = () => this.server.answer(this.user, command);
    return new Promise((resolve, reject) => {
      this.pending.push({ command, answer, early: attempt(answer), resolve, reject });
    });
  }

  /** Resumes on a new connection: requests heads and answers them. */
  async resume() {
    this.heads = null;
    const cursor = this.sync.cursor();
    const heads = this.server.heads(this.user, cursor);
    this.sync.applyHeads(structuredClone(heads));
    await flushPromises();
  }

  /** Requests heads on the same connection and answers with a reset: events on their way still arrive. */
  async reset() {
    this.heads = null;
    this.sync.cursor();
    this.sync.applyHeads(structuredClone(this.server.heads(this.user, null)));
    await flushPromises();
  }

  /** Requests heads; the answer is on its way until `answerHeads`. */
  askHeads() {
    this.heads ??= this.server.heads(this.user, this.sync.cursor());
  }

  async answerHeads() {
    if (this.heads) this.sync.applyHeads(structuredClone(this.heads));
    this.heads = null;
    await flushPromises();
  }

  /** @param {number} [index] @param {boolean} [early] with the state at the time of the request */
  async reply(index = 0, early = false) {
    const [one] = this.pending.splice(index % Math.max(1, this.pending.length), 1);
    if (!one) return;
    const { value, error } = early ? one.early : attempt(one.answer);
    if (error) one.reject(error);
    else one.resolve(structuredClone(value));
    await flushPromises();
  }

  /** @param {number} [index] */
  async fail(index = 0) {
    const [one] = this.pending.splice(index % Math.max(1, this.pending.length), 1);
    one?.reject(new NoAnswer('the test says so'));
    await flushPromises();
  }

  /** Drops all pending requests and all events on their way. */
  async disconnect() {
    this.events = [];
    this.heads = null;
    while (this.pending.length > 0) await this.fail();
  }

  /** @param {number} [index] */
  async receiveOne(index = 0) {
    const [event] = this.events.splice(index % Math.max(1, this.events.length), 1);
    if (event) this.sync.applyEvent(structuredClone(event));
    await flushPromises();
  }

  async receiveAll() {
    while (this.events.length > 0) await this.receiveOne();
  }

  async replyAll() {
    await flushPromises();
    for (let replies = 0; this.pending.length > 0; replies += 1) {
      assert.ok(replies < 1000, 'the requests never end');
      await this.reply();
    }
  }

  /** Starts, and loads the whole list or its first page. @param {boolean} [all] */
  async start(all = true) {
    await this.resume();
    await this.replyAll();
    while (all && this.state.list.next !== null) {
      void this.sync.loadList();
      await this.replyAll();
    }
    this.log = [];
  }

  /** Delivers all events and answers all requests, without requesting heads. */
  async settle() {
    for (let round = 0; this.events.length + this.pending.length + this.state.stale.size > 0; round += 1) {
      assert.ok(round < 200, 'the state never settles');
      await this.receiveAll();
      await this.replyAll();
      await this.clock.advance(1_000);
    }
  }

  /** Restores the network and answers all requests until there are none. */
  async recover() {
    await this.disconnect();
    for (let round = 0; round < 200; round += 1) {
      await this.resume();
      await this.replyAll();
      await this.clock.advance(40_000);
      await this.replyAll();
      if (this.pending.length === 0 && this.state.stale.size === 0 && !this.state.pending && this.state.me) {
        assert.deepEqual(totalsOf(this.state), this.server.totals(this.user), 'the unread totals');
        if (this.state.list.loaded && this.state.list.next === null) return;
        void this.sync.loadList();
        await this.replyAll();
      }
    }
    assert.fail('it never comes to rest');
  }

  /** Loads the first page of reports, or the next one. @param {import('../../src/sdk/wire.js').ReportState} list */
  loadReports(list) {
    loadReports({ request: (command) => this.#request(command), sync: this.sync }, list).catch(() => {});
  }

  /** Checks that the loaded reports are those of the server. @param {number|null} [open] how many are open; null for
   * users who are no moderators */
  assertReports(open = this.server.me(this.user).reports?.open ?? null) {
    const { server, state, user } = this;
    assert.equal(state.reports.open, open, 'the open reports');
    if (open === null) assert.equal(state.reports.rows.size, 0);
    for (const list of /** @type {const} */ (['open', 'settled'])) {
      const loaded = state.reports.lists[list];
      if (!loaded || open === null) continue;
      const [shown, all] = [reportsIn(state, list), sortedReports(server, user, list)];
      assert.deepEqual(shown, loaded.next === null ? all : all.slice(0, shown.length), list);
    }
  }

  /** Checks that the state equals that of a fresh start. */
  assertEqual() {
    const { server, state, user } = this;
    const fresh = new Map(server.all(user).map((one) => [one.id, one]));
    const held = new Map([...state.conversations].map(([id, { unreadAt: _, ...one }]) =>
      [id, { ...sorted(one), settings: settingsOf(state, id) }]));
    assert.deepEqual(held, fresh);
    const {
      markers: _markers, cursor: _cursor, unread, now: _now, settings: _settings, blocks, drafts = [], reports, warnings, ...me
    } = server.me(user);
    const written = [...state.drafts].filter(([, one]) => !isEmptyDraft(one));
    assert.deepEqual(new Map(written), new Map(drafts.map(({ conversation, ...one }) => [conversation, one])));
    assert.deepEqual(state.me, me);
    assert.deepEqual([...state.blocks].sort((one, other) => one - other), blocks);
    assert.deepEqual(state.warnings, warnings);
    this.assertReports(reports?.open ?? null);
    assert.deepEqual(totalsOf(state), unread);
    assert.equal(state.cursor, server.cursor());
    assert.equal(state.heldEvents.size, 0);
    for (const [key, copy] of state.found) {
      const [id, seq] = key.split(':').map(Number);
      // A doubtful hit is searched again, and a hidden one is not shown.
      if (copy === null || copy.hidden) continue;
      assert.ok(fresh.has(id), `${key} is shown, although its conversation was left`);
      assert.deepEqual(copy, server.messages(user, id, { limit: 1e6 }).messages.find((one) => one.seq === seq), key);
    }
    for (const [id, thread] of state.threads) {
      if (!thread.loaded || !fresh.has(id)) continue;
      assert.deepEqual(thread.ahead, []);
      assert.equal(thread.stale, null);
      const all = server.messages(user, id, { limit: 1e6 }).messages;
      const [first, last] = [thread.messages[0]?.seq ?? 1, thread.messages.at(-1)?.seq ?? 0];
      assert.deepEqual(thread.messages, all.filter((one) => one.seq >= first && one.seq <= last));
      if (!thread.moreBefore) assert.equal(thread.messages[0]?.seq, all[0]?.seq);
      if (!thread.moreAfter) assert.equal(thread.messages.at(-1)?.seq, all.at(-1)?.seq);
      for (const [seq, message] of thread.quoted) {
        assert.deepEqual(message, all.find((one) => one.seq === seq) ?? null);
      }
      assert.equal(missingQuoteIn(state, id), null);
    }
  }
}

/** @param {import('../../src/sdk/wire.js').Conversation} conversation */
function sorted(conversation) {
  return { ...conversation, members: [...conversation.members].sort((a, b) => a.user.id - b.user.id) };
}

/** @param {() => any} answer @returns {{value?: any, error?: Error}} */
function attempt(answer) {
  try {
    return { value: structuredClone(answer()) };
  } catch (error) {
    return { error: /** @type {Error} */ (error) };
  }
}
