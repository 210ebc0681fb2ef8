/**
 * Emoji: where a name is being written, finding emoji by words of every language, and their names.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { emojiCodeBefore } from '../src/inbox/view/emoji-code.js';
import { kinds } from '../src/inbox/view/emoji-list.js';
import { bare, entriesOf, learnWords, localWords, nameIn } from '../src/inbox/view/emoji-names.js';
import { emojiNamed, findEmoji } from '../src/inbox/view/emoji-search.js';
import { emojiName, loadEmojiNames } from '../src/inbox/view/emoji.js';
import { setLanguage } from '../src/inbox/view/strings.js';
import { emojiLines as arabic } from '../src/inbox/languages/arabic-emoji.js';
import { emojiLines as chinese } from '../src/inbox/languages/chinese-emoji.js';
import { emojiLines as french } from '../src/inbox/languages/french-emoji.js';
import { emojiLines as german } from '../src/inbox/languages/german-emoji.js';
import { emojiLines as japanese } from '../src/inbox/languages/japanese-emoji.js';
import { emojiLines as spanish } from '../src/inbox/languages/spanish-emoji.js';

const LANGUAGES = { arabic, chinese, french, german, japanese, spanish };
const english = kinds.flatMap(({ lines }) => lines).flatMap(entriesOf);

/** The name being written at `|`. @param {string} marked */
function codeAt(marked) {
  const caret = marked.indexOf('|');
  const code = emojiCodeBefore(marked.replace('|', ''), caret);
  return code && `${code.from}:${code.query}${code.closed ? ':' : ''}`;
}

test('a name is written after a colon and two letters, or one sign of a script without spaces', () => {
  assert.equal(codeAt(':sm|'), '0:sm');
  assert.equal(codeAt('Hello :heart_ey| and so on'), '6:heart_ey');
  assert.equal(codeAt('(:smile:|)'), '1:smile:');
  assert.equal(codeAt('👍:sm|'), '2:sm');
  assert.equal(codeAt('first\n:sm|'), '6:sm');
  assert.equal(codeAt('。：猫|'), '1:猫');
  assert.equal(codeAt(':قلب|'), '0:قلب');
  for (const none of ['|', ':|', ':s|', ': sm|', ':-D|', ':3d|', ':sm |', `:${'x'.repeat(33)}|`]) assert.equal(codeAt(none), null, none);
});

test('a colon of a URL, a time, a word or code begins no name', () => {
  for (const none of [
    'https:sm|', 'https://a.example:sm|', 'http://a.example/b:sm|', 'mailto:be|', '10:30|', 'at 10:ab|', 'note:sm|', 'a::sm|',
    '`:sm|', '`x :sm|', '`:sm| y`', '```\n:sm|', '```js\nlet a\n :sm|\n```', ':sm|ile', 'Zeit：早上|',
  ]) assert.equal(codeAt(none), null, none);
  assert.equal(codeAt('`x` :sm|'), '4:sm');
  assert.equal(codeAt('```\nx\n```\n:sm|'), '10:sm');
  assert.equal(codeAt('```x```\n:sm|'), '8:sm');
});

test('every language names every emoji, each name once', () => {
  for (const [language, lines] of Object.entries({ english: kinds.flatMap((kind) => kind.lines), ...LANGUAGES })) {
    const own = lines.flatMap(entriesOf);
    assert.deepEqual(own.map(({ emoji }) => emoji), english.map(({ emoji }) => emoji), language);
    const names = own.map(({ words }) => nameIn(words));
    assert.deepEqual(names.filter((name, at) => name.trim() === '' || names.indexOf(name) !== at), [], language);
  }
});

test('emoji are found by words of the user’s language and by English ones, the best first', () => {
  const found = (/** @type {string} */ query) => findEmoji(query).slice(0, 3).map(({ emoji }) => emoji).join('');
  const cases = /** @type {const} */ ([
    [german, [['herz', '❤️😍🥰'], ['feuer', '🔥🚒'], ['daumen', '👍👎🤞'], ['Lächeln', '😀'], ['heart eyes', '😍😻']]],
    [french, [['cœur rouge', '❤️'], ['etoile', '⭐🌟🤩'], ['fire', '🔥🚒']]],
    [spanish, [['corazon rojo', '❤️'], ['arbol', '🌳🎄'], ['ninja', '']]],
    [arabic, [['قلب احمر', '❤️'], ['قلب أحمر', '❤️'], ['قطة', '🐱😺😻']]],
    [chinese, [['猫', '🐱'], ['生日', '🎂'], ['心', '❤️💔']]],
    [japanese, [['ハート', '❤️😍😻'], ['猫', '🐱'], ['ねこ', '']]],
  ]);
  for (const [lines, queries] of cases) {
    learnWords(lines);
    for (const [query, wanted] of queries) assert.ok(wanted === '' ? found(query) === '' : found(query).startsWith(wanted), `${query}: ${found(query)}`);
  }
  localWords.clear();
  assert.equal(found('tada'), '🎉');
  assert.equal(found('thumbs_up'), '👍');
  assert.equal(found('heart'), '❤️😍🥰');
  assert.equal(emojiNamed('red_heart')?.emoji, '❤️');
  assert.equal(emojiNamed('thumbsup')?.emoji, '👍');
  assert.equal(emojiNamed('thumbsu'), undefined);
});

test('names are those of the user’s language', async () => {
  setLanguage('de', null);
  /** @type {string[]} */
  const later = [];
  assert.equal(emojiName('👍🏽', (name) => later.push(name)), '👍🏽', 'until they have loaded');
  await loadEmojiNames();
  await Promise.resolve();
  assert.deepEqual(later, ['Daumen hoch']);
  assert.equal(emojiName('❤'), 'rotes Herz');
  assert.equal(emojiName('🫎'), '🫎');
  assert.equal(localWords.size, english.length);
  assert.ok(localWords.has(bare('❤️')));
  setLanguage('en-GB', null);
  localWords.clear();
  assert.equal(emojiName('❤'), 'red heart');
});
