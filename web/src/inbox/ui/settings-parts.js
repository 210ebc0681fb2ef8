/**
 * What the parts of the settings consist of.
 */
import { h } from './dom.js';

/** @param {string} title @param {...Node} content @returns {HTMLElement} */
export function part(title, ...content) {
  return h('section', { class: 'part' }, h('h3', {}, title), ...content);
}

/** @param {string} words @param {string} more @param {(on: boolean) => void} then
 * @returns {{box: HTMLElement, input: HTMLInputElement}} */
export function onOff(words, more, then) {
  const input = h('input', { type: 'checkbox', role: 'switch', onchange: () => then(input.checked) });
  const box = h('label', { class: 'on-off' }, input, h('span', {}, h('b', {}, words), h('span', { class: 'note' }, more)));
  return { box, input };
}

/** Returns a choice of one of several values. @template {string} Value @param {string} label
 * @param {[Value, string][]} values with their texts @param {Value} chosen @param {(value: Value) => void} then
 * @returns {HTMLElement} */
export function choice(label, values, chosen, then) {
  return h('div', { class: 'choices', role: 'radiogroup', 'aria-label': label },
    ...values.map(([value, words]) => h('label', { class: 'choice' },
      h('input', { type: 'radio', name: label, value, checked: value === chosen, onchange: () => then(value) }),
      h('span', {}, words))));
}
