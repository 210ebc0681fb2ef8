/**
 * Detects blank texts. Pure.
 *
 * The server has the same rules (`crates/server/src/domain/visible.rs`), and `fixtures/visible.json` holds both to them:
 * here they report early what the server would refuse. `name-rules.js` has those for names.
 */

/** Invisible characters, as a part of a class of a regular expression. */
export const HIDDEN = '\\u00ad\\u034f\\u061c\\u115f\\u1160\\u17b4\\u17b5\\u180b-\\u180f\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f'
  + '\\u2800\\u3164\\ufdd0-\\ufdef\\ufe00-\\ufe0f\\ufeff\\uffa0\\ufff0-\\ufffb\\ufffe\\uffff\\u{13430}-\\u{1343f}\\u{16fe4}'
  + '\\u{1bca0}-\\u{1bca3}\\u{1d159}\\u{1d173}-\\u{1d17a}\\u{e0000}-\\u{e0fff}';
const blank = new RegExp(`^[\\p{White_Space}\\p{Cc}${HIDDEN}]*$`, 'u');

/** Returns whether a text is invisible. @param {string} text @returns {boolean} */
export function isBlank(text) {
  return blank.test(text);
}
