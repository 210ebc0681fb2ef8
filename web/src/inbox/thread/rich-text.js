/**
 * A text on the page: the pieces of `parseMarkup` as elements. What goes in stays text, whatever it says.
 *
 * Invariant: the text content of what is made is the text that went in, so that what is looked for and compared is what
 * was written; the signs that mean a form are there, and hidden. The one exception: what turns the writing around ends with
 * the text (`bidi.js`).
 *
 * @import {Piece} from '../view/markup.js'
 */
import { balanced } from '../view/bidi.js';
import { h } from '../ui/dom.js';
import { parseMarkup } from '../view/markup.js';
import { say } from '../view/strings.js';

/** @param {string} text @returns {HTMLElement} */
export function richText(text) {
  const box = h('span', { class: 'words' });
  for (const piece of parseMarkup(balanced(text))) box.append(element(piece));
  return box;
}

/** @param {Piece} piece @returns {Node} */
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
    case 'text':
      return formed(piece, document.createTextNode(piece.text));
  }
}

/** @param {{bold: boolean, italic: boolean}} form @param {Node} inside @returns {Node} */
function formed({ bold, italic }, inside) {
  const leaning = italic ? h('i', {}, inside) : inside;
  return bold ? h('b', {}, leaning) : leaning;
}

/** The arrow keys lead to a message and its Tab to its links; see `message-controls.js`.
 * @param {Extract<Piece, {type: 'link'}>} piece @returns {HTMLElement} */
function link({ text, href, host }) {
  return h('a', {
    href, target: '_blank', rel: 'noopener noreferrer nofollow ugc', dir: 'ltr', tabindex: -1, draggable: 'false',
    // Where the name of the server may be mistaken, the style sheet shows this beside it.
    'data-host': host, title: host ? say.leadsTo(host) : null,
  }, text);
}
