/**
 * The mentions of a text: where they are while it is edited, and how they are drawn. Pure.
 *
 * @import {Mention} from '../../sdk/wire.js'
 * @import {Piece} from './markup.js'
 */

/** How a mention is drawn; `mine`: it mentions the user. @typedef {{at: number, length: number, mine: boolean}} MentionMark */
/** @typedef {Piece | {type: 'mention', text: string, mine: boolean, bold: boolean, italic: boolean}} DrawnPiece */

/** Moves mentions along with a change of their text. Those whose letters have changed are gone. @param {Mention[]} mentions
 * @param {string} before @param {string} after @param {number} caret where what was inserted ends
 * @returns {Mention[]} */
export function moveMentions(mentions, before, after, caret) {
  if (mentions.length === 0 || before === after) return mentions;
  const most = Math.min(before.length, after.length);
  // The caret says which of several equal letters are new: what follows it was there before.
  const tailMost = Math.min(most, Math.max(0, after.length - caret));
  let tail = 0;
  while (tail < tailMost && before[before.length - 1 - tail] === after[after.length - 1 - tail]) tail += 1;
  let head = 0;
  while (head < most - tail && before[head] === after[head]) head += 1;
  const [end, by] = [before.length - tail, after.length - before.length];
  return mentions.flatMap((one) => {
    if (one.at + one.length <= head) return [one];
    return one.at >= end ? [{ ...one, at: one.at + by }] : [];
  });
}

/** @param {Mention[]|undefined} mentions @param {number} by @returns {Mention[]} the same in a text that begins later */
export function shiftMentions(mentions, by) {
  return (mentions ?? []).map((one) => ({ ...one, at: one.at + by }));
}

/** @param {Mention[]|undefined} mentions @param {number} me @returns {MentionMark[]} */
export function marksOf(mentions, me) {
  return (mentions ?? []).map(({ user, at, length }) => ({ at, length, mine: user === me }));
}

/** Marks the mentions in the plain parts of a text: code and links stay as they are. @param {Piece[]} pieces that add up to
 * the text @param {MentionMark[]} marks in the order of the text @returns {DrawnPiece[]} */
export function withMentions(pieces, marks) {
  if (marks.length === 0) return pieces;
  /** @type {DrawnPiece[]} */
  const drawn = [];
  let begin = 0;
  for (const piece of pieces) {
    const end = begin + piece.text.length;
    if (piece.type === 'text') drawn.push(...split(piece, begin, marks));
    else drawn.push(piece);
    begin = end;
  }
  return drawn;
}

/** @param {Extract<Piece, {type: 'text'}>} piece @param {number} begin @param {MentionMark[]} marks
 * @returns {DrawnPiece[]} */
function split(piece, begin, marks) {
  const end = begin + piece.text.length;
  /** @type {DrawnPiece[]} */
  const parts = [];
  let from = begin;
  for (const { at, length, mine } of marks) {
    const [first, last] = [Math.max(at, from), Math.min(at + length, end)];
    if (first >= last) continue;
    if (first > from) parts.push({ ...piece, text: piece.text.slice(from - begin, first - begin) });
    parts.push({ ...piece, type: 'mention', text: piece.text.slice(first - begin, last - begin), mine });
    from = last;
  }
  if (from < end) parts.push({ ...piece, text: piece.text.slice(from - begin) });
  return parts;
}
