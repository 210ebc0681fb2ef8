/**
 * Directional controls affect only the text that contains them.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { balanced, isolated } from '../src/inbox/view/bidi.js';
import { dialogSay } from '../src/inbox/view/dialog-strings.js';
import { say } from '../src/inbox/view/strings.js';

const signs = fc.constantFrom('a', 'ب', ' ', '\n', '\u202A', '\u202B', '\u202C', '\u202D', '\u202E', '\u2066', '\u2067', '\u2068', '\u2069');
const texts = fc.array(signs, { maxLength: 40 }).map((all) => all.join(''));

/** Counts the controls that a line leaves open, by the Unicode Bidirectional Algorithm; null when it closes one that it
 * did not open. @param {string} line @returns {number|null} */
function countOpen(line) {
  /** @type {string[]} */
  const open = [];
  for (const sign of line) {
    if (/[\u202A\u202B\u202D\u202E]/u.test(sign)) open.push('embed');
    else if (/[\u2066-\u2068]/u.test(sign)) open.push('isolate');
    else if (sign === '\u202C') {
      if (open.at(-1) !== 'embed') return null;
      open.pop();
    } else if (sign === '\u2069') {
      const at = open.lastIndexOf('isolate');
      if (at < 0) return null;
      open.length = at;
    }
  }
  return open.length;
}

test('in each line a text closes exactly the directional controls that it opens there', () => {
  fc.assert(fc.property(texts, (text) => {
    for (const line of balanced(text).split('\n')) assert.equal(countOpen(line), 0);
  }));
});

test('only directional controls are added or removed, and a balanced text stays unchanged', () => {
  const bare = (/** @type {string} */ text) => text.replace(/[\u202A-\u202E\u2066-\u2069]/gu, '');
  fc.assert(fc.property(texts, (text) => {
    assert.equal(bare(balanced(text)), bare(text));
    assert.equal(balanced(balanced(text)), balanced(text));
  }));
  assert.equal(balanced('a \u2067b\u2069 c \u202Bd\u202C'), 'a \u2067b\u2069 c \u202Bd\u202C');
});

test('a name with directional controls is isolated in every sentence, and a plain name stays unchanged', () => {
  const name = 'Mal\u2069\u202Elory';
  assert.equal(isolated(name), '\u2068Mal\u202Elory\u202C\u2069');
  assert.equal(isolated('Ben Okafor'), 'Ben Okafor');
  /** @type {[string, string, string][]} */
  const wrong = [];
  for (const [key, make] of Object.entries({ ...say, ...dialogSay })) {
    if (typeof make !== 'function') continue;
    const sets = [[name, name, name], [2, name, name], [[name, name], 0, name], [name, [name, name], name], [true, 0, name]];
    for (const parts of sets) {
      // The added users are always a list.
      if (key === 'lineAdded' && !Array.isArray(parts[1])) continue;
      const made = callOrEmpty(() => /** @type {any} */ (make)(...parts));
      const text = Array.isArray(made) ? made.map((one) => one.firm ?? one).join('') : String(made);
      if (countOpen(text) !== 0) wrong.push([key, JSON.stringify(parts), text]);
    }
  }
  assert.deepEqual(wrong, []);
});

/** Returns an empty text for sentences that do not accept these arguments. @param {() => any} make */
function callOrEmpty(make) {
  try {
    return make();
  } catch {
    return '';
  }
}
