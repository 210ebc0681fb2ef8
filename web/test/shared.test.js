/**
 * What another application shares with the installed inbox.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { distinct } from '../src/inbox/view/shared-text.js';

test('what is shared twice is taken once, in its order', () => {
  assert.deepEqual(distinct(['A bench', 'See https://a.example/b', 'https://a.example/b']), ['A bench', 'See https://a.example/b']);
  assert.deepEqual(distinct(['', 'https://a.example/', 'https://a.example/']), ['https://a.example/']);
  assert.deepEqual(distinct(['A', '', '']), ['A']);
  assert.deepEqual(distinct(['', '', '']), []);
});
