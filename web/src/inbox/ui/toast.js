/**
 * A short notice about the result of an action: for six seconds, longer while it is hovered, one at a time, and never
 * over the composer.
 */
import { h } from './dom.js';
import { icon } from './icons.js';

const STAYS_MS = 6_000;

/** Where notices are shown. It exists from the start, so that screen readers announce them. @param {HTMLElement} host
 * @returns {Element} */
export function toastPlace(host) {
  return host.querySelector('.toast-place') ?? host.appendChild(h('div', { class: 'toast-place', role: 'status' }));
}

/** @param {HTMLElement} host
 * @param {{words: string, sign: string, action?: {label: string, act: () => void}}} what */
export function toast(host, { words, sign, action }) {
  const place = toastPlace(host);
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  let timer;
  const wait = () => {
    timer = setTimeout(() => box.remove(), STAYS_MS);
  };
  const box = h('div', {
    class: 'toast', onpointerenter: () => clearTimeout(timer), onpointerleave: wait,
    // What is underneath can be reached at once.
    onclick: () => box.remove(),
  }, icon(sign, { small: true }), h('span', {}, words),
  action && h('button', { class: 'undo', type: 'button', onclick: action.act }, action.label));
  place.replaceChildren(box);
  wait();
}
