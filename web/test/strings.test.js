/**
 * Words with numbers and names in them.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { say } from '../src/inbox/strings.js';

test('only what is new or not read is counted to 99', () => {
  assert.equal(say.charactersLeft(480), '480 characters left');
  assert.equal(say.charactersLeft(1), '1 character left');
  assert.equal(say.people(250), '250 people');
  assert.equal(say.membersOf(250), '250 people: show who');
  assert.equal(say.files(120), '120 files');
  assert.equal(say.pictures(120), '120 pictures');
  assert.match(say.staySignedIn(365), /for 365 days\.$/u);
  for (const count of [say.unreadCount, say.newMessages, say.arrivedMany]) {
    assert.match(count(1), /^1 (?:unread|new) message$/u);
    assert.match(count(99), /^99 (?:unread|new) messages$/u);
    assert.match(count(100), /^99\+ (?:unread|new) messages$/u);
  }
});
