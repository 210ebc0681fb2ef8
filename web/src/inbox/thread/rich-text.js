/**
 * Draws the pieces of marked-up text as elements. Text stays text, whatever it says.
 *
 * Invariant: the text content of the result is the original text, so that search and comparison see what was written;
 * formatting characters are included, and hidden. The one exception: direction marks are closed at the end of the text
 * (`bidi.js`).
 *
 * @import {Piece} from '../view/markup.js'
 * @import {DrawnPiece, MentionMark} from '../view/mentions.js'
 */
import { balanced } from '../view/bidi.js';
import { h } from '../ui/dom.js';
import { parseMarkup } from '../view/markup.js';
import { withMentions } from '../view/mentions.js';
import { say } from '../view/strings.js';

/** @param {string} text @param {MentionMark[]} mentions @returns {HTMLElement} */
export function richText(text, mentions) {
  const box = h('span', { class: 'text' });
  const shown = balanced(text);
  const isThere = (/** @type {MentionMark} */ { at, length }) => shown === text || shown.slice(at, at + length) === text.slice(at, at + length);
  for (const piece of withMentions(parseMarkup(shown), mentions.filter(isThere))) box.append(element(piece));
  return box;
}

/** @param {DrawnPiece} piece @returns {Node} */
function element(piece) {
  switch (piece.type) {
    case 'mark':
      return h('span', { hidden: true }, piece.text);
    case 'code':
      return h('code', {}, piece.text);
    case 'block':
      return h('pre', { dir: 'auto' }, h('code', {}, piece.text));
    case 'link':
      return formed(piece, link(piece));
    case 'mention':
      return formed(piece, h('bdi', { class: piece.mine ? 'mention mine' : 'mention' }, piece.text));
    case 'text':
      return formed(piece, document.createTextNode(piece.text));
  }
}

/** @param {{bold: boolean, italic: boolean}} form @param {Node} inside @returns {Node} */
function formed({ bold, italic }, inside) {
  const leaning = italic ? h('i', {}, inside) : inside;
  return bold ? h('b', {}, leaning) : leaning;
}

/** The arrow keys lead to a message, and Tab to its links; see `message-controls.js`.
 * @param {Extract<Piece, {type: 'link'}>} piece @returns {HTMLElement} */
function link({ text, href, host }) {
  return h('a', {
    href, target: '_blank', rel: 'noopener noreferrer nofollow ugc', dir: 'ltr', tabindex: -1, draggable: 'false',
    // If the host name may be mistaken, the style sheet shows this beside it.
    'data-host': host, title: host ? say.leadsTo(host) : null,
  }, text);
}
