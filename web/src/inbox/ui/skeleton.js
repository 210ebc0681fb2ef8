/**
 * Placeholders for content that takes longer than a moment to load.
 */
import { h } from './dom.js';
import { say } from '../view/strings.js';

/** @param {string} [width] @param {string} [className] @returns {HTMLElement} */
function block(width, className = '') {
  const element = h('span', { class: `skeleton-bar ${className}` });
  if (width) element.style.inlineSize = width;
  return element;
}

/** @param {number} count @returns {HTMLElement} */
export function rowSkeleton(count) {
  const widths = [['42%', '60%', '82%'], ['56%', '44%', '70%'], ['36%', '52%', '88%']];
  const rows = Array.from({ length: count }, (_, index) =>
    h('div', { class: 'skeleton-row' }, block(undefined, 'round'),
      h('div', {}, ...widths[index % widths.length].map((width, line) => block(width, line === 0 ? 'first' : '')))));
  return h('div', { class: 'late', role: 'img', 'aria-label': say.loadingMore }, ...rows);
}

/** @returns {HTMLElement} */
export function messageSkeleton() {
  const shapes = /** @type {[string, string][]} */ ([
    ['46%', ''], ['31%', ''], ['52%', 'own'], ['38%', ''], ['27%', 'own'], ['44%', 'own'],
  ]);
  return h('div', { class: 'skeleton-bubbles late', role: 'img', 'aria-label': say.loadingMessages },
    ...shapes.map(([width, side]) => block(width, `skeleton-bubble ${side}`)));
}
