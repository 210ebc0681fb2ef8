/**
 * Finds links in a plain text. Pure.
 *
 * Links are http, https and mailto URLs, `www.…`, a domain with a path, and e-mail addresses. No link starts within a
 * word: in `ölmann@a.example`, `lmann@a.example` is another user's address. A link ends at white space, double quotes,
 * angle brackets, directional and invisible characters, the full stops of Chinese and Japanese, a long dash, a closing
 * bracket that it does not open, and where another link follows `,`, `;` or `|`; directly after its host at any other
 * character (`link-host.js`). Punctuation at its end is left out, as are emoji after a word and a character such as `*`
 * or `'` that also stands before the link. A domain without a scheme needs a known top-level domain that is no file
 * extension. For a host with confusable letters, `host` holds its ASCII form.
 *
 * Invariant: each character is read a bounded number of times.
 * Absent on purpose: other schemes, and URLs with a user name and a password.
 */
import { isFileEnding, isTopLevel } from './top-level-domains.js';
import { RUN, namePart } from './link-host.js';

/** @typedef {{start: number, end: number, href: string, host: string|null}} Found */
/** The number of characters read. @typedef {{steps: number}} Meter */
/** A stretch without white space. @typedef {{text: string, signs: Signs, meter: Meter}} Chunk */
/** Markup characters that are open before the stretch. @typedef {{'*': boolean, _: boolean, "'": boolean}} Signs */

/** The stretches that can contain links. Joiners are invisible, but belong to words and emoji that need them. */
const CHUNK = /(?:(?!\p{Script=Latin})[\p{L}\p{M}][\u200c\u200d](?=(?!\p{Script=Latin})[\p{L}\p{M}])|[\p{Extended_Pictographic}\p{Emoji_Modifier}\ufe0f]\u200d(?=\p{Extended_Pictographic})|[^\s"<>`\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff“”„«»，。！？；：、「」『』【】（）《》])+/gu;
/** Where a link may be: at a scheme, the @ of an e-mail address, or the path after a domain. */
const CANDIDATE = /https?:\/\/|mailto:|www\.|@|\.[\p{L}\p{M}\d-]{2,24}\//giu;
/** Another link after a separator. */
const NEXT = /[,;|](?=https?:\/\/|mailto:|www\.|[\w.+-]{1,64}@[\w-]{1,63}\.)/yiu;
const LABEL = '[\\p{L}\\p{M}\\d](?:[\\p{L}\\p{M}\\d-]{0,61}[\\p{L}\\p{M}\\d])?';
const DOMAIN = new RegExp(`^(?:${LABEL}\\.){1,8}(xn--[a-z\\d-]{2,59}|[\\p{L}\\p{M}]{2,24})(?!-?[\\p{L}\\p{M}\\d])`, 'iu');
const WORD = /[\p{L}\p{M}\p{N}]/u;
const HIDDEN = /[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]/u;
const LOCAL = /[a-z\d.!#$%&'*+?^_{}~-]/iu;
const TAIL = new Set('.,;:!?~|\\^([{'.split(''));
/** Punctuation of other scripts ends a link too, except for marks at the end of Hebrew words. */
const TAIL_ELSEWHERE = /[^\x00-\x7f\P{P}׳״]/u;
/** Emoji after a word or a sentence, and their maximum length. */
const PICTURES = /[\p{L}\p{N}.,;:!?)\]}*'’…]((?:\p{Extended_Pictographic}|[\p{Emoji_Modifier}\p{Regional_Indicator}\ufe0f\u200d])+)$/u;
const PICTURES_MAX = 24;
/** They end a link only if the same character stands before it. */
const PAIRED = new Set("*_='&".split(''));
const CLOSERS = new Map([[')', '('], [']', '['], ['}', '{']]);
/** Longer URLs are not shown as links: nobody can tell where they lead. */
const LENGTH_MAX = 2_048;
const HOST_MAX = 320;
const LOCAL_MAX = 64;
/** Scripts whose letters look like Latin ones. */
const LOOKALIKE = /[\p{Script=Cyrillic}\p{Script=Greek}\p{Script=Armenian}\p{Script=Cherokee}\p{Script=Coptic}]/u;
/** Phonetic Latin letters, which look like ordinary ones. */
const PHONETIC = /[\u0180\u0250-\u02af\u1d00-\u1dbf\ua720-\ua7ff\uab30-\uab6f]/u;

/** @param {string} text @param {number} most @param {Meter} [meter] @returns {Found[]} */
export function findLinks(text, most, meter = { steps: 0 }) {
  /** @type {Found[]} */
  const found = [];
  /** @type {Signs} */
  const signs = { '*': false, _: false, "'": false };
  for (const { 0: chunk, index } of text.matchAll(CHUNK)) {
    if (found.length >= most) break;
    meter.steps += chunk.length;
    if (/[@.:]/u.test(chunk)) {
      const isWord = isWordBefore(text, index);
      for (const link of linksInChunk({ text: chunk, signs, meter }, isWord)) {
        if (found.length >= most) break;
        found.push({ ...link, start: index + link.start, end: index + link.end });
      }
    }
    noteSigns(signs, chunk);
  }
  return found;
}

/** Records the markup characters that a stretch opens and closes. @param {Signs} signs @param {string} chunk */
function noteSigns(signs, chunk) {
  if (chunk.length < 2) return;
  const first = /^[([{]{0,8}([*_'])(?!\1)/u.exec(chunk)?.[1];
  if (first) signs[/** @type {keyof Signs} */ (first)] = true;
  const last = /([*_'])[.,;:!?)\]}]{0,8}$/u.exec(chunk.slice(-9))?.[1];
  if (last) signs[/** @type {keyof Signs} */ (last)] = false;
}

/** @param {Chunk} chunk @param {boolean} isWord whether a word continues at its start @returns {Found[]} */
function linksInChunk(chunk, isWord) {
  const { text, meter } = chunk;
  /** @type {Found[]} */
  const found = [];
  /** Characters before this position are in no other link. */
  let floor = 0;
  for (const { 0: sign, index } of text.matchAll(CANDIDATE)) {
    if (index < floor) continue;
    /** @type {{link: Found|null, floor: number}} */
    let read;
    if (sign === '@') read = readMail(chunk, index, floor);
    else if (sign.startsWith('.')) read = readBareDomain(chunk, index, floor);
    else read = readUrl(chunk, index, sign.toLowerCase());
    meter.steps += sign.length;
    floor = read.floor;
    const { link } = read;
    if (!link) continue;
    floor = link.end;
    if (!(link.start === 0 ? isWord : isWordBefore(text, link.start))) found.push(link);
  }
  return found;
}

/** Reads a URL with a scheme, or one that starts with www. @param {Chunk} chunk @param {number} start
 * @param {string} sign @returns {{link: Found|null, floor: number}} */
function readUrl(chunk, start, sign) {
  const { text, meter } = chunk;
  const noLink = (/** @type {number} */ floor) => ({ link: null, floor });
  if (/[@/.\\]/u.test(text[start - 1] ?? ' ')) return noLink(start + 1);
  const scheme = sign === 'www.' ? 'https://' : '';
  // The host decides, so that the rest is read only once.
  const from = start + (scheme === '' ? sign.length : 0);
  const whole = serverAt(text, from);
  const name = namePart(whole);
  meter.steps += whole.length;
  // If a name continues with other characters, its beginning alone is another host.
  const isCut = name.length < whole.length;
  if (isCut && !/^(?:.*\.|\[|localhost$|localhost:)/iu.test(name)) return noLink(from + Math.max(name.length, 1));
  if (sign === 'www.' && !/^www\.[^./]+\./iu.test(name)) return noLink(from + sign.length);
  // Nothing of `https://name:secret@host` is a link.
  if (sign !== 'mailto:' && !isServer((scheme || sign) + bareName(name))) return noLink(from + name.length);
  const server = from + name.length;
  const end = endOf(chunk, start, server, isCut ? server : text.length);
  const link = end - start > LENGTH_MAX ? null : makeLink(text, start, end, scheme);
  return { link, floor: Math.max(end, from) };
}

/** Returns the host that starts at this position. @param {string} text @param {number} from @returns {string} */
function serverAt(text, from) {
  const name = /^[^/?#\\]*/u.exec(text.slice(from, from + HOST_MAX))?.[0] ?? '';
  for (let at = 0; at < name.length; at += 1) if (isNext(text, from + at)) return name.slice(0, at);
  return name;
}

/** Removes the punctuation that ends a sentence or a span. @param {string} name @returns {string} */
function bareName(name) {
  return name.startsWith('[') ? name : name.replace(/[^\p{L}\p{M}\p{N}]+$/u, '');
}

/** @param {string} address @returns {boolean} */
function isServer(address) {
  const url = parseUrl(address);
  if (url === null || url.username !== '' || url.password !== '') return false;
  return /[a-z0-9]/iu.test(url.hostname) && /^[a-z\d.:_[\]-]+$/iu.test(url.hostname);
}

/** Reads an e-mail address around its @. @param {Chunk} chunk @param {number} at @param {number} floor
 * @returns {{link: Found|null, floor: number}} */
function readMail({ text, meter }, at, floor) {
  const noLink = { link: null, floor: at + 1 };
  let start = at;
  while (start > floor && at - start <= LOCAL_MAX && LOCAL.test(text[start - 1])) start -= 1;
  const rest = untilRun(/^[\p{L}\p{M}\d.-]*/u.exec(text.slice(at + 1, at + 1 + HOST_MAX))?.[0] ?? '');
  meter.steps += at - start + rest.length;
  const found = at - start > LOCAL_MAX ? null : DOMAIN.exec(rest);
  if (!found || isFileEnding(found[1])) return noLink;
  const end = at + 1 + found[0].length;
  // Quotes and markup characters are not part of the name; an underscore is, unless another one closes it.
  start += /^[^\p{L}\p{N}]*/u.exec(text.slice(start, at))?.[0].length ?? 0;
  while (start > floor && text[start - 1] === '_' && text[end] !== '_') start -= 1;
  const local = text.slice(start, at);
  if (local === '' || local.endsWith('.') || local.includes('..')) return noLink;
  if (/[@/:#\\-]/u.test(text[start - 1] ?? ' ')) return noLink;
  // `ada@a.example/x` is no e-mail address; `ada@a.example?` and `ada@a.example:` end sentences.
  if (/^(?:[/@]|[?#:_][\p{L}\p{N}/])/u.test(text.slice(end, end + 2))) return noLink;
  return { link: { start, end, href: `mailto:${encodeURI(text.slice(start, end))}`, host: null }, floor: end };
}

/** Reads a domain with a path; `at` is its last full stop. @param {Chunk} chunk @param {number} at
 * @param {number} floor @returns {{link: Found|null, floor: number}} */
function readBareDomain(chunk, at, floor) {
  const { text, meter } = chunk;
  const noLink = { link: null, floor: at + 1 };
  let start = at;
  while (start > floor && at - start <= 255 && /[\p{L}\p{M}\d.-]/u.test(text[start - 1])) start -= 1;
  meter.steps += at - start;
  const before = text.slice(start, at);
  start += before.length - fromRun(before).length;
  const found = DOMAIN.exec(text.slice(start, start + HOST_MAX));
  const end = start + (found?.[0].length ?? 0);
  if (!found || text[end] !== '/' || !isTopLevel(found[1])) return noLink;
  if (/[@/:.#\\_-]/u.test(text[start - 1] ?? ' ')) return noLink;
  const to = endOf(chunk, start, end);
  if (to - start > LENGTH_MAX || to < end + 2) return { link: null, floor: Math.max(to, at + 1) };
  return { link: makeLink(text, start, to, 'https://'), floor: to };
}

/** Returns the text before the first letter of a script without spaces. @param {string} text @returns {string} */
function untilRun(text) {
  const at = text.search(RUN);
  return at < 0 ? text : text.slice(0, at);
}

/** Returns the text after the last such letter. @param {string} text @returns {string} */
function fromRun(text) {
  const signs = [...text];
  const last = signs.findLastIndex((sign) => RUN.test(sign));
  return signs.slice(last + 1).join('');
}

/** @param {string} text @param {number} start @param {number} end @param {string} scheme the scheme to prepend
 * @returns {Found|null} */
function makeLink(text, start, end, scheme) {
  const written = text.slice(start, end);
  const url = parseUrl(scheme + written);
  if (!url) return null;
  if (url.protocol === 'mailto:') {
    return /^mailto:[^@\s/]+@[^@\s/]+/iu.test(url.href) ? { start, end, href: url.href, host: null } : null;
  }
  if (!isServer(url.href)) return null;
  return { start, end, href: url.href, host: isDoubtful(scheme + written) ? url.host : null };
}

/** @param {string} text @returns {URL|null} */
function parseUrl(text) {
  try {
    const url = new URL(text);
    return ['http:', 'https:', 'mailto:'].includes(url.protocol) ? url : null;
  } catch {
    return null;
  }
}

/** Returns whether a separator and another link follow. @param {string} text @param {number} at @returns {boolean} */
function isNext(text, at) {
  NEXT.lastIndex = at;
  return NEXT.test(text);
}

/** Returns the end of a link. @param {Chunk} chunk @param {number} start @param {number} server the end of its host
 * @param {number} [limit] the furthest end @returns {number} */
function endOf({ text, signs, meter }, start, server, limit = text.length) {
  /** @type {Record<string, number>} */
  const open = { '(': 0, '[': 0, '{': 0 };
  let end = start;
  for (; end < limit && !isNext(text, end); end += 1) {
    const sign = text[end];
    if (sign === '—' || sign === '―') break;
    if (sign in open) open[sign] += 1;
    const opener = CLOSERS.get(sign);
    if (opener === undefined) continue;
    if (open[opener] === 0) break;
    open[opener] -= 1;
  }
  meter.steps += end - start;
  const before = signsBefore(text, start, signs);
  for (;;) {
    for (; end > start; end -= 1) {
      const last = text[end - 1];
      const left = before.get(last) ?? 0;
      if (left > 0) before.set(last, left - 1);
      else if (!TAIL.has(last) && !TAIL_ELSEWHERE.test(last) && !(end <= server && PAIRED.has(last))) break;
    }
    const pictures = PICTURES.exec(text.slice(Math.max(server, end - PICTURES_MAX), end))?.[1] ?? '';
    meter.steps += Math.min(PICTURES_MAX, end - start);
    if (pictures === '') return end;
    end -= pictures.length;
  }
}

/** Counts the paired characters directly before a link. @param {string} text @param {number} start @param {Signs} signs
 * @returns {Map<string, number>} */
function signsBefore(text, start, signs) {
  return new Map([...PAIRED].map((sign) => {
    let count = 0;
    while (count < 3 && text[start - 1 - count] === sign) count += 1;
    return [sign, count || Number(signs[/** @type {keyof Signs} */ (sign)] ?? false)];
  }));
}

/** Returns whether a letter or a digit of a script with spaces precedes, ignoring invisible characters.
 * @param {string} text @param {number} at @returns {boolean} */
function isWordBefore(text, at) {
  let before = at;
  while (before > 0 && at - before < 8 && HIDDEN.test(text[before - 1])) before -= 1;
  if (before === 0) return false;
  const unit = text.charCodeAt(before - 1);
  const isLow = unit >= 0xdc00 && unit <= 0xdfff;
  const sign = String.fromCodePoint(text.codePointAt(isLow ? Math.max(0, before - 2) : before - 1) ?? 0x20);
  return WORD.test(sign) && !RUN.test(sign);
}

/** Returns whether a host, as it is written, may be mistaken for another. @param {string} address @returns {boolean} */
function isDoubtful(address) {
  const name = /^[a-z]+:\/\/([^/?#\\]*)/iu.exec(address)?.[1] ?? '';
  // ASCII is unambiguous.
  if (/^[\x21-\x7e]*$/u.test(name)) return false;
  const end = name.split(':')[0].split('.').pop() ?? '';
  return name.split('.').some((label) => {
    if (/\p{Script=Latin}/u.test(label) && /(?!\p{Script=Latin})\p{L}/u.test(label)) return true;
    return PHONETIC.test(label) || (LOOKALIKE.test(label) && !LOOKALIKE.test(end));
  }) || /[^\p{L}\p{N}\p{M}.:-]/u.test(name);
}
