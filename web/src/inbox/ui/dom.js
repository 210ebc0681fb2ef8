/**
 * The only rendering helpers: an element builder that can only make text, and a keyed list.
 *
 * Invariant: shown text closes its own direction marks, so that no name or message reorders the text beside it.
 * Absent on purpose: any way to turn text into markup.
 *
 * @import {Item} from '../../sdk/outbox-item.js'
 */
import { balanced } from '../view/bidi.js';

/** @typedef {Node|string|null|undefined|false} Child */
/** @typedef {Record<string, string|number|boolean|null|undefined|((event: any) => void)>} Props */

/** Returns an element with attributes, listeners (`onclick` and the like) and children.
 * @template {keyof HTMLElementTagNameMap} Tag @param {Tag} tag @param {Props} [props] @param {...Child} children
 * @returns {HTMLElementTagNameMap[Tag]} */
export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (typeof value === 'function') element.addEventListener(name.slice(2), value);
    else setAttribute(element, name, value);
  }
  for (const child of children) {
    if (child) element.append(typeof child === 'string' ? balanced(child) : child);
  }
  return element;
}

/** Sets or removes an attribute, if it differs. @param {Element} element @param {string} name
 * @param {string|number|boolean|null|undefined} value */
export function setAttribute(element, name, value) {
  if (value === null || value === undefined || value === false) {
    if (element.hasAttribute(name)) element.removeAttribute(name);
    return;
  }
  const text = value === true ? '' : balanced(String(value));
  if (element.getAttribute(name) !== text) element.setAttribute(name, text);
}

/** @param {Element} element @param {string} text */
export function setText(element, text) {
  const shown = balanced(text);
  if (element.textContent !== shown) element.textContent = shown;
}

/** Replaces the children of an element. If the focus was inside, `refocus` moves it. @param {Element} element
 * @param {Node[]} nodes @param {() => void} refocus */
export function replaceChildren(element, nodes, refocus) {
  const focused = element.contains(document.activeElement);
  element.replaceChildren(...nodes);
  if (focused) refocus();
}

/** Returns a function that keeps a field at a value, until the user writes something else.
 * @param {{value: string}} field @returns {(value: string) => void} */
export function followValue(field) {
  let last = field.value;
  return (value) => {
    if (field.value !== last && field.value.trim() !== value) return;
    if (field.value !== value) field.value = value;
    last = value;
  };
}

/** @template Item @typedef {HTMLElement & {update(item: Item): void}} Updatable */

/** Updates the children of `parent` to match `items`: each keeps its element while it keeps its key, and only elements
 * that are out of place are moved. @template Item @param {Element} parent @param {Item[]} items
 * @param {(item: Item) => string} keyOf @param {(item: Item) => Updatable<Item>} make */
export function updateKeyed(parent, items, keyOf, make) {
  /** @type {Map<string, Element>} */
  const old = new Map();
  for (const child of parent.children) {
    const { key } = /** @type {HTMLElement} */ (child).dataset;
    if (key !== undefined) old.set(key, child);
  }
  const keys = new Set(items.map(keyOf));
  for (const [key, element] of old) {
    if (keys.has(key)) continue;
    old.delete(key);
    element.remove();
  }
  const focused = document.activeElement;
  let place = parent.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    let element = /** @type {Updatable<Item>|undefined} */ (old.get(key));
    if (!element) {
      element = make(item);
      element.dataset.key = key;
    }
    element.update(item);
    if (place === element) place = element.nextElementSibling;
    else parent.insertBefore(element, place);
  }
  if (focused instanceof HTMLElement && focused !== document.activeElement && parent.contains(focused)) focused.focus();
}
