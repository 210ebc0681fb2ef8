/**
 * Detects the invisible characters that a name may not contain. Pure. Forms with names need it, and nothing of the first
 * load; see `visible-text.js`.
 */
import { HIDDEN, isBlank } from './visible-text.js';
import { say } from './strings.js';

const isHidden = new RegExp(`[${HIDDEN}]`, 'u');
const PICTOGRAPH = /[\u00a9\u00ae\u203c\u2049\u2122\u2139\u2190-\u2bff\u3030\u303d\u3297\u3299\u{1f000}-\u{1faff}]/u;
const VIRAMA = new RegExp('[\\u094d\\u09cd\\u0a4d\\u0acd\\u0b4d\\u0bcd\\u0c4d\\u0ccd\\u0d3b\\u0d3c\\u0d4d\\u0dca\\u0f84\\u1039\\u103a'
  + '\\u17d2\\u1a60\\u1b44\\u1baa\\ua806\\ua8c4\\ua953\\ua9c0\\uaaf6\\u{11046}\\u{1107f}\\u{110b9}\\u{11133}\\u{111c0}]', 'u');
const MARK = /[\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed\ufe0f\u{1f3fb}-\u{1f3ff}]/u;
const JOINING = /[\u0700-\u074f\u07c0-\u07ff\u1820-\u18aa]/u;
const ARABIC = /[\u0620-\u064a\u066e\u066f\u0671-\u06d3\u06d5\u06ee\u06ef\u06fa-\u06ff\u0750-\u077f\u08a0-\u08c9]/u;
const INDIC = /[\u0900-\u0dff\u0f00-\u109f\u1780-\u17ff]/u;
const HAN = /[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u{20000}-\u{3ffff}]/u;
const TAGGED_FLAGS = ['gbeng', 'gbsct', 'gbwls'].map((name) =>
  `🏴${[...name].map((one) => String.fromCodePoint(0xe0000 + (one.codePointAt(0) ?? 0))).join('')}\u{e007f}`);

/** Returns the first invisible character of a name that has no meaning there, for example "U+200B"; null for a valid
 * name. @param {string} name @returns {string|null} */
export function findInvisible(name) {
  const characters = [...name.replace(/\p{White_Space}+/gu, ' ').normalize('NFC')];
  const at = characters.findIndex((one, index) => isHidden.test(one) && !belongs(characters, index));
  if (at < 0) return null;
  return `U+${(characters[at].codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`;
}

/** Returns what is wrong with a name; empty for a valid name. @param {string} name @returns {string} */
export function nameError(name) {
  if (isBlank(name)) return say.fieldEmpty;
  const hidden = findInvisible(name);
  return hidden === null ? '' : say.nameHidden(hidden);
}

/** @param {string[]} characters @param {number} at @returns {boolean} */
function belongs(characters, at) {
  const code = characters[at].codePointAt(0) ?? 0;
  const before = characters[at - 1] ?? ' ';
  const after = characters[at + 1] ?? ' ';
  if (code === 0x200c || code === 0x200d) {
    if (VIRAMA.test(before) || VIRAMA.test(after)) return true;
    let base = at - 1;
    while (base >= 0 && MARK.test(characters[base])) base -= 1;
    const both = [characters[base] ?? ' ', after];
    if (code === 0x200d && both.every((one) => PICTOGRAPH.test(one))) return true;
    return [JOINING, ARABIC].some((script) => both.every((one) => script.test(one)))
      || (INDIC.test(before) && INDIC.test(after));
  }
  if (code === 0xfe0e || code === 0xfe0f) return PICTOGRAPH.test(before) || (/[0-9#*]/u.test(before) && after === '\u20e3');
  if (code >= 0xe0100 && code <= 0xe01ef) return HAN.test(before);
  if (code >= 0x180b && code <= 0x180f) return /[\u1820-\u18aa]/u.test(before);
  if (code < 0xe0020 || code > 0xe007f) return false;
  const start = characters.lastIndexOf('🏴', at);
  return start >= 0 && at < start + 7 && TAGGED_FLAGS.includes(characters.slice(start, start + 7).join(''));
}
