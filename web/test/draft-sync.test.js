/**
 * Drafts of several devices of one user, over a model of the server.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ME, REST_MS, RETRY_MS, Shelf, World } from './support/draft-world.js';
import { draftOf } from './support/model-drafts.js';

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

test('what waits to be sent stays away after a reload, and until the server has it', async () => {
  const world = new World();
  let desk = world.device();
  desk.type('hello');
  await world.rest();
  desk.queue();
  desk = desk.reload();
  assert.equal(desk.text(), '');
  desk.leave();
  desk.sync.merge();
  assert.equal(desk.text(), '');
  desk.deliver();
  desk.sync.merge();
  desk.open();
  assert.deepEqual([desk.text(), world.saved], ['', '']);
});

test('a save whose reply is lost does not stand in the way of what is written after it', async () => {
  const world = new World();
  const [desk, phone] = [world.device(), world.device()];
  phone.type('hello');
  world.losing = true;
  // Another application comes to the front.
  void phone.sync.leave();
  await world.answer();
  assert.equal(world.saved, 'hello', 'the server has it');
  world.losing = false;
  phone.type('hello world');
  await world.rest();
  assert.equal(world.saved, 'hello world');
  desk.open();
  assert.equal(phone.send(), 'hello world');
  for (const device of [desk, phone]) device.sync.merge();
  phone.leave();
  assert.deepEqual([desk.text(), phone.text(), world.saved], ['', '', '']);
});

test('what was sent after a save whose reply is lost does not come back', async () => {
  const world = new World();
  const desk = world.device();
  desk.type('hello');
  world.losing = true;
  await world.rest();
  assert.equal(desk.send(), 'hello');
  world.losing = false;
  await world.clock.advance(RETRY_MS);
  for (let round = 0; round < 2; round += 1) await world.rest();
  desk.leave();
  assert.deepEqual([desk.text(), world.saved], ['', '']);
});

test('a draft that was emptied without a connection stays away after a reload, and is deleted once there is one', async () => {
  const world = new World();
  let desk = world.device();
  desk.type('hello');
  await world.rest();
  world.online = false;
  desk.type('');
  await world.rest();
  desk.shut();
  world.online = true;
  // In another conversation.
  desk = desk.reload();
  desk.leave();
  desk.sync.merge();
  assert.equal(desk.text(), '');
  await world.rest();
  assert.deepEqual([desk.text(), world.saved, desk.shelf.texts()], ['', '', []]);
});

test('what was emptied in a conversation that is gone is forgotten', async () => {
  const world = new World();
  const desk = world.device();
  desk.type('hello');
  await world.rest();
  desk.type('');
  world.refused = true;
  await world.rest();
  assert.deepEqual(desk.shelf.texts(), []);
});

test('a tab that shows another conversation leaves the open field of its neighbour alone', async () => {
  const world = new World();
  const phone = world.device();
  const one = world.device();
  one.type('hello');
  await world.rest();
  const other = world.device(one.shelf);
  other.leave();
  phone.open();
  phone.type('hello, from the phone');
  await world.rest();
  other.sync.merge();
  one.shelf.tell();
  assert.deepEqual([one.text(), one.taken(), other.text()], ['hello', 0, 'hello, from the phone']);
  one.leave();
  assert.equal(one.text(), 'hello, from the phone');
  assert.deepEqual(one.shelf.texts(), ['hello, from the phone']);
});

test('before signing out, drafts of conversations that were not opened are saved, and what is written meanwhile', async () => {
  const world = new World();
  world.online = false;
  const desk = world.device();
  desk.composer.open(world.other);
  desk.composer.write(world.other, { text: 'offline' });
  desk.shut();
  world.online = true;
  const again = world.device(desk.shelf);
  again.type('one');
  await world.clock.advance(REST_MS);
  again.type('one two');
  const finished = again.sync.finish();
  await world.answer();
  await world.answer();
  await finished;
  assert.deepEqual([world.saved, draftOf(world.server, ME, world.other).text], ['one two', 'offline']);
});

test('a draft that was written without a connection after one that was sent is saved once it is opened', async () => {
  const world = new World();
  const desk = world.device();
  desk.type('hello');
  await world.rest();
  desk.send();
  desk.sync.merge();
  world.online = false;
  desk.type('offline');
  await world.rest();
  world.online = true;
  desk.reload();
  await world.rest();
  assert.equal(world.saved, 'offline');
});

test('a draft that a restored server has forgotten is saved again, over the one that it has', async () => {
  const world = new World();
  const desk = world.device();
  desk.type('letter');
  await world.rest();
  world.keep();
  desk.type('long letter');
  await world.rest();
  await world.restore([desk]);
  assert.deepEqual([desk.text(), world.saved], ['long letter', 'letter']);
  await world.rest();
  assert.equal(world.saved, 'long letter');
  assert.equal(desk.send(), 'long letter');
  desk.leave();
  assert.deepEqual([desk.text(), world.saved], ['', '']);
});

test('whatever two devices and two tabs do, no words are lost, and no open field is overwritten', async () => {
  const kinds = /** @type {const} */ ([
    'type', 'type', 'type', 'rest', 'answer', 'leave', 'open', 'send', 'queue', 'deliver', 'merge', 'clear', 'tell',
    'network', 'lose', 'reload', 'keep', 'restore',
  ]);
  const step = fc.record({ who: fc.nat(2), kind: fc.constantFrom(...kinds) });
  await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 40, size: 'max' }), async (steps) => {
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
      } else if (kind === 'send' || kind === 'queue' || kind === 'clear') {
        for (const word of device.text().split(' ')) words.delete(word);
        if (kind === 'clear') device.type('');
        else device[kind]();
      } else if (kind === 'rest') await world.rest();
      else if (kind === 'answer') await world.answer();
      else if (kind === 'network') world.online = !world.online;
      else if (kind === 'lose') world.losing = !world.losing;
      else if (kind === 'reload') devices[who] = device.reload();
      else if (kind === 'restore') await world.restore(devices);
      else if (kind === 'tell') shelf.tell();
      else if (kind === 'keep') world.keep();
      else if (kind === 'merge') device.sync.merge();
      else device[kind]();
      const there = new Set(everywhere());
      for (const word of words) assert.ok(there.has(word), `${word} is lost`);
      for (const [at, one] of devices.entries()) {
        const isOwn = at === who && ['type', 'open', 'leave', 'reload', 'send', 'queue', 'clear'].includes(kind);
        // What was sent or deleted elsewhere disappears.
        const isLeft = before[at].split(' ').some((word) => words.has(word));
        const allowed = isLeft ? [before[at]] : ['', before[at]];
        if (one.isOpen() && !isOwn) assert.ok(allowed.includes(one.text()), `${one.text()} took the place of ${before[at]}`);
      }
    }
    world.online = true;
    world.losing = false;
    for (const one of devices) one.deliver();
    await world.clock.advance(RETRY_MS);
    for (let round = 0; round < 4; round += 1) await world.rest();
    shelf.tell();
    for (const one of devices) one.leave();
    await world.rest();
    for (const one of devices) one.open();
    if (devices.every((one) => one.text() === '')) assert.deepEqual([world.saved, shelf.texts()], ['', []]);
  }), { numRuns: 1_000 });
});
