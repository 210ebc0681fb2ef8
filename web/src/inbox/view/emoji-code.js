/**
 * Finds the name of an emoji that is being written: `:smi` or `:smile:`. Pure.
 */

/**
 * @typedef {{from: number, query: string, closed: boolean}} EmojiCode `from` is the position of the colon; `closed`:
 *   another colon ends the name
 */

/** The longest name, in UTF-16 units. */
const NAME_MAX = 32;
/** A colon after a space, an opening bracket, a quote, an emoji or the full stops of Chinese and Japanese: never within a
 * URL, a time or a word. */
const CODE = /(?:^|[\s\p{Ps}\p{Pi}"'。、，！？\p{Extended_Pictographic}\p{Emoji_Modifier}\ufe0f])[:：](\p{L}[\p{L}\p{M}\p{N}_-]*)([:：]?)$/u;
const WORD = /[\p{L}\p{M}\p{N}]/u;
/** In these scripts one character can be a word. */
const WORD_SIGN = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}]/u;

/** @param {string} text @param {number} caret @returns {EmojiCode|null} */
export function emojiCodeBefore(text, caret) {
  const before = text.slice(Math.max(0, caret - NAME_MAX - 3), caret);
  const [, query, end] = CODE.exec(before) ?? [];
  if (query === undefined || query.length > NAME_MAX || WORD.test(text[caret] ?? ' ')) return null;
  if ([...query].length < 2 && !WORD_SIGN.test(query)) return null;
  const from = caret - query.length - end.length - 1;
  return isInCode(text.slice(0, from)) ? null : { from, query, closed: end !== '' };
}

/** Returns whether what follows a text belongs to a code block or a code span. @param {string} before
 * @returns {boolean} */
export function isInCode(before) {
  const lines = before.split('\n');
  let fenced = false;
  for (const line of lines) {
    if (fenced ? line.endsWith('```') : line.startsWith('```')) fenced = fenced ? false : !/^```.*```$/u.test(line);
  }
  const ticks = (lines[lines.length - 1].match(/`/gu) ?? []).length;
  return fenced || ticks % 2 === 1;
}
