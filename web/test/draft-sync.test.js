/**
 * Drafts of several devices of one user, over a model of the server.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ComposerDraft } from '../src/inbox/thread/draft.js';
import { Drafts } from '../src/sdk/drafts.js';
import { DraftSync } from '../src/sdk/draft-sync.js';
import { NoAnswer } from '../src/sdk/problem.js';
import { UserStorage, memoryStorage } from '../src/sdk/storage.js';
import { manualClock } from './support/clock.js';
import { ModelServer } from './support/model-server.js';
import { deleteDraft, draftOf, saveDraft } from './support/model-drafts.js';

const ME = 1;
const REST_MS = 2_000;
const RETRY_MS = 10_000;

/** The storage of a browser, which tells its tabs of changes when the test says so. */
class Shelf {
  /** @type {Set<Drafts>} */
  tabs = new Set();
  #storage = memoryStorage();
  /** @type {Set<string>} */
  #changed = new Set();

  get length() {
    return this.#storage.length;
  }

  /** @param {number} index */
  key(index) {
    return this.#storage.key(index);
  }

  /** @param {string} key */
  getItem(key) {
    return this.#storage.getItem(key);
  }

  /** @param {string} key @param {string} value */
  setItem(key, value) {
    this.#storage.setItem(key, value);
    this.#changed.add(key);
  }

  /** @param {string} key */
  removeItem(key) {
    this.#storage.removeItem(key);
    this.#changed.add(key);
  }

  tell() {
    for (const key of this.#changed) for (const tab of this.tabs) tab.storageChanged(key);
    this.#changed.clear();
  }

  /** Returns the texts that are stored. */
  texts() {
    const storage = new UserStorage(this, ME);
    return storage.names('draft:').map((name) => storage.get(name).text);
  }
}

/** A server, and devices whose requests are answered when the test says so. */
class World {
  server = new ModelServer(2);
  id = this.server.open('direct', ME, [2]);
  clock = manualClock();
  count = 0;
  /** @type {(() => void)[]} */
  answers = [];
  online = true;
  /** Whether pages know what the server has. */
  current = true;

  /** Opens a device, which has the conversation on its screen; several on one shelf are tabs of one browser. */
  device(shelf = new Shelf()) {
    let isOpen = true;
    let sending = 0;
    const drafts = new Drafts({ storage: new UserStorage(shelf, ME), now: () => (this.count += 1), newId: () => `id-${(this.count += 1)}` });
    const sync = new DraftSync({
      clock: this.clock, drafts, changed: () => {}, isOpen: () => isOpen, sending: () => sending, isCurrent: () => this.current,
      request: (command) => new Promise((resolve, reject) => {
        const answer = () => (this.online && command.type === 'draft.save'
          ? resolve(saveDraft(this.server, ME, command.conversation, command.draft))
          : reject(new NoAnswer('offline')));
        this.answers.push(answer);
      }),
      state: () => {
        const draft = draftOf(this.server, ME, this.id);
        const me = /** @type {any} */ ({ scope_version: this.server.data.version });
        return { me: this.current ? me : null, drafts: this.current && draft.version > 0 ? new Map([[this.id, draft]]) : new Map() };
      },
    });
    const composer = new ComposerDraft(drafts, sync);
    composer.open(this.id);
    shelf.tabs.add(drafts);
    return {
      sync,
      composer,
      type: (/** @type {string} */ text) => composer.write(this.id, { text }),
      text: () => drafts.of(this.id).text,
      leave: () => {
        isOpen = false;
        composer.close(this.id);
      },
      open: () => {
        composer.open(this.id);
        isOpen = true;
      },
      send: () => {
        const { text } = drafts.of(this.id);
        // As the composer does it: the field is emptied first.
        composer.write(this.id, { text: '' });
        const { draft } = composer.take(this.id, null);
        if (draft !== undefined) this.server.next();
        if (text !== '' && draft !== undefined) deleteDraft(this.server, ME, this.id, draft);
        return text;
      },
      taken: () => drafts.takenCount(this.id),
      isOpen: () => isOpen,
      shelf,
      /** Sends it without a connection. */
      queue: () => {
        composer.write(this.id, { text: '' });
        sending = composer.take(this.id, null).draft ?? 0;
      },
      shut: () => {
        sync.stop();
        shelf.tabs.delete(drafts);
      },
    };
  }

  async answer() {
    for (const answer of this.answers.splice(0)) answer();
    await new Promise((resolve) => setImmediate(resolve));
  }

  async rest() {
    await this.clock.advance(REST_MS);
    await this.answer();
    await this.clock.advance(1);
    await this.answer();
  }

  get saved() {
    return draftOf(this.server, ME, this.id).text;
  }
}

test('a draft is saved after a rest, and at once when the user leaves', async () => {
  const world = new World();
  const desk = world.device();
  desk.type('one');
  await world.clock.advance(REST_MS - 1);
  desk.type('one two');
  await world.clock.advance(REST_MS - 1);
  assert.equal(world.answers.length, 0, 'the user still writes');
  await world.rest();
  assert.equal(world.saved, 'one two');
  desk.type('one two three');
  desk.leave();
  await world.answer();
  assert.equal(world.saved, 'one two three');
  await world.rest();
  assert.equal(world.answers.length, 0, 'nothing has changed since');
});

test('what waits is saved before the user signs out, unless the server is slow', async () => {
  const world = new World();
  const desk = world.device();
  desk.type('one');
  const finished = desk.sync.finish();
  await world.answer();
  await finished;
  assert.equal(world.saved, 'one');
  desk.type('one two');
  const slow = desk.sync.finish();
  await world.clock.advance(2_000);
  await slow;
  assert.equal(world.saved, 'one');
});

test('another device shows it when the conversation is opened, and never over what is open', async () => {
  const world = new World();
  const [desk, phone] = [world.device(), world.device()];
  desk.type('from the desk');
  await world.rest();
  phone.sync.merge();
  assert.equal(phone.text(), '', 'the empty field that is open stays');
  phone.open();
  assert.equal(phone.text(), 'from the desk');
  phone.type('from the desk, and the phone');
  await world.rest();
  desk.sync.merge();
  assert.equal(desk.text(), 'from the desk', 'the open composer is not overwritten');
  desk.leave();
  desk.sync.merge();
  assert.equal(desk.text(), 'from the desk, and the phone');
});

test('a draft that was sent disappears on the other device, unless it was changed there', async () => {
  const world = new World();
  const [desk, phone] = [world.device(), world.device()];
  desk.type('hello');
  await world.rest();
  phone.open();
  assert.equal(phone.send(), 'hello');
  assert.equal(world.saved, '', 'deleted with the message');
  desk.sync.merge();
  assert.deepEqual([desk.text(), desk.taken()], ['', 1]);
  desk.type('again');
  await world.rest();
  assert.equal(world.saved, 'again', 'a new draft follows');
  phone.open();
  phone.type('again, changed');
  desk.send();
  phone.sync.merge();
  await world.rest();
  phone.sync.merge();
  assert.deepEqual([phone.text(), world.saved], ['again, changed', ''], 'it stays there, and what was sent does not come back');
});

test('what is sent while it is being saved is deleted afterwards', async () => {
  const world = new World();
  const desk = world.device();
  desk.type('hello');
  await world.clock.advance(REST_MS);
  assert.equal(desk.send(), 'hello');
  await world.answer();
  desk.sync.merge();
  assert.equal(desk.text(), '');
  await world.rest();
  assert.deepEqual([desk.text(), world.saved], ['', '']);
});

test('two devices that write at once lose no words', async () => {
  const world = new World();
  const [desk, phone] = [world.device(), world.device()];
  desk.type('desk');
  phone.type('phone');
  await world.rest();
  assert.equal(world.saved, 'desk', 'the first is kept');
  assert.deepEqual([desk.text(), phone.text()], ['desk', 'phone']);
  phone.leave();
  phone.open();
  assert.equal(phone.text(), 'phone', 'the other one stays in its browser');
  assert.equal(phone.send(), 'phone');
  phone.leave();
  phone.open();
  assert.equal(phone.text(), 'desk', 'then comes the one of the desk');
});

test('without a connection drafts are kept here, and saved with the next change', async () => {
  const world = new World();
  const shelf = new Shelf();
  const desk = world.device(shelf);
  world.online = false;
  desk.type('offline');
  await world.rest();
  assert.deepEqual([desk.text(), world.saved], ['offline', '']);
  world.online = true;
  const again = world.device(shelf);
  assert.equal(again.text(), 'offline', 'also after a reload');
  again.type('online');
  await world.rest();
  assert.equal(world.saved, 'online');
});

test('an emptied draft is deleted from the server', async () => {
  const world = new World();
  const desk = world.device();
  desk.type('hello');
  await world.rest();
  desk.type('');
  await world.rest();
  assert.deepEqual([world.saved, desk.text()], ['', '']);
  desk.type('fresh');
  await world.rest();
  assert.equal(world.saved, 'fresh');
});

test('words that another device sent away begin a new draft when they are changed', async () => {
  const world = new World();
  const [desk, phone] = [world.device(), world.device()];
  desk.type('hello');
  await world.rest();
  phone.open();
  phone.type('hello, changed');
  desk.send();
  await world.rest();
  assert.equal(world.saved, '', 'the save over the draft that was sent is dropped');
  phone.type('hello, changed again');
  await world.rest();
  assert.equal(world.saved, 'hello, changed again');
});

test('a draft that waits to be sent does not come back meanwhile', async () => {
  const world = new World();
  const [desk, phone] = [world.device(), world.device()];
  desk.type('hello');
  await world.rest();
  desk.queue();
  desk.leave();
  desk.open();
  assert.equal(desk.text(), '');
  phone.open();
  phone.type('hello, changed');
  await world.rest();
  desk.leave();
  assert.equal(desk.text(), 'hello, changed', 'another one does');
});

test('an emptied draft stays empty without a connection', async () => {
  const world = new World();
  const desk = world.device();
  desk.type('hello');
  await world.rest();
  world.online = false;
  desk.type('');
  desk.leave();
  desk.open();
  await world.rest();
  assert.equal(desk.text(), '');
  world.online = true;
  await world.clock.advance(RETRY_MS);
  await world.answer();
  assert.equal(world.saved, '');
});

test('a page that is opened at a conversation shows its draft once it is known, unless something was written', async () => {
  const world = new World();
  const desk = world.device();
  desk.type('hello');
  await world.rest();
  world.current = false;
  const [phone, tablet] = [world.device(), world.device()];
  tablet.type('other');
  world.current = true;
  for (const device of [phone, tablet]) device.sync.merge();
  assert.deepEqual([phone.text(), tablet.text()], ['hello', 'other']);
  phone.type('');
  await world.rest();
  desk.leave();
  desk.type('later');
  await world.rest();
  phone.sync.merge();
  assert.equal(phone.text(), '', 'what comes later leaves the open field alone');
});

test('a message that is taken back continues the draft that it was', async () => {
  const world = new World();
  const desk = world.device();
  desk.type('hello');
  await world.rest();
  desk.composer.write(world.id, { text: '' });
  const { draft } = desk.composer.take(world.id, null);
  desk.composer.restore(world.id, { text: 'Subject\nhello', draft });
  desk.type('hello, changed');
  await world.rest();
  assert.equal(world.saved, 'hello, changed');
});

test('a draft that was sent while this device was off is gone when it comes back', async () => {
  const world = new World();
  const [desk, phone] = [world.device(), world.device()];
  desk.type('hello');
  await world.rest();
  desk.shut();
  phone.open();
  phone.send();
  // As a server lists drafts to a page that knows none: without those that were deleted.
  world.server.data.drafts.clear();
  const again = world.device(desk.shelf);
  assert.deepEqual([again.text(), again.shelf.texts()], ['', []]);
});

test('two tabs of a browser take over a draft of another device once, and send it once', async () => {
  const world = new World();
  const phone = world.device();
  const one = world.device();
  const other = world.device(one.shelf);
  phone.type('from the phone');
  await world.rest();
  for (const tab of [one, other]) tab.open();
  assert.deepEqual(one.shelf.texts(), ['from the phone']);
  one.type('from the phone, continued');
  one.shelf.tell();
  assert.equal(other.text(), 'from the phone', 'the open composer is not overwritten');
  await world.rest();
  one.send();
  one.shelf.tell();
  for (const device of [one, other, phone]) device.sync.merge();
  assert.deepEqual([one.text(), other.text(), phone.text()], ['', '', '']);
  assert.deepEqual([one.shelf.texts(), phone.shelf.texts(), world.saved], [[], [], '']);
});

test('whatever two devices and two tabs do, no words are lost, and no open field is overwritten', async () => {
  const kinds = /** @type {const} */ ([
    'type', 'type', 'type', 'rest', 'answer', 'leave', 'open', 'send', 'merge', 'clear', 'tell', 'network',
  ]);
  const step = fc.record({ who: fc.nat(2), kind: fc.constantFrom(...kinds) });
  await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
    const world = new World();
    const shelf = new Shelf();
    const devices = [world.device(), world.device(shelf), world.device(shelf)];
    const everywhere = () => [
      world.saved, ...devices.map((one) => one.text()), ...devices[0].shelf.texts(), ...shelf.texts(),
    ].join(' ').split(' ');
    /** The words that were written, and neither sent nor deleted. @type {Set<string>} */
    const words = new Set();
    for (const [index, { who, kind }] of steps.entries()) {
      const device = devices[who];
      const before = devices.map((one) => one.text());
      if (kind === 'type') {
        device.open();
        words.add(`w${index}`);
        device.type(`${device.text()} w${index}`);
      } else if (kind === 'send' || kind === 'clear') {
        for (const word of device.text().split(' ')) words.delete(word);
        if (kind === 'send') device.send();
        else device.type('');
      } else if (kind === 'rest') await world.rest();
      else if (kind === 'answer') await world.answer();
      else if (kind === 'network') world.online = !world.online;
      else if (kind === 'tell') shelf.tell();
      else if (kind === 'leave') device.leave();
      else if (kind === 'open') device.open();
      else device.sync.merge();
      const there = new Set(everywhere());
      for (const word of words) assert.ok(there.has(word), `${word} is lost`);
      for (const [at, one] of devices.entries()) {
        const isOwn = at === who && ['type', 'open', 'leave'].includes(kind);
        if (one.isOpen() && !isOwn) assert.ok(['', before[at]].includes(one.text()), `${one.text()} took the place of ${before[at]}`);
      }
    }
    world.online = true;
    await world.clock.advance(RETRY_MS);
    for (let round = 0; round < 4; round += 1) await world.rest();
    shelf.tell();
    for (const one of devices) one.leave();
    await world.rest();
    for (const one of devices) one.open();
    if (devices.every((one) => one.text() === '')) assert.deepEqual([world.saved, shelf.texts()], ['', []]);
  }), { numRuns: 500 });
});
