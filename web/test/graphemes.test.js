/**
 * Texts are cut between graphemes, never within one.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { previewContent, splitFileName } from '../src/inbox/view/attachments.js';
import { initials, roleName } from '../src/inbox/view/format.js';
import { truncate, graphemes } from '../src/inbox/view/graphemes.js';

test('initials are whole graphemes', () => {
  for (const [name, expected] of [
    ['हिन्दी मित्र', 'हिमि'], ['e\u0301lodie', 'E\u0301'], ['🦊', '🦊'], ['👩‍🚀', '👩‍🚀'], ['🦊 Fox Bell', 'FB'], ['ßander', 'ß'],
    ['김철수', '철수'], ['さくら', 'くら'], ['辻󠄀 がが', 'がが'], ['か\u3099き\u3099く\u3099', 'き\u3099く\u3099'], ['😀 😀', '😀'], ['...', '?'],
  ]) assert.equal(initials(name), expected, name);
  assert.equal(roleName('e\u0301lu'), 'E\u0301lu');
});

test('nothing is cut within a grapheme', () => {
  const family = '👩‍👩‍👧';
  assert.equal(truncate(family.repeat(3), 2), family.repeat(2));
  assert.equal(truncate('e\u0301'.repeat(4), 3), 'e\u0301'.repeat(3));
  assert.equal(truncate('short', 10), 'short');
  const long = previewContent({ text: family.repeat(5_000) }).text;
  assert.ok(long.length < 9_000 && graphemes(long).every((one) => one === family),
    'a preview ends between two graphemes');
  const [stem, end] = splitFileName(`${family.repeat(12)}.jpg`);
  assert.ok([...graphemes(stem), ...graphemes(end).slice(0, -4)].every((one) => one === family));
});
