/**
 * Parses the markup of a plain text: links, *bold*, _italic_, `code` and fenced blocks. Pure; the result contains only
 * text.
 *
 * Invariants: the texts of all pieces add up to the input; markup characters are pieces of their own (`addMark`). An
 * `href` starts with http, https or mailto. The time is linear in the length. Links and code contain no markup. A span
 * stays within one line. It opens only at the start or after a space, an opening bracket or a quote, and closes only
 * before punctuation or closing brackets up to a space or the end. It contains a letter, a digit or an emoji. So
 * `snake_case`, `2*3*4`, `src/*.js` and `^_^` stay as they are.
 */
import { truncate } from './graphemes.js';
import { findLinks } from './links.js';

/** @import {Meter} from './links.js' */

/**
 * @typedef {{type: 'text', text: string, bold: boolean, italic: boolean}} TextPiece
 * @typedef {{type: 'link', text: string, href: string, host: string|null, bold: boolean, italic: boolean}} LinkPiece
 * @typedef {{type: 'code', text: string}} CodePiece
 * @typedef {{type: 'block', text: string}} BlockPiece
 * @typedef {{type: 'mark', text: string}} MarkPiece
 * @typedef {TextPiece|LinkPiece|CodePiece|BlockPiece|MarkPiece} Piece
 */

/** After this number of spans the rest of a text is plain, which bounds the elements that a page has to draw. */
const SPANS_MAX = 600;
const FENCE = '```';
/** No single line has room for more. */
const PREVIEW_CHARS = 1_000;
/** The number of punctuation characters checked after a span. */
const AFTER_MAX = 12;

/** What a span must contain. */
const CONTENT = /[\p{L}\p{N}\p{Extended_Pictographic}]/u;

/** @param {string} text @param {Meter} [meter] @returns {Piece[]} */
export function parseMarkup(text, meter = { steps: 0 }) {
  /** @type {Piece[]} */
  const pieces = [];
  const left = { spans: SPANS_MAX, meter };
  let from = 0;
  for (const fence of findFences(text)) {
    parseLines(text.slice(from, fence.from), pieces, left);
    addMark(pieces, text.slice(fence.from, fence.begin));
    pieces.push({ type: 'block', text: text.slice(fence.begin, fence.end) });
    addMark(pieces, text.slice(fence.end, fence.to));
    from = fence.to;
  }
  parseLines(text.slice(from), pieces, left);
  return pieces;
}

/** Returns the text without its markup. @param {string} text @returns {string} */
export function stripMarkup(text) {
  return parseMarkup(text).map((piece) => (piece.type === 'mark' ? (piece.text.includes('\n') ? '\n' : '') : piece.text))
    .join('');
}

/** Returns a text as one line for the list, a quote or a notice: without markup and without unclosed fences.
 * @param {string} text @returns {string} */
export function preview(text) {
  const shown = stripMarkup(truncate(text, PREVIEW_CHARS));
  return oneLine(shown.replace(/^```[\w+#.-]{0,20}$/gmu, '').replace(/^```|```$/gmu, '')) || oneLine(shown);
}

/** @param {string} text @returns {string} */
export function oneLine(text) {
  return text.replace(/\s+/gu, ' ').trim();
}

/** Finds code blocks: from a fence at the start of a line to one at the end of a line, with text in between.
 * @param {string} text @returns {{from: number, begin: number, end: number, to: number}[]} */
function findFences(text) {
  const found = [];
  for (let at = 0; found.length < SPANS_MAX;) {
    const open = lineStart(text, at);
    const close = open < 0 ? -1 : lineEnd(text, open + FENCE.length);
    if (close < 0) break;
    const head = /^[\w+#.-]{0,20}\n/u.exec(text.slice(open + FENCE.length, open + FENCE.length + 24));
    const begin = Math.min(open + FENCE.length + (head ? head[0].length : 0), close);
    const end = close > begin && text[close - 1] === '\n' ? close - 1 : close;
    const after = close + FENCE.length;
    if (text.slice(begin, end).trim() === '') {
      at = after;
      continue;
    }
    // The line breaks around a block belong to its fences: a block stands on lines of its own.
    found.push({
      from: open > at && text[open - 1] === '\n' ? open - 1 : open,
      begin, end, to: text[after] === '\n' ? after + 1 : after,
    });
    at = text[after] === '\n' ? after + 1 : after;
  }
  return found;
}

/** @param {string} text @param {number} from @returns {number} the position of the next fence at the start of a line */
function lineStart(text, from) {
  for (let at = text.indexOf(FENCE, from); at >= 0; at = text.indexOf(FENCE, at + 1)) {
    if (at === 0 || text[at - 1] === '\n') return at;
  }
  return -1;
}

/** @param {string} text @param {number} from @returns {number} the position of the next fence at the end of a line */
function lineEnd(text, from) {
  for (let at = text.indexOf(FENCE, from); at >= 0; at = text.indexOf(FENCE, at + 1)) {
    const after = text[at + FENCE.length];
    if (after === undefined || after === '\n') return at;
  }
  return -1;
}

/** @typedef {{spans: number, meter: Meter}} Left how many forms the text may still have */

/** @param {string} text @param {Piece[]} pieces @param {Left} left */
function parseLines(text, pieces, left) {
  for (const line of text.match(/[^\n]*\n|[^\n]+$/gu) ?? []) {
    const end = line.endsWith('\n') ? line.length - 1 : line.length;
    parseLine(line.slice(0, end), pieces, left);
    addText(pieces, line.slice(end), false, false);
  }
}

/** An indivisible piece of a line, or a character that may be markup. @typedef {{type: 'plain', text: string} | {type:
 * 'sign', text: '*'|'_', opens: boolean, closes: boolean} | {type: 'link', text: string, href: string, host:
 * string|null} | CodePiece | MarkPiece} Atom */

/** @param {string} line @param {Piece[]} pieces @param {Left} left */
function parseLine(line, pieces, left) {
  const atoms = atomsOf(line, left);
  const pairs = pairSigns(atoms, left);
  const on = { '*': false, _: false };
  for (const [index, atom] of atoms.entries()) {
    if (atom.type === 'sign') {
      const turns = pairs.get(index);
      if (turns === undefined) {
        addText(pieces, atom.text, on['*'], on._);
      } else {
        addMark(pieces, atom.text);
        on[atom.text] = turns;
      }
    } else if (atom.type === 'plain') {
      addText(pieces, atom.text, on['*'], on._);
    } else if (atom.type === 'link') {
      pieces.push({ ...atom, bold: on['*'], italic: on._ });
    } else {
      pieces.push(atom);
    }
  }
}

/** Returns the atoms of a line: code first, then links, then the markup characters between them. @param {string} line
 * @param {Left} left @returns {Atom[]} */
function atomsOf(line, left) {
  /** @type {Atom[]} */
  const atoms = [];
  let from = 0;
  for (let open = line.indexOf('`'); open >= 0 && left.spans > 0;) {
    const close = line.indexOf('`', open + 1);
    if (close < 0) break;
    const inside = line.slice(open + 1, close);
    if (inside.trim() === '') {
      open = close;
      continue;
    }
    left.spans -= 1;
    addWords(atoms, line, from, open, left);
    atoms.push({ type: 'mark', text: '`' }, { type: 'code', text: inside }, { type: 'mark', text: '`' });
    from = close + 1;
    open = line.indexOf('`', from);
  }
  addWords(atoms, line, from, line.length, left);
  return atoms;
}

/** Adds links and the characters that may be markup. @param {Atom[]} atoms @param {string} line @param {number} from
 * @param {number} to @param {Left} left */
function addWords(atoms, line, from, to, left) {
  const links = findLinks(line.slice(from, to), left.spans, left.meter);
  left.spans -= links.length;
  let at = from;
  for (const { start, end, href, host } of links) {
    addSigns(atoms, line, at, from + start, left.meter);
    at = from + end;
    atoms.push({ type: 'link', text: line.slice(from + start, at), href, host });
  }
  addSigns(atoms, line, at, to, left.meter);
}

/** @param {Atom[]} atoms @param {string} line @param {number} from @param {number} to @param {Meter} meter */
function addSigns(atoms, line, from, to, meter) {
  let begun = from;
  for (let at = from; at < to; at += 1) {
    const sign = line[at];
    meter.steps += 1;
    if (sign !== '*' && sign !== '_') continue;
    const before = line[at - 1] ?? ' ';
    const after = line[at + 1] ?? ' ';
    // Two of the same character are no markup: `__init__`, `**`.
    const alone = before !== sign && after !== sign;
    const opens = alone && !/\s/u.test(after) && isOpen(line, at - 1, sign);
    const closes = alone && !/\s/u.test(before) && isClosed(line, at + 1, sign);
    if (!opens && !closes) continue;
    if (at > begun) atoms.push({ type: 'plain', text: line.slice(begun, at) });
    atoms.push({ type: 'sign', text: sign, opens, closes });
    begun = at + 1;
  }
  if (to > begun) atoms.push({ type: 'plain', text: line.slice(begun, to) });
}

/** Returns whether a span may open after this position: at the start, after a space, an opening bracket or a quote, or
 * after the other markup character where that may open. @param {string} line @param {number} at @param {string} sign
 * @returns {boolean} */
function isOpen(line, at, sign) {
  const before = line[at] ?? ' ';
  if (/[\s\p{Ps}\p{Pi}\p{Pf}"'¡¿]/u.test(before)) return true;
  return before !== sign && /[*_]/u.test(before) && /[\s\p{Ps}\p{Pi}\p{Pf}"'¡¿]/u.test(line[at - 1] ?? ' ');
}

/** Returns whether a span may close before this position: before punctuation followed by a space or the end.
 * @param {string} line @param {number} at @param {string} sign @returns {boolean} */
function isClosed(line, at, sign) {
  for (let next = at; next < at + AFTER_MAX; next += 1) {
    const after = line[next] ?? ' ';
    if (/[\s\p{Pd}。，、！？；：]/u.test(after)) return after !== '-' || !/[\p{L}\p{N}]/u.test(line[next + 1] ?? ' ');
    if (after === sign || !/[.,;:!?…*_"'\p{Pe}\p{Pi}\p{Pf}]/u.test(after)) return false;
  }
  return false;
}

/** Returns which characters open (true) and close (false) a span. Spans nest and never overlap. @param {Atom[]} atoms
 * @param {Left} left @returns {Map<number, boolean>} */
function pairSigns(atoms, left) {
  /** @type {Map<number, boolean>} */
  const pairs = new Map();
  const open = { '*': -1, _: -1 };
  /** The last atom with content for a span. */
  let lastContent = -1;
  for (const [index, atom] of atoms.entries()) {
    if (atom.type !== 'sign') {
      if (atom.type !== 'plain' || CONTENT.test(atom.text)) lastContent = index;
      continue;
    }
    const other = atom.text === '*' ? '_' : '*';
    const begun = open[atom.text];
    if (atom.closes && begun >= 0 && lastContent > begun && left.spans > 0) {
      left.spans -= 1;
      pairs.set(begun, true).set(index, false);
      open[atom.text] = -1;
      if (open[other] > begun) open[other] = -1;
    } else if (atom.opens) {
      open[atom.text] = index;
    }
  }
  return pairs;
}

/** @param {Piece[]} pieces @param {string} text */
function addMark(pieces, text) {
  if (text !== '') pieces.push({ type: 'mark', text });
}

/** @param {Piece[]} pieces @param {string} text @param {boolean} bold @param {boolean} italic */
function addText(pieces, text, bold, italic) {
  if (text === '') return;
  const last = pieces.at(-1);
  if (last?.type === 'text' && last.bold === bold && last.italic === italic) last.text += text;
  else pieces.push({ type: 'text', text, bold, italic });
}
