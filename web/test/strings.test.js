/**
 * Texts with numbers and names in them.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemPhrase, wordsOf } from '../src/inbox/view/preview.js';
import { threadView } from '../src/inbox/view/thread.js';
import { emptyState } from '../src/sdk/state/state.js';
import { dialogSay } from '../src/inbox/view/dialog-strings.js';
import { say } from '../src/inbox/view/strings.js';
import { Ephemeral } from '../src/sdk/ephemeral.js';
import { manualClock } from './support/clock.js';
import { apply } from '../src/sdk/state/apply.js';
import { ModelServer } from './support/model-server.js';

test('only unread counts stop at 99', () => {
  assert.equal(say.charactersLeft(480), '480 characters left');
  assert.equal(say.charactersLeft(1), '1 character left');
  assert.equal(say.people(250), '250 people');
  assert.equal(say.membersOf(250), '250 people: show who');
  assert.equal(say.files(120), '120 files');
  assert.equal(say.pictures(120), '120 pictures');
  assert.match(dialogSay.staySignedIn(365), /for 365 days\.$/u);
  for (const count of [say.unreadCount, say.newMessages, say.arrivedMany]) {
    assert.match(count(1), /^1 (?:unread|new) message$/u);
    assert.match(count(99), /^99 (?:unread|new) messages$/u);
    assert.match(count(100), /^99\+ (?:unread|new) messages$/u);
  }
});

test('a user named You is not confused with the current user', () => {
  const server = new ModelServer(2);
  server.data.users.set(2, { id: 2, name: 'You Hyun-ji', picture: null, version: server.next() });
  const id = server.open('direct', 1, [2]);
  server.send(1, id, 'mine', 'a');
  server.send(2, id, 'hers', 'b');
  let state = apply(emptyState(1), { kind: 'list', page: server.list(1, undefined, 10), requestedAt: 0 });
  state = apply(state, { kind: 'opening', conversation: id });
  state = apply(state, { kind: 'messages', conversation: id, page: server.messages(1, id, {}), requestedAt: 0 });
  const viewInput = {
    state, now: 0, serverNow: 0, selected: id, waiting: () => [], draft: () => '', readUpTo: () => 0,
    presenceSource: new Ephemeral({ user: 1, clock: manualClock(), changed: () => {} }),
  };
  const who = (/** @type {number} */ reply) => {
    const { mode } = threadView(viewInput, {
      id, divider: null, offline: false, progress: 'idle', side: null, draft: '', draftTaken: 0, charsMax: 9,
      subjectMax: 9, attached: [], bytesMax: 9, drafting: { reply, subject: null, mentions: [], editing: null },
      withPending: (message) => message, isJumping: false, enterSends: true,
    }).composer;
    return mode?.kind === 'reply' ? mode.who : undefined;
  };
  assert.equal(say.replyingTo(who(1) ?? null), 'Reply to yourself');
  assert.equal(who(2), 'You');
  assert.equal(say.replyingTo('You'), 'Reply to You');
  assert.equal(say.messageOf('You'), 'Message from You');
  assert.equal(say.messageOf(null), 'Your message');
});

test('an unknown system message and an unknown role of a newer server have a fallback text', () => {
  const state = emptyState(1);
  state.users.set(2, { id: 2, name: 'Ben', picture: null, version: 1 });
  const words = (/** @type {any} */ line, sender = 2) => wordsOf(systemPhrase(state, sender, line));
  assert.equal(words({ type: 'archived' }), 'Ben changed something here');
  assert.equal(words({ type: 'archived' }, 1), 'You changed something here');
  assert.equal(words({ type: 'role_changed', user: 2, role: 'archivist' }, 1), 'You made Ben archivist');
  assert.equal(words({ type: 'role_changed', user: 1, role: 'owner' }), 'Ben made you an owner');
});
