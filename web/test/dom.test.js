/**
 * Fields that show what may change elsewhere.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { following } from '../src/inbox/dom.js';

test('a field follows what it stands for, until something else is written there', () => {
  const field = { value: '' };
  const follow = following(field);
  follow('Umbrellas');
  follow('Lost umbrellas');
  assert.equal(field.value, 'Lost umbrellas');
  field.value = 'Umbrellas of Vienna ';
  follow('Lost umbrellas');
  follow('Umbrellas, found');
  assert.equal(field.value, 'Umbrellas of Vienna ', 'nobody takes away what is being written');
  follow('Umbrellas of Vienna');
  follow('Hats');
  assert.equal(field.value, 'Hats', 'once it is saved it follows again');
});
