/**
 * Turns pasted HTML into text: links keep their URLs, lists their marks, code and emphasis get the markup of messages.
 * Hidden text is left out.
 *
 * Invariant: the work is bounded. Beyond the limits the result is null, and the plain text of the clipboard is used.
 */
import { parseHtml } from '../ui/inert-html.js';

/** The longest text, in UTF-16 units; the most nodes; the deepest nesting. */
const TEXT_MAX = 200_000;
const NODES_MAX = 50_000;
const DEPTH_MAX = 200;
/** Longer URLs are not links in messages either. */
const URL_MAX = 2_048;

const SKIPPED = new Set(['button', 'canvas', 'embed', 'head', 'iframe', 'input', 'link', 'meta', 'noscript', 'object', 'script', 'select',
  'style', 'svg', 'template', 'textarea', 'title', 'video']);
/** Elements with an empty line around them, and those on lines of their own. */
const APART = new Set(['blockquote', 'dl', 'figure', 'h1', 'h2', 'h3', 'h4', 'h5', 'h6', 'ol', 'p', 'pre', 'table', 'ul']);
const BLOCKS = new Set(['address', 'article', 'aside', 'body', 'center', 'dd', 'details', 'div', 'dt', 'fieldset', 'figcaption', 'footer',
  'form', 'header', 'hr', 'li', 'main', 'nav', 'section', 'summary', 'tr']);
const HIDDEN = new RegExp(`(?:^|;)\\s*(?:${[
  'display\\s*:\\s*none', 'visibility\\s*:\\s*(?:hidden|collapse)', 'mso-hide\\s*:\\s*all', 'opacity\\s*:\\s*0(?:\\.0+)?\\s*(?:;|$|!)',
  'font-size\\s*:\\s*0(?:px|pt|em)?\\s*(?:;|$|!)', 'clip\\s*:\\s*rect\\(\\s*[01]', 'clip-path\\s*:\\s*inset\\(\\s*(?:50|100)%',
  '(?:left|top|text-indent)\\s*:\\s*-\\d{3,}',
].join('|')})`, 'iu');
/** The usual classes of text for screen readers alone. */
const HIDDEN_CLASS = /(?:^|\s)(?:visually-hidden|sr-only|screen-reader-text)(?:\s|$)/u;
const NORMAL = /font-(?:weight\s*:\s*(?:normal|[1-4]00)|style\s*:\s*normal)/iu;

/** Stand for markup until it is known what is beside them. */
const MARKS = /[\ue000-\ue003]/gu;
const BOLD = ['\ue000', '\ue001'];
const ITALIC = ['\ue002', '\ue003'];
const BEFORE = '(?<=^|[\\s\\p{Ps}\\p{Pi}"\'\\ue000\\ue002])';
const AFTER = '(?=$|[\\s.,;:!?…"\'\\p{Pe}\\p{Pf}\\ue001\\ue003])';
const SPAN = (/** @type {string[]} */ [open, close], /** @type {string} */ sign) =>
  new RegExp(`${BEFORE}${open}(?=[^${close}]*[\\p{L}\\p{N}])([^\\s${sign}${open}${close}](?:[^\\n${sign}${open}${close}]*[^\\s${sign}${open}${close}])?)${close}${AFTER}`, 'gmu');
const BOLD_SPAN = SPAN(BOLD, '*');
const ITALIC_SPAN = SPAN(ITALIC, '_');

/** @param {string} html @returns {string|null} null if it is beyond the limits */
export function textOfHtml(html) {
  const body = parseHtml(html);
  const writer = new Writer();
  return body && writer.write(body, 0) ? writer.text() : null;
}

class Writer {
  /** @type {string[]} */
  #parts = [];
  #length = 0;
  /** How many line ends the text ends with. */
  #ended = 2;
  /** The line ends and the space that come before the next text. */
  #lines = 0;
  #hasSpace = false;
  /** The mark of an item has just been added: what follows belongs to its line. */
  #isAtItem = false;
  #nodes = 0;
  /** Within how many `pre`. */
  #verbatim = 0;
  /** The lists around the current node, with the number of the next item; 0 without numbers. @type {number[]} */
  #lists = [];

  /** @returns {string} */
  text() {
    const text = this.#parts.join('').replace(BOLD_SPAN, '*$1*').replace(ITALIC_SPAN, '_$1_').replace(MARKS, '');
    return text.split('\n').map((line) => line.trimEnd()).join('\n').replace(/^\n+/u, '').trimEnd();
  }

  /** @param {Node} parent @param {number} depth @returns {boolean} whether it is within the limits */
  write(parent, depth) {
    if (depth > DEPTH_MAX) return false;
    for (const node of parent.childNodes) {
      this.#nodes += 1;
      if (this.#nodes > NODES_MAX || this.#length > TEXT_MAX) return false;
      if (node.nodeType === Node.TEXT_NODE) this.#words(node.nodeValue ?? '');
      else if (node instanceof Element && !isHidden(node) && !this.#element(node, depth + 1)) return false;
    }
    return true;
  }

  /** @param {Element} element @param {number} depth @returns {boolean} */
  #element(element, depth) {
    const name = element.localName;
    switch (name) {
      case 'br':
        this.#add('\n');
        return true;
      case 'img':
        this.#picture(element);
        return true;
      case 'a':
        return this.#link(element, depth);
      case 'ol':
      case 'ul':
        return this.#list(element, depth);
      case 'pre':
        return this.#block(element, depth);
      case 'code':
        return this.#verbatim > 0 ? this.write(element, depth) : this.#code(element, depth);
      case 'b':
      case 'strong':
        return this.#marked(element, depth, BOLD);
      case 'em':
      case 'i':
        return this.#marked(element, depth, ITALIC);
      case 'td':
      case 'th':
        if (element.previousElementSibling) this.#add('\t');
        return this.write(element, depth);
      default:
        return this.#apart(element, depth, APART.has(name) ? 2 : BLOCKS.has(name) ? 1 : 0);
    }
  }

  /** @param {Element} element @param {number} depth @param {number} lines before and after it @returns {boolean} */
  #apart(element, depth, lines) {
    this.#break(lines);
    if (element.localName === 'li') this.#item();
    const isWithin = this.write(element, depth);
    this.#break(lines);
    return isWithin;
  }

  /** @param {number} lines */
  #break(lines) {
    if (lines === 0) return;
    // The items of a list, and lists within it, follow each other without empty lines.
    if (!this.#isAtItem) this.#lines = Math.max(this.#lines, this.#lists.length > 0 ? 1 : lines);
    this.#hasSpace = false;
  }

  /** @param {Element} element @param {number} depth @returns {boolean} */
  #list(element, depth) {
    this.#isAtItem = false;
    this.#break(2);
    this.#lists.push(element.localName === 'ol' ? Math.max(1, Number(element.getAttribute('start')) || 1) : 0);
    const isWithin = this.write(element, depth);
    this.#lists.pop();
    this.#isAtItem = false;
    this.#break(2);
    return isWithin;
  }

  #item() {
    const number = this.#lists.at(-1);
    if (number === undefined) return;
    if (number > 0) this.#lists[this.#lists.length - 1] = number + 1;
    this.#isAtItem = false;
    this.#break(1);
    this.#add(`${'  '.repeat(Math.min(this.#lists.length, 6) - 1)}${number > 0 ? `${number}.` : '-'} `);
    this.#isAtItem = true;
  }

  /** A block of code. @param {Element} element @param {number} depth @returns {boolean} */
  #block(element, depth) {
    const code = element.textContent ?? '';
    const isBlock = code.trim().includes('\n') && !code.includes('```') && this.#lists.length === 0 && this.#verbatim === 0;
    this.#break(2);
    if (isBlock) this.#add('```\n');
    this.#verbatim += 1;
    const isWithin = this.write(element, depth);
    this.#verbatim -= 1;
    if (isBlock) this.#add(this.#ended > 0 ? '```' : '\n```');
    this.#break(2);
    return isWithin;
  }

  /** @param {Element} element @param {number} depth @returns {boolean} */
  #code(element, depth) {
    const all = element.textContent ?? '';
    const code = all.trim();
    if (code === '' || /[\n`]/u.test(code)) return this.write(element, depth);
    if (all !== all.trimStart()) this.#hasSpace = true;
    this.#add(`\`${code.replace(MARKS, '')}\``);
    this.#hasSpace = all !== all.trimEnd();
    return true;
  }

  /** @param {Element} element @param {number} depth @param {string[]} marks @returns {boolean} */
  #marked(element, depth, [open, close]) {
    if (NORMAL.test(element.getAttribute('data-style') ?? '') || this.#verbatim > 0) return this.write(element, depth);
    const from = this.#parts.length;
    const isWithin = this.write(element, depth);
    const first = this.#firstWord(from);
    if (first === this.#parts.length) return isWithin;
    this.#parts[first] = open + this.#parts[first];
    this.#parts.push(close);
    return isWithin;
  }

  /** @param {Element} element @param {number} depth @returns {boolean} */
  #link(element, depth) {
    const from = this.#parts.length;
    const isWithin = this.write(element, depth);
    const url = urlOf(element.getAttribute('href') ?? '');
    if (url === null || this.#verbatim > 0) return isWithin;
    const words = this.#parts.slice(from).join('').replace(MARKS, '').trim();
    if (words === '') {
      this.#add(url);
    } else if (isShortFor(words, url)) {
      this.#parts.length = this.#firstWord(from);
      this.#parts.push(url);
    } else {
      this.#parts.push(` (${url})`);
    }
    this.#length += url.length;
    return isWithin;
  }

  /** @param {number} from @returns {number} the first part from there on that is more than white space */
  #firstWord(from) {
    let at = from;
    while (at < this.#parts.length && this.#parts[at].trim() === '') at += 1;
    return at;
  }

  /** Emoji are pictures on some sites. @param {Element} element */
  #picture(element) {
    const words = element.getAttribute('alt') ?? '';
    if (words.length <= 16 && /\p{Extended_Pictographic}|\p{Regional_Indicator}/u.test(words)) this.#words(words);
  }

  /** @param {string} text of a text node */
  #words(text) {
    const clean = text.replace(MARKS, '').replace(/\r\n?/gu, '\n');
    if (this.#verbatim > 0) {
      this.#add(clean);
      return;
    }
    const words = clean.replace(/[\s\u00a0]+/gu, ' ');
    if (words.startsWith(' ')) this.#hasSpace = true;
    const inner = words.trim();
    if (inner === '') return;
    this.#add(inner);
    this.#hasSpace = words.endsWith(' ');
  }

  /** Adds text after the line ends or the space that come before it. @param {string} text */
  #add(text) {
    if (text === '') return;
    if (this.#lines > this.#ended) this.#push('\n'.repeat(this.#lines - this.#ended));
    else if (this.#hasSpace && this.#ended === 0 && !this.#isAtItem && !/^[\n\t]/u.test(text)) this.#push(' ');
    this.#lines = 0;
    this.#hasSpace = false;
    this.#isAtItem = false;
    this.#push(text);
  }

  /** @param {string} part */
  #push(part) {
    this.#parts.push(part);
    this.#length += part.length;
    const ends = /\n{0,2}$/u.exec(part.slice(-2))?.[0].length ?? 0;
    this.#ended = ends === part.length ? Math.min(2, this.#ended + ends) : ends;
  }
}

/** @param {Element} element @returns {boolean} */
function isHidden(element) {
  const style = `${element.getAttribute('data-style') ?? ''};${element.getAttribute('style') ?? ''}`;
  return SKIPPED.has(element.localName) || element.hasAttribute('hidden') || HIDDEN.test(style)
    || HIDDEN_CLASS.test(element.getAttribute('class') ?? '');
}

/** Returns the URL of a link on the web or of an e-mail address, as a message shows it. @param {string} href
 * @returns {string|null} */
function urlOf(href) {
  const text = href.trim();
  if (!/^(?:https?:\/\/|mailto:)/iu.test(text) || text.length > URL_MAX || !URL.canParse(text)) return null;
  const url = new URL(text);
  if (url.username !== '' || url.password !== '') return null;
  if (url.protocol === 'mailto:') return decoded(url.pathname);
  const opened = (url.href.match(/\(/gu) ?? []).length === (url.href.match(/\)/gu) ?? []).length;
  return opened ? url.href : url.href.replaceAll('(', '%28').replaceAll(')', '%29');
}

/** @param {string} text @returns {string} */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** Returns whether a text is a URL without its beginning, or cut off with an ellipsis. @param {string} words
 * @param {string} url @returns {boolean} */
function isShortFor(words, url) {
  if (!words.endsWith('…')) return bare(words) === bare(url);
  const begun = bare(words.slice(0, -1));
  return begun.length > 3 && bare(url).startsWith(begun);
}

/** Returns what a URL and its usual short form have in common. @param {string} url @returns {string} */
function bare(url) {
  return decoded(url).trim().toLowerCase().replace(/^(?:https?:\/\/|mailto:)/u, '').replace(/\/$/u, '');
}
