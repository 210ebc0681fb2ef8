/**
 * The hint of the composer's field: whom the message is for, cut to the width of the field. Browsers do not ellipsize the
 * hint of a field of several lines.
 */
import { setAttribute } from '../ui/dom.js';
import { graphemes } from '../view/graphemes.js';
import { say } from '../view/strings.js';

/** The longest name, in characters. */
const NAME_MAX = 40;
const pen = document.createElement('canvas').getContext('2d');

export class ComposerHint {
  #name = '';

  /** @param {HTMLTextAreaElement} field */
  constructor(field) {
    this.field = field;
    // The first call comes when the field is shown.
    new ResizeObserver(() => this.#draw()).observe(field);
  }

  /** @param {string} name */
  update(name) {
    if (name === this.#name) return;
    this.#name = name;
    this.#draw();
  }

  #draw() {
    const { font, paddingInlineStart, paddingInlineEnd } = getComputedStyle(this.field);
    const room = this.field.clientWidth - parseFloat(paddingInlineStart) - parseFloat(paddingInlineEnd);
    if (pen) pen.font = font;
    const fits = (/** @type {string} */ hint) => !pen || room <= 0 || pen.measureText(hint).width <= room;
    setAttribute(this.field, 'placeholder', longest(this.#name, (name) => fits(say.writeTo(name))));
  }
}

/** @param {string} name @param {(name: string) => boolean} fits @returns {string} the hint with as much of the name as fits */
function longest(name, fits) {
  const signs = graphemes(name);
  for (let count = Math.min(signs.length, NAME_MAX); count > 0; count -= 1) {
    const shown = count === signs.length ? name : `${signs.slice(0, count).join('').trimEnd()}…`;
    if (fits(shown)) return say.writeTo(shown);
  }
  return say.writeTo('…');
}
