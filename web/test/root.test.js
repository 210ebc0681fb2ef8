import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressOf, rootOf } from '../src/inbox/ui/root.js';

test('the server is where the script comes from', () => {
  assert.equal(rootOf('/web/inbox/main.js'), '');
  assert.equal(rootOf('/in/box/web/main-1a2b.js'), '/in/box');
  assert.equal(rootOf(''), '', 'without a page');
});

test('only the paths of the server are below its root path', async () => {
  const script = { getAttribute: () => '/in/box/web/main-1a2b.js' };
  globalThis.document = /** @type {any} */ ({ querySelector: () => script });
  const { addressOf: below } = await import(`../src/inbox/ui/root.js?${'below'}`);
  assert.equal(below('/v1/me'), '/in/box/v1/me');
  for (const other of ['/media/a.jpg', 'https://other.example/x', 'blob:1', '']) assert.equal(below(other), other);
  assert.equal(addressOf('/v1/me'), '/v1/me', 'at the root of its origin');
});
