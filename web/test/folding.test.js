/**
 * Text folding is the same on both sides: the list's filter finds what the server finds.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fold, isFound, nameWords, parseQuery } from '../src/inbox/view/folding.js';

const fixture = JSON.parse(readFileSync(new URL('../../fixtures/folding.json', import.meta.url), 'utf8'));

test('texts are folded as the server folds them', () => {
  assert.ok(fixture.folded.length > 500);
  for (const [text, expected] of fixture.folded) assert.equal(fold(text), expected, JSON.stringify(text));
  for (const [name, expected] of fixture.words) assert.equal(nameWords(name), expected, JSON.stringify(name));
});

test('names are found as the server finds them', () => {
  for (const [name, found, missed] of fixture.matches) {
    for (const query of found) assert.ok(isFound(name, parseQuery(query)), `${query} finds ${name}`);
    for (const query of missed) assert.ok(!isFound(name, parseQuery(query)), `${query} does not find ${name}`);
  }
});
