/**
 * Fields whose value may change elsewhere, and the focus when its element is removed.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { followValue, replaceChildren } from '../src/inbox/ui/dom.js';

test('a field follows its value until the user types something else', () => {
  const field = { value: '' };
  const follow = followValue(field);
  follow('Umbrellas');
  follow('Lost umbrellas');
  assert.equal(field.value, 'Lost umbrellas');
  field.value = 'Umbrellas of Vienna ';
  follow('Lost umbrellas');
  follow('Umbrellas, found');
  assert.equal(field.value, 'Umbrellas of Vienna ', 'text being typed is not replaced');
  follow('Umbrellas of Vienna');
  follow('Hats');
  assert.equal(field.value, 'Hats', 'after saving the field follows its value again');
});

test('the focus moves when its element goes, and stays otherwise', () => {
  const button = /** @type {any} */ ({});
  const element = /** @type {any} */ ({
    held: [button], contains: (/** @type {any} */ node) => element.held.includes(node),
    replaceChildren: (/** @type {any[]} */ ...nodes) => { element.held = nodes; },
  });
  let moved = 0;
  for (const [activeElement, expected] of [[button, 1], [{}, 1]]) {
    Object.assign(globalThis, { document: { activeElement } });
    element.held = [button];
    replaceChildren(element, [], () => void (moved += 1));
    assert.deepEqual([moved, element.held], [expected, []]);
  }
});
