/**
 * Object URLs of this page's blobs: one per blob, limited in number, and revoked.
 */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';
import { addressOf, revokeAll } from '../src/sdk/object-urls.js';

/** @type {Set<string>} */
let open;
let made = 0;

beforeEach(() => {
  open = new Set();
  mock.method(URL, 'createObjectURL', () => {
    made += 1;
    open.add(`blob:${made}`);
    return `blob:${made}`;
  });
  mock.method(URL, 'revokeObjectURL', (/** @type {string} */ address) => open.delete(address));
});

afterEach(() => {
  revokeAll();
  mock.restoreAll();
});

test('a blob keeps its URL while it is used, and the least recently used URLs are revoked', () => {
  const first = new Blob(['first']);
  const second = new Blob(['second']);
  const [address, other] = [addressOf(first), addressOf(second)];
  for (let count = 0; count < 200; count += 1) {
    addressOf(new Blob([String(count)]));
    assert.equal(addressOf(first), address);
  }
  assert.equal(open.has(address), true);
  assert.equal(open.has(other), false);
  assert.ok(open.size < 100, `${open.size} are open`);
  assert.notEqual(addressOf(second), other);
});

test('revokeAll revokes every URL', () => {
  addressOf(new Blob(['x']));
  revokeAll();
  assert.equal(open.size, 0);
});
