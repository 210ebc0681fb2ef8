/**
 * Formats times and names. Pure except for the user's time zone.
 *
 * @import {User} from '../../sdk/wire.js'
 */
import { graphemes } from './graphemes.js';
import { say } from './strings.js';

/** @type {Map<string, Intl.DateTimeFormat>} */
const formats = new Map();
/** @type {Map<string, Intl.RelativeTimeFormat>} */
const relativeFormats = new Map();

/** @param {Intl.DateTimeFormatOptions} options @param {number} time @returns {string} */
function format(options, time) {
  const key = say.locale + JSON.stringify(options);
  let made = formats.get(key);
  if (!made) {
    made = new Intl.DateTimeFormat(say.locale, options);
    formats.set(key, made);
  }
  return made.format(time);
}

/** For example "10:47". @param {number} time @returns {string} */
export function clockTime(time) {
  return format({ hour: '2-digit', minute: '2-digit' }, time);
}

/** Returns the day in the user's time zone, as a key. @param {number} time @returns {string} */
export function dayKey(time) {
  const date = new Date(time);
  return `${date.getFullYear()}-${date.getMonth() + 1}-${date.getDate()}`;
}

/** Returns the calendar days between two times. @param {number} time @param {number} now @returns {number} */
function daysAgo(time, now) {
  const day = (/** @type {number} */ at) => {
    const date = new Date(at);
    return Date.UTC(date.getFullYear(), date.getMonth(), date.getDate());
  };
  return Math.round((day(now) - day(time)) / 86_400_000);
}

/** Returns "10:47" today, "Yesterday", "Fri" within a week, "12 Nov", or "12 Nov 2025" for another year.
 * @param {number} time @param {number} now @returns {string} */
export function shortTime(time, now) {
  const days = daysAgo(time, now);
  if (days <= 0) return clockTime(time);
  if (days === 1) return say.yesterday;
  if (days < 7) return format({ weekday: 'short' }, time);
  const sameYear = new Date(time).getFullYear() === new Date(now).getFullYear();
  return format({ day: 'numeric', month: 'short', ...(sameYear ? {} : { year: 'numeric' }) }, time);
}

/** Returns "10:32" today, "yesterday 10:32", "Fri 10:32" within a week, or "12 Nov". @param {number} time
 * @param {number} now @returns {string} */
export function sinceTime(time, now) {
  const days = daysAgo(time, now);
  if (days === 1) return say.yesterdayAt(clockTime(time));
  const short = shortTime(time, now);
  return days > 1 && days < 7 ? `${short} ${clockTime(time)}` : short;
}

/** Returns "Today", "Yesterday" or "Friday 20 November", with the year if it is another one. @param {number} time
 * @param {number} now @returns {string} */
export function dayName(time, now) {
  const days = daysAgo(time, now);
  if (days <= 0) return say.today;
  if (days === 1) return say.yesterday;
  const sameYear = new Date(time).getFullYear() === new Date(now).getFullYear();
  const options = { weekday: 'long', day: 'numeric', month: 'long', ...(sameYear ? {} : { year: 'numeric' }) };
  return format(/** @type {Intl.DateTimeFormatOptions} */ (options), time);
}

/** Returns "20 November 2026". @param {number} time @returns {string} */
export function longDay(time) {
  return format({ dateStyle: 'long' }, time);
}

/** Returns "5 min ago". @param {number} value @param {Intl.RelativeTimeFormatUnit} unit @returns {string} */
export function relativeTime(value, unit) {
  let made = relativeFormats.get(say.locale);
  if (!made) {
    made = new Intl.RelativeTimeFormat(say.locale, { style: 'short' });
    relativeFormats.set(say.locale, made);
  }
  return made.format(value, unit);
}

/** Returns the full date and time, for a tooltip. @param {number} time @returns {string} */
export function fullTime(time) {
  return format({ dateStyle: 'full', timeStyle: 'short' }, time);
}

/** Returns up to two letters for a user without a picture; a name in Han, Kana or Hangul gives its last two characters.
 * @param {string} name @returns {string} */
export function initials(name) {
  const words = name.trim().split(/\s+/u).filter(Boolean);
  const last = words.at(-1) ?? '?';
  if (/^[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{M}ー々]+$/u.test(last)) {
    return graphemes(last).slice(-2).join('');
  }
  const letters = words.map((word) => graphemes(word).find((sign) => /[\p{L}\p{N}]/u.test(sign)) ?? '').filter(Boolean);
  const picked = letters.length > 1 ? [letters[0], letters[letters.length - 1]] : letters.slice(0, 1);
  return picked.map(large).join('') || graphemes(last).find((sign) => /\p{Extended_Pictographic}|\p{RI}/u.test(sign)) || '?';
}

/** Returns a letter in upper case; ß has no single upper case letter. @param {string} letter @returns {string} */
function large(letter) {
  const upper = letter.toUpperCase();
  return graphemes(upper).length === 1 ? upper : letter;
}

/** Returns the class of one of six pairs of colours. @param {number} user @returns {string} */
export function colourClass(user) {
  return `w${(user % 6) + 1}`;
}

/** Returns the first part of a name. @param {string} name @returns {string} */
export function shortName(name) {
  return name.trim().split(/\s+/u)[0] || name;
}

/** Capitalises a role, which is a word of the operator. @param {string} role @returns {string} */
export function roleName(role) {
  const [first = '', ...rest] = graphemes(role);
  return first.toLocaleUpperCase(say.locale) + rest.join('');
}

/** @param {User[]} users @param {number} most @returns {string} */
export function nameList(users, most) {
  return users.slice(0, most).map((user) => shortName(user.name)).join(say.comma);
}

/** Returns whether a text is one to three emoji and nothing else. @param {string} text @returns {boolean} */
export function isLargeEmoji(text) {
  if (text.length > 48 || !/\p{Extended_Pictographic}|\p{Regional_Indicator}/u.test(text)) return false;
  const signs = graphemes(text.trim());
  return signs.length <= 3 && signs.every((sign) => /^(\p{Extended_Pictographic}|\p{Regional_Indicator})/u.test(sign));
}
