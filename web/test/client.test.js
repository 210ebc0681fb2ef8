/**
 * The whole client: received messages complete pending sends, and signing out leaves nothing in the browser.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Client } from '../src/sdk/client.js';
import { memoryStorage } from '../src/sdk/storage.js';
import { noBlobStore } from '../src/sdk/blob-store.js';
import { flushPromises, manualClock } from './support/clock.js';
import { ModelServer } from './support/model-server.js';
import { FakeSocket } from './support/fake-network.js';
import { settingsOf, updateSettings } from './support/model-settings.js';

test('a received message completes its send, even without an answer', async () => {
  const server = new ModelServer(2);
  const conversation = server.open('group', 1, [2]);
  const client = new Client({
    user: 1, storage: memoryStorage(), clock: manualClock(), onSessionEnd: () => {},
    fetch: () => new Promise(() => {}), socket: () => assert.fail('there is no socket'),
    uploadTransport: () => assert.fail('nothing is carried'),
  });
  const take = () => client.sync.applyInput({
    kind: 'conversation', conversation: server.conversation(1, conversation), requestedAt: client.state.turn,
  });
  take();
  for (const text of ['one', 'two']) client.send(conversation, text);
  const [one, two] = client.outbox.itemsIn(conversation);
  server.send(2, conversation, 'of another', one.client_id);
  take();
  assert.equal(client.outbox.size, 2, 'the client id belongs to another user’s message');
  server.send(1, conversation, 'two', two.client_id);
  take();
  assert.deepEqual(client.outbox.itemsIn(conversation), [one]);
  assert.deepEqual(client.storage.names('send:'), [`send:${one.client_id}`]);
});

test('a message that a closed page was sending is sent by another, even if nothing else wakes it', async () => {
  const clock = manualClock();
  const client = new Client({
    user: 1, storage: memoryStorage(), clock, onSessionEnd: () => {},
    fetch: () => new Promise(() => {}), socket: () => new FakeSocket(), uploadTransport: () => assert.fail('nothing is carried'),
  });
  client.start();
  client.storage.set('send:a', { client_id: 'a', conversation: 3, at: 0, text: 'one', state: 'sending', tried: true });
  client.outbox.storageChanged('parlor:1:send:a');
  assert.equal(client.outbox.size, 0, 'that page may still be open');
  await clock.advance(180_000);
  assert.deepEqual(client.outbox.itemsIn(3).map((one) => one.text), ['one']);
  client.stop();
});

test('signing out waits until the stored files are erased', async () => {
  const shelf = memoryStorage();
  /** @type {(done: void) => void} */
  let erased = () => {};
  /** @type {string[]} */
  const erasing = [];
  const client = new Client({
    user: 7, storage: shelf, clock: manualClock(), onSessionEnd: () => {},
    fetch: async () => new Response(null, { status: 204 }),
    socket: () => assert.fail('there is no socket'), uploadTransport: () => assert.fail('nothing is carried'),
    blobStore: {
      ...noBlobStore,
      erase: (whose) => {
        erasing.push(whose);
        return new Promise((resolve) => {
          erased = resolve;
        });
      },
    },
  });
  client.storage.set('draft:3:a', { text: 'words', at: 1 });
  let out = false;
  const leaving = client.signOut().then(() => {
    out = true;
  });
  await flushPromises();
  assert.deepEqual([erasing, shelf.length, out], [['mine'], 0, false]);
  erased();
  await leaving;
});

test('a user who signs out ends the session once, whether the answer or the close of the socket comes first', async () => {
  for (const first of ['answer', 'close']) {
    /** @type {string[]} */
    const log = [];
    const socket = new FakeSocket();
    /** @type {(answer: Response) => void} */
    let answer = () => {};
    const client = new Client({
      user: 7, storage: memoryStorage(), clock: manualClock(), onSessionEnd: () => log.push('ended'),
      fetch: (path, init) => new Promise((resolve) => {
        if (init?.method === 'DELETE' && String(path).endsWith('/v1/session')) answer = resolve;
      }),
      socket: () => socket.like(), uploadTransport: () => assert.fail('nothing is carried'),
    });
    client.start();
    socket.open();
    const leaving = client.signOut();
    const steps = [() => answer(new Response(null, { status: 204 })), () => socket.closeWith(4500)];
    for (const step of first === 'answer' ? steps : steps.reverse()) {
      step();
      await flushPromises();
      assert.deepEqual(log, ['ended'], first);
    }
    await leaving;
  }
});

/** Answers what a client asks on a socket, until it asks nothing more. @param {ModelServer} server
 * @param {FakeSocket} socket */
async function answerAll(server, socket) {
  let answered = 0;
  for (let frame = socket.sent[0]; frame; frame = socket.sent[answered]) {
    answered += 1;
    const { id, ...command } = frame;
    const answer = {
      'session.resume': () => server.heads(1, command.cursor ?? null),
      'conversation.show': () => ({ heads: [] }),
      'conversation.mark': () => ({}),
      'conversation.settings': () => {
        updateSettings(server, 1, command.conversation, command.settings);
        return { version: server.data.version, prev: 0 };
      },
    }[/** @type {string} */ (command.type)] ?? (() => server.answer(1, command));
    socket.receive({ re: id, ...answer() });
    await flushPromises();
  }
  socket.sent.length = 0;
}

test('a conversation that is opened before anything is known, as by a reload, is not marked as unread any more', async () => {
  const server = new ModelServer(2);
  const conversation = server.open('group', 1, [2]);
  updateSettings(server, 1, conversation, { marked_unread: true });
  const [socket, clock] = [new FakeSocket(), manualClock()];
  const client = new Client({
    user: 1, storage: memoryStorage(), clock, onSessionEnd: () => {},
    fetch: () => new Promise(() => {}), socket: () => socket.like(), uploadTransport: () => assert.fail('nothing is carried'),
  });
  client.start();
  await client.showConversation(conversation);
  assert.equal(client.state.me, null);
  socket.open();
  await flushPromises();
  await answerAll(server, socket);
  assert.equal(settingsOf(server, 1, conversation).marked_unread, false);

  updateSettings(server, 1, conversation, { marked_unread: true });
  client.sync.applyEvent({ type: 'scope.changed', scope: 'user:1', version: server.data.version });
  await clock.advance(1_000);
  await answerAll(server, socket);
  assert.equal(client.state.settings.get(conversation)?.marked_unread, true);
  assert.equal(settingsOf(server, 1, conversation).marked_unread, true, 'a later mark, from another device, stays');
  client.stop();
});
