/**
 * A word about what was done or could not be done: for six seconds, longer while it is pointed at, one at a time, never
 * over the composer.
 */
import { h } from './dom.js';
import { icon } from './icons.js';

const STAYS_MS = 6_000;

/** Where it is said: there from the beginning, so that it is heard. @param {HTMLElement} host @returns {Element} */
export function toastPlace(host) {
  return host.querySelector('.toast-place') ?? host.appendChild(h('div', { class: 'toast-place', role: 'status' }));
}

/** @param {HTMLElement} host @param {{words: string, sign: string}} what */
export function toast(host, { words, sign }) {
  const place = toastPlace(host);
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  let timer;
  const wait = () => {
    timer = setTimeout(() => box.remove(), STAYS_MS);
  };
  const box = h('div', {
    class: 'toast', onpointerenter: () => clearTimeout(timer), onpointerleave: wait,
    // What it lies over can be reached at once.
    onclick: () => box.remove(),
  }, icon(sign, { small: true }), h('span', {}, words));
  place.replaceChildren(box);
  wait();
}
