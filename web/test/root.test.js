import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressOf, rootOf } from '../src/inbox/ui/root.js';

test('the server is where the page is', () => {
  assert.equal(rootOf('/'), '');
  assert.equal(rootOf('/in/box/'), '/in/box');
  assert.equal(addressOf('/v1/me'), '/v1/me', 'a test has no page');
  assert.equal(addressOf('https://other.example/x'), 'https://other.example/x');
});
