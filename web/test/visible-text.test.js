/**
 * Invisible text: the server's rules, applied early.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { findInvisible } from '../src/inbox/view/name-rules.js';
import { isBlank } from '../src/inbox/view/visible-text.js';

const fixture = JSON.parse(readFileSync(new URL('../../fixtures/visible.json', import.meta.url), 'utf8'));

test('invisible text is recognised', () => {
  for (const text of fixture.blank) assert.ok(isBlank(text), JSON.stringify(text));
  for (const text of fixture.visible) assert.ok(!isBlank(text), JSON.stringify(text));
});

test('invisible characters stay in names only where they have a meaning', () => {
  for (const text of fixture.refused) assert.match(findInvisible(text) ?? '', /^U\+[0-9A-F]{4,6}$/u, JSON.stringify(text));
  for (const text of fixture.kept) assert.equal(findInvisible(text), null, JSON.stringify(text));
  for (const [text] of fixture.changed) assert.equal(findInvisible(text), null, JSON.stringify(text));
});
