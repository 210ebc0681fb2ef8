/**
 * Splits texts into graphemes, the characters that users see. Pure.
 */

const segmenter = new Intl.Segmenter(undefined, { granularity: 'grapheme' });

/** @param {string} text @returns {string[]} */
export function graphemes(text) {
  return [...segmenter.segment(text)].map(({ segment }) => segment);
}

/** Truncates a text to a number of graphemes, never within one. @param {string} text @param {number} most
 * @returns {string} */
export function truncate(text, most) {
  if (text.length <= most) return text;
  let count = 0;
  // The segmenter is lazy, so a long text costs no more than its beginning.
  for (const { index } of segmenter.segment(text)) {
    if (count === most) return text.slice(0, index);
    count += 1;
  }
  return text;
}
