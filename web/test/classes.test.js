/**
 * The style sheets and the scripts use the same classes.
 */
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('../src/inbox/', import.meta.url));
const read = (/** @type {string} */ end) => readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith(end))
  .map((name) => readFileSync(folder + name, 'utf8')).join('\n');
// The page paints a skeleton, with classes of its own, before the script runs.
const page = readFileSync(`${folder}../index.html`, 'utf8');
const scripts = read('.js');
const styles = read('.css').replace(/\/\*.*?\*\//gsu, '');
const styled = new Set([...styles.matchAll(/([^{}]+)\{/gu)].flatMap(([, selector]) =>
  [...selector.matchAll(/\.([a-zA-Z][\w-]*)/gu)].map(([, name]) => name)));

/** The six pairs of colours, which the script numbers. */
const COUNTED = /^w[1-6]$/u;
/** Classes that only mark an element for a lookup, or that inherit their style. */
const PLAIN = new Set(['found-count', 'last', 'quote-place', 'readers', 'sheet-body', 'under', 'empty', 'both']);

test('every class of the style sheets is used by a script or the page', () => {
  const words = new Set(`${scripts} ${page}`.match(/[a-zA-Z][\w-]*/gu));
  assert.deepEqual([...styled].filter((name) => !words.has(name) && !COUNTED.test(name)), []);
});

test('every class that a script sets has a rule, or is known to need none', () => {
  const given = [
    ...scripts.matchAll(/class: ?['`]([^'`]*)['`]/gu), ...scripts.matchAll(/className = ['`]([^'`]*)['`]/gu),
    ...scripts.matchAll(/classList\.(?:add|toggle)\('([^']*)'/gu),
  ].flatMap(([, names]) => names.replace(/\$\{[^}]*\}/gu, ' ').match(/[a-zA-Z][\w-]*/gu) ?? []);
  assert.ok(given.length > 150, 'the scripts’ classes were extracted');
  assert.deepEqual([...new Set(given)].filter((name) => !styled.has(name) && !PLAIN.has(name)), []);
});
