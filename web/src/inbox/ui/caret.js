/**
 * Where a position in a text field is on the screen, which browsers do not say.
 */
import { h } from './dom.js';

/** What decides where the lines of a field break. */
const COPIED = ['direction', 'font', 'letter-spacing', 'line-height', 'padding', 'tab-size', 'text-align', 'unicode-bidi', 'word-spacing'];

/** @param {HTMLTextAreaElement} field @param {number} at a position in its text @returns {{x: number, y: number}} the
 * upper edge of its line, in the window; within the field even if the line is scrolled out of it */
export function caretBox(field, at) {
  const style = getComputedStyle(field);
  const mark = h('span', {}, '\u200b');
  const copy = h('div', { 'aria-hidden': 'true' }, field.value.slice(0, at), mark);
  for (const name of COPIED) copy.style.setProperty(name, style.getPropertyValue(name));
  const edge = field.getBoundingClientRect();
  Object.assign(copy.style, {
    position: 'fixed', visibility: 'hidden', whiteSpace: 'pre-wrap', overflowWrap: 'break-word', boxSizing: 'border-box',
    inset: 'auto', left: `${edge.left}px`, top: `${edge.top - field.scrollTop}px`, width: `${field.clientWidth}px`,
  });
  field.after(copy);
  const { x, y } = mark.getBoundingClientRect();
  copy.remove();
  return { x, y: Math.max(edge.top, Math.min(y, edge.bottom)) };
}
