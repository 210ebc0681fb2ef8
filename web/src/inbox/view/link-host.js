/**
 * Where the name of a server ends in a text: what stands directly behind it must not become part of it, or the link
 * leads to another server. Pure.
 */

/** Letters of scripts that write words without spaces between them: there an address may follow a letter. */
export const RUN = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Bopomofo}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}\p{Script=Yi}ー々〆〇]/u;
/** Neither ASCII nor a letter, a mark or a digit; a few of the marks belong to emoji. */
const OUTSIDE = /[^\x00-\x7f\p{L}\p{M}\p{Nd}]|[\p{Extended_Pictographic}\ufe00-\ufe0f\u20e3]/gu;
/** Words of these scripts are written directly behind a name in Latin letters. */
const ATTACHED = new RegExp(`^[^:]*\\.[a-z]{2,24}(?::\\d{1,5})?(?=(?:${RUN.source}|\\p{Script=Hangul})[^.]*$)`, 'iu');
/** Signs that names do have, by what stands on both sides of them. @type {Map<string, RegExp>} */
const INNER = new Map([
  ['·', /l/iu], ['・', /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}ー]/u], ['．', /[\p{L}\p{M}\p{Nd}]/u],
  ['׳', /\p{Script=Hebrew}/u], ['״', /\p{Script=Hebrew}/u], ['\u200c', /[\p{L}\p{M}]/u], ['\u200d', /[\p{L}\p{M}]/u],
]);

/** The part at its beginning that can be the name of a server. @param {string} text @returns {string} */
export function namePart(text) {
  for (const { 0: sign, index } of text.matchAll(OUTSIDE)) {
    if (isInner(text, index, sign)) continue;
    // The digit on a key is part of an emoji.
    const key = /^\d\ufe0f?\u20e3/u.test(text.slice(Math.max(0, index - 1), index + 2));
    return untilWord(text.slice(0, key ? index - 1 : index));
  }
  return untilWord(text);
}

/** @param {string} name @returns {string} */
function untilWord(name) {
  return ATTACHED.exec(name)?.[0] ?? name;
}

/** Whether a sign belongs to the name around it. @param {string} text @param {number} at @param {string} sign
 * @returns {boolean} */
function isInner(text, at, sign) {
  const sides = INNER.get(sign);
  if (!sides) return false;
  const before = [...text.slice(Math.max(0, at - 2), at)].at(-1) ?? '';
  const after = [...text.slice(at + 1, at + 3)][0] ?? '';
  return sides.test(before) && sides.test(after);
}
