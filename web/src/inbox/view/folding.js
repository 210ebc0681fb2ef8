/**
 * Folds texts for comparison, and derives the words that a name is found by. Pure.
 *
 * The server folds in the same way (`crates/server/src/search/`: `fold.rs`, `units.rs`, `names.rs`), and
 * `fixtures/folding.json` holds both to it. Folding replaces compatibility forms, lowers the case, drops accents and
 * invisible characters, and spells out letters that Unicode does not decompose. Names are found by the prefixes of
 * their words, with and without the characters that join them, and by any part in a script without spaces.
 */
import { graphemes } from './graphemes.js';

/** @typedef {'word'|'run'|'sign'|'gap'} Class */
/** @typedef {{folded: string, kind: Class}} Letter */
/** @typedef {'none'|'soft'|'hard'|'spaced'|'thousand'|'space'|'end'} Joint */
/** @typedef {{folded: string, joint: Joint}} Unit */
/** One term that a name must contain: the whole, or all of its parts. @typedef {{whole: string, parts: string[]}} QueryTerm
 * */

const JOINT = '\u200c';
/** The compared characters of a word. */
const WORD_CHARS_MAX = 32;
const ACCOUNT_CHARS_MIN = 15;
const SPACED_MAX = 3;

const DROPPED = new RegExp('[\\u0300-\\u036f\\u0483-\\u0487\\u1ab0-\\u1aff\\u1dc0-\\u1dff\\u20d0-\\u20ff\\ufe20-\\ufe2f'
  + '\\u0591-\\u05bd\\u05bf\\u05c1\\u05c2\\u05c4\\u05c5\\u05c7\\u0610-\\u061a\\u0640\\u064b-\\u065f\\u0670\\u06d6-\\u06dc'
  + '\\u06df-\\u06e4\\u06e7\\u06e8\\u06ea-\\u06ed\\u00ad\\u061c\\u180b-\\u180f\\u200b-\\u200f\\u202a-\\u202e\\u2060-\\u206f'
  + '\\ufe00-\\ufe0f\\ufeff\\u{1f3fb}-\\u{1f3ff}\\u{e0000}-\\u{e01ef}]', 'gu');
const WITHOUT_SPACES = new RegExp('[\\u0e00-\\u0e4f\\u0e80-\\u0ecf\\u0edc-\\u0eff\\u1000-\\u103f\\u1050-\\u108f\\u109a-\\u109f'
  + '\\ua9e0-\\ua9ef\\ua9fa-\\ua9ff\\uaa60-\\uaa7f\\u1780-\\u17df\\u1100-\\u11ff\\u3130-\\u318f\\ua960-\\ua97f\\uac00-\\ud7ff'
  + '\\u3005-\\u3007\\u3021-\\u3029\\u3031-\\u3035\\u3041-\\u312f\\u31a0-\\u31bf\\u31f0-\\u31ff\\u{1aff0}-\\u{1b16f}'
  + '\\u2e80-\\u2fdf\\u3400-\\u4dbf\\u4e00-\\ua4cf\\uf900-\\ufaff\\u{20000}-\\u{3ffff}]', 'u');
const LETTER = /[\p{Alphabetic}\p{N}\p{M}]/u;
const ALPHANUMERIC = /[\p{Alphabetic}\p{N}]/u;
const SIGN = /[\u2190-\u2bff\u{1f000}-\u{1faff}]/u;
const CURRENCY = /[$¢£¤¥\u058f\u060b\u09f2\u09f3\u0e3f\u20a0-\u20cf]/u;
const DIGIT = /^[0-9]$/u;

/** Letters that no normal form decomposes. @type {Map<string, string>} */
const SPELLED = new Map(Object.entries({
  ß: 'ss', æ: 'ae', œ: 'oe', þ: 'th', ø: 'o', ł: 'l', đ: 'd', ð: 'd', ħ: 'h', ı: 'i', ŧ: 't', ŋ: 'n', ĸ: 'k', ς: 'σ',
  ی: 'ي', ى: 'ي', ک: 'ك', ھ: 'ه', ہ: 'ه',
}));
for (const code of [0x2b9, 0x2ba, 0x2bb, 0x2bc, 0x2be, 0x2bf, 0x2c8, 0x2ca, 0x2cb]) {
  SPELLED.set(String.fromCodePoint(code), "'");
}
for (let digit = 0; digit < 10; digit += 1) {
  SPELLED.set(String.fromCodePoint(0x660 + digit), String(digit));
  SPELLED.set(String.fromCodePoint(0x6f0 + digit), String(digit));
}

/** @param {string} text @returns {Letter[]} */
export function foldedLetters(text) {
  if (/^[\0-\x7f]*$/u.test(text)) {
    return [...text.toLowerCase()].map((folded) => ({ folded, kind: /[a-z0-9]/u.test(folded) ? 'word' : 'gap' }));
  }
  /** @type {Letter[]} */
  const letters = [];
  for (const grapheme of graphemes(text)) {
    const lower = [...grapheme.normalize('NFKD')].map((one) => one.toLowerCase()).join('');
    const plain = lower.normalize('NFKD').replace(DROPPED, '').normalize('NFC');
    for (const composed of plain) {
      for (const folded of SPELLED.get(composed) ?? composed) letters.push({ folded, kind: kindOf(folded) });
    }
    if (grapheme.includes(JOINT) && letters.at(-1)?.kind === 'word') letters.push({ folded: JOINT, kind: 'gap' });
  }
  return letters;
}

/** @param {string} text @returns {string} */
export function fold(text) {
  return foldedLetters(text).map((one) => one.folded).join('');
}

/** @param {string} folded @returns {Class} */
function kindOf(folded) {
  if (folded <= '\x7f') return /[a-z0-9]/iu.test(folded) ? 'word' : 'gap';
  if (LETTER.test(folded)) return WITHOUT_SPACES.test(folded) ? 'run' : 'word';
  return SIGN.test(folded) ? 'sign' : 'gap';
}

/** Returns the letters of words, each with the joint before it. @param {Letter[]} letters @returns {Unit[]} */
function unitsOf(letters) {
  /** @type {Unit[]} */
  const units = [];
  /** @type {string[]} */
  let gap = [];
  for (const { folded, kind } of letters) {
    if (kind === 'word') units.push({ folded, joint: joint(units.at(-1), gap, folded) });
    else if (kind === 'gap' && isAffix(units, gap, folded)) units.push({ folded, joint: gap.length === 0 ? 'none' : 'soft' });
    else {
      // Other characters join nothing.
      gap.push(kind === 'gap' ? folded : '\n');
      continue;
    }
    gap = [];
  }
  joinNumbers(units);
  return units;
}

/** @param {Unit|undefined} before @param {string[]} gap @param {string} after @returns {Joint} */
function joint(before, gap, after) {
  if (!before) return 'end';
  const isNumber = DIGIT.test(before.folded) && DIGIT.test(after);
  if (gap.length === 0) return 'none';
  const [sign] = gap;
  if (gap.length > 1) {
    return isNumber && gap.length <= SPACED_MAX && gap.every((one) => ' /-‐–()'.includes(one)) ? 'spaced' : 'end';
  }
  if (`'’‘´\`′-‐‒–−־${JOINT}`.includes(sign)) return 'soft';
  if (isNumber && '.,:/_·٫٬'.includes(sign)) return 'soft';
  if (sign === ' ') return isNumber ? 'spaced' : 'space';
  if (sign === '.' && before.joint !== 'none' && !DIGIT.test(before.folded)) return 'soft';
  return '.:/_&@\\=~'.includes(sign) || CURRENCY.test(sign) ? 'hard' : 'end';
}

/** Returns whether a character belongs to the word before it. @param {Unit[]} units @param {string[]} gap
 * @param {string} sign @returns {boolean} */
function isAffix(units, gap, sign) {
  const before = units.at(-1)?.folded ?? ' ';
  const isWord = ALPHANUMERIC.test(before);
  if (sign === '+') return gap.length === 0 && (isWord || (before === '+' && units.at(-2)?.folded !== '+'));
  if (sign === '#') return gap.length === 0 && isWord;
  return isSuffix(sign) && DIGIT.test(before) && (gap.length === 0 || (gap.length === 1 && gap[0] === ' '));
}

/** @param {string} sign @returns {boolean} */
function isSuffix(sign) {
  return sign === '%' || CURRENCY.test(sign);
}

/** Returns whether letters and digits meet between these two. @param {string} before @param {string} after
 * @returns {boolean} */
function isSwitch(before, after) {
  if (/[+#]/u.test(after) || isSuffix(after)) return false;
  return /[+#]/u.test(before) || isSuffix(before) || DIGIT.test(before) !== DIGIT.test(after);
}

/** Joins the spaced groups of thousands and of account numbers, which only the following groups reveal.
 * @param {Unit[]} units */
function joinNumbers(units) {
  const starts = units.flatMap((unit, at) => (unit.joint === 'none' ? [] : [at]));
  const end = (/** @type {number} */ group) => starts[group + 1] ?? units.length;
  const digits = (/** @type {number} */ from, /** @type {number} */ to) => {
    let at = from;
    while (at < to && DIGIT.test(units[at].folded)) at += 1;
    return at - from;
  };
  for (let group = 1; group < starts.length; group += 1) {
    const [before, from, to] = [starts[group - 1], starts[group], end(group)];
    const isShort = from - before <= 3 && digits(before, from) === from - before;
    if (units[from].joint === 'spaced' && isShort && digits(from, to) === 3) units[from].joint = 'thousand';
  }
  for (let group = 0; group < starts.length;) {
    const last = accountEnd(units, starts, group);
    for (const at of starts.slice(group + 1, last + 1)) units[at].joint = 'spaced';
    group = last + 1;
  }
}

/** Returns the last group of the account number that starts with this group, or the group itself. An account number has
 * two letters and two digits, then groups of four. @param {Unit[]} units @param {number[]} starts @param {number} group
 * @returns {number} */
function accountEnd(units, starts, group) {
  const from = starts[group];
  const end = (/** @type {number} */ one) => starts[one + 1] ?? units.length;
  const joinLetters = (/** @type {number} */ one) => units.slice(starts[one], end(one)).map((unit) => unit.folded).join('');
  if (end(group) - from !== 4 || !/end|space$/u.test(units[from].joint) || !/^[a-z]{2}[0-9]{2}$/u.test(joinLetters(group))) {
    return group;
  }
  let last = group;
  for (let next = group + 1; next < starts.length; next += 1) {
    const at = starts[next];
    const isSpaced = /^(?:space|spaced|thousand)$/u.test(units[at].joint);
    if (!isSpaced || end(next) - at > 4 || at - starts[next - 1] !== 4 || !/^[a-z0-9]*$/iu.test(joinLetters(next))) break;
    last = next;
  }
  return end(last) - from >= ACCOUNT_CHARS_MIN ? last : group;
}

/** @param {{folded: string}[]} units @param {number} [from] @returns {string} */
function joinLetters(units, from = 0) {
  return units.slice(from, from + WORD_CHARS_MAX).map((one) => one.folded).join('');
}

/** @param {Unit} unit @returns {boolean} whether a new word starts here */
function isApart(unit) {
  return unit.joint === 'space' || unit.joint === 'end';
}

/** Returns the runs of a script without spaces, and single symbols. @param {Letter[]} letters @returns {Letter[][]} */
function runsOf(letters) {
  /** @type {Letter[][]} */
  const runs = [];
  for (const [index, letter] of letters.entries()) {
    if (letter.kind !== 'run' && letter.kind !== 'sign') continue;
    if (letter.kind === 'run' && letters[index - 1]?.kind === 'run') runs.at(-1)?.push(letter);
    else runs.push([letter]);
  }
  return runs;
}

/** Returns the words that a name is found by, each after a space. @param {string} name @returns {string} */
export function nameWords(name) {
  const letters = foldedLetters(name);
  const words = chunked(unitsOf(letters), isApart).flatMap((units) => units.flatMap(({ folded, joint: before }, at) =>
    (at > 0 && before === 'none' && !isSwitch(units[at - 1].folded, folded) ? [] : [joinLetters(units, at)])));
  const parts = runsOf(letters).flatMap((run) => run.map((_, at) => joinLetters(run, at)));
  return [...words, ...parts].map((one) => ` ${one}`).join('');
}

/** What a query asks of a name. @param {string} query @returns {QueryTerm[]} */
export function parseQuery(query) {
  const letters = foldedLetters(query);
  const words = chunked(unitsOf(letters), isApart).map((word) => {
    const parts = chunked(word, (unit) => unit.joint !== 'none').map((part) => joinLetters(part));
    return { whole: joinLetters(word), parts: parts.length > 1 ? parts : [] };
  });
  return [...words, ...runsOf(letters).map((run) => ({ whole: joinLetters(run), parts: [] }))];
}

/** @param {Unit[]} units @param {(unit: Unit) => boolean} begins @returns {Unit[][]} */
function chunked(units, begins) {
  /** @type {Unit[][]} */
  const chunks = [];
  for (const unit of units) {
    if (chunks.length === 0 || begins(unit)) chunks.push([unit]);
    else chunks[chunks.length - 1].push(unit);
  }
  return chunks;
}

/** Caches the words of names, which are compared on each keystroke. @type {Map<string, string>} */
const wordsByName = new Map();
const CACHE_MAX = 20_000;

/** Returns whether a name matches a query. @param {string} name @param {QueryTerm[]} wanted @returns {boolean} */
export function isFound(name, wanted) {
  let words = wordsByName.get(name);
  if (words === undefined) {
    words = nameWords(name);
    if (wordsByName.size >= CACHE_MAX) wordsByName.clear();
    wordsByName.set(name, words);
  }
  return hasAll(words, wanted);
}

/** Returns whether the words of a name match a query. @param {string} words @param {QueryTerm[]} wanted @returns {boolean}
 * */
export function hasAll(words, wanted) {
  const has = (/** @type {string} */ part) => words.includes(` ${part}`);
  return wanted.every(({ whole, parts }) => has(whole) || (parts.length > 0 && parts.every(has)));
}
