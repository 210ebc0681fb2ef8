/**
 * Finds the end of a host name in a text: text directly after it must not become part of it, or the link would lead to
 * another host. Pure.
 */

/** Letters of scripts without spaces between words, where a URL may follow a letter. */
export const RUN = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Bopomofo}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}\p{Script=Yi}ー々〆〇]/u;
/** Characters that are neither ASCII nor letters, marks or digits; a few marks belong to emoji. */
const OUTSIDE = /[^\x00-\x7f\p{L}\p{M}\p{Nd}]|[\p{Extended_Pictographic}\ufe00-\ufe0f\u20e3]/gu;
/** Words of these scripts directly follow a name in Latin letters. */
const ATTACHED = new RegExp(`^[^:]*\\.[a-z]{2,24}(?::\\d{1,5})?(?=(?:${RUN.source}|\\p{Script=Hangul})[^.]*$)`, 'iu');
/** Characters that host names may contain, with the neighbours that they require. @type {Map<string, RegExp>} */
const INNER = new Map([
  ['·', /l/iu], ['・', /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}ー]/u], ['．', /[\p{L}\p{M}\p{Nd}]/u],
  ['׳', /\p{Script=Hebrew}/u], ['״', /\p{Script=Hebrew}/u], ['\u200c', /[\p{L}\p{M}]/u], ['\u200d', /[\p{L}\p{M}]/u],
]);

/** Returns the beginning of a text that can be a host name. @param {string} text @returns {string} */
export function namePart(text) {
  for (const { 0: sign, index } of text.matchAll(OUTSIDE)) {
    if (isInner(text, index, sign)) continue;
    // The digit of a keycap is part of an emoji.
    const key = /^\d\ufe0f?\u20e3/u.test(text.slice(Math.max(0, index - 1), index + 2));
    return untilWord(text.slice(0, key ? index - 1 : index));
  }
  return untilWord(text);
}

/** @param {string} name @returns {string} */
function untilWord(name) {
  return ATTACHED.exec(name)?.[0] ?? name;
}

/** Returns whether a character belongs to the name around it. @param {string} text @param {number} at
 * @param {string} sign @returns {boolean} */
function isInner(text, at, sign) {
  const sides = INNER.get(sign);
  if (!sides) return false;
  const before = [...text.slice(Math.max(0, at - 2), at)].at(-1) ?? '';
  const after = [...text.slice(at + 1, at + 3)][0] ?? '';
  return sides.test(before) && sides.test(after);
}
