/**
 * Addresses in a plain text. Pure.
 *
 * Found are http, https and mailto addresses, `www.…`, a domain with a path, and e-mail addresses. An address ends at
 * white space, quotes, angle brackets, signs that turn or hide, and the full stops of Chinese and Japanese; what
 * commonly follows an address (a full stop, a bracket that none opens) is left out.
 * Where the name of the server is written so that it may be mistaken for another, `host` says what it is in truth.
 * Absent on purpose: any other scheme, and addresses with a name and a password.
 */

/** @typedef {{start: number, end: number, href: string, host: string|null}} Found */

/** What lies between these can be an address. */
const CHUNK = /[^\s"'<>`\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff“”„«»，。！？；：、「」『』【】（）《》]+/gu;
const SCHEME = /https?:\/\/|mailto:|www\./giu;
const DOMAIN = /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.){1,8}[a-z]{2,24}(?=[/?#:]|$)/iu;
const MAIL = /^[a-z0-9](?:[a-z0-9._%+-]{0,62}[a-z0-9_%+-])?@/iu;
const TAIL = new Set('.,;:!?*_~|…\\^=&'.split(''));
const BRACKETS = new Map([[')', '('], [']', '['], ['}', '{']]);
/** Longer ones are not shown as links: nobody can tell where they lead. */
const LENGTH_MAX = 2_048;
/** Scripts whose letters look like Latin ones. */
const LOOKALIKE = /[\p{Script=Cyrillic}\p{Script=Greek}\p{Script=Armenian}\p{Script=Cherokee}\p{Script=Coptic}]/u;

/** @param {string} text @param {number} most @returns {Found[]} */
export function findLinks(text, most) {
  /** @type {Found[]} */
  const found = [];
  for (const { 0: chunk, index } of text.matchAll(CHUNK)) {
    if (found.length >= most) break;
    if (!/[.:]/u.test(chunk)) continue;
    const link = inChunk(chunk);
    if (link) found.push({ ...link, start: index + link.start, end: index + link.end });
  }
  return found;
}

/** @param {string} chunk @returns {Found|null} */
function inChunk(chunk) {
  for (const { 0: begin, index } of chunk.matchAll(SCHEME)) {
    // A letter before it makes it another word: "xhttp://".
    if (/[a-z0-9@/.]/iu.test(chunk[index - 1] ?? ' ')) continue;
    if (begin.toLowerCase() !== 'www.') return made(chunk, index, '');
    return /^.{4}[^./]+\./u.test(chunk.slice(index, index + 80)) ? made(chunk, index, 'https://') : null;
  }
  const start = /[a-z0-9]/iu.exec(chunk)?.index ?? -1;
  if (start < 0 || /[@/:.#\\-]/u.test(chunk[start - 1] ?? ' ')) return null;
  const rest = chunk.slice(start, start + 320);
  const mail = MAIL.exec(rest);
  if (mail) {
    const domain = DOMAIN.exec(rest.slice(mail[0].length).replace(/[.,;:!?)\]}*_~…]+$/u, ''));
    const end = start + mail[0].length + (domain?.[0].length ?? 0);
    if (!domain || /[/?#:@]/u.test(chunk[end] ?? ' ')) return null;
    return { start, end, href: `mailto:${chunk.slice(start, end)}`, host: null };
  }
  const domain = DOMAIN.exec(rest);
  if (!domain || rest[domain[0].length] !== '/' || rest.length < domain[0].length + 2) return null;
  return made(chunk, start, 'https://');
}

/** @param {string} chunk @param {number} start @param {string} scheme what is to stand before it
 * @returns {Found|null} */
function made(chunk, start, scheme) {
  const end = trimmed(chunk, start);
  const written = chunk.slice(start, end);
  if (written.length > LENGTH_MAX) return null;
  const url = parsed(scheme + written);
  if (!url) return null;
  if (url.protocol === 'mailto:') {
    return /^mailto:[^@\s/]+@[^@\s/]+/iu.test(url.href) ? { start, end, href: url.href, host: null } : null;
  }
  if (url.username !== '' || url.password !== '' || !/[a-z0-9]/iu.test(url.hostname)) return null;
  return { start, end, href: url.href, host: isDoubtful(scheme + written) ? url.host : null };
}

/** @param {string} text @returns {URL|null} */
function parsed(text) {
  try {
    const url = new URL(text);
    return ['http:', 'https:', 'mailto:'].includes(url.protocol) ? url : null;
  } catch {
    return null;
  }
}

/** Where an address ends that begins at `start`. @param {string} chunk @param {number} start @returns {number} */
function trimmed(chunk, start) {
  /** @type {Record<string, number>} */
  const more = { ')': 0, ']': 0, '}': 0 };
  for (let at = start; at < chunk.length; at += 1) {
    for (const [close, open] of BRACKETS) {
      if (chunk[at] === close) more[close] += 1;
      else if (chunk[at] === open) more[close] -= 1;
    }
  }
  let end = chunk.length;
  for (; end > start; end -= 1) {
    const last = chunk[end - 1];
    if (last in more && more[last] > 0) more[last] -= 1;
    else if (!TAIL.has(last)) break;
  }
  return end;
}

/** Whether the name of the server, as it is written, may be mistaken for another.
 * @param {string} address @returns {boolean} */
function isDoubtful(address) {
  const name = /^[a-z]+:\/\/([^/?#\\]*)/iu.exec(address)?.[1] ?? '';
  // What is ASCII is what it looks like.
  if (/^[\x21-\x7e]*$/u.test(name)) return false;
  const end = name.split(':')[0].split('.').pop() ?? '';
  return name.split('.').some((label) => {
    if (/\p{Script=Latin}/u.test(label) && /(?!\p{Script=Latin})\p{L}/u.test(label)) return true;
    return LOOKALIKE.test(label) && !LOOKALIKE.test(end);
  }) || /[^\p{L}\p{N}\p{M}.:-]/u.test(name);
}
