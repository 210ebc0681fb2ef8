/**
 * Object URLs of this page's blobs: one per blob, limited in number, and revoked.
 */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';
import { objectUrlOf, revokeObjectUrls } from '../src/sdk/object-urls.js';

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
  revokeObjectUrls();
  mock.restoreAll();
});

test('a blob keeps its URL while it is used, and the least recently used URLs are revoked', () => {
  const first = new Blob(['first']);
  const second = new Blob(['second']);
  const [address, other] = [objectUrlOf(first), objectUrlOf(second)];
  for (let count = 0; count < 200; count += 1) {
    objectUrlOf(new Blob([String(count)]));
    assert.equal(objectUrlOf(first), address);
  }
  assert.equal(open.has(address), true);
  assert.equal(open.has(other), false);
  assert.ok(open.size < 100, `${open.size} are open`);
  assert.notEqual(objectUrlOf(second), other);
});

test('revokeAll revokes every URL', () => {
  objectUrlOf(new Blob(['x']));
  revokeObjectUrls();
  assert.equal(open.size, 0);
});
