/**
 * Menus. In a wide inbox a menu stands beside its subject; in a narrow one it is a sheet from the bottom edge, with its
 * subject on top.
 *
 * Invariants: arrows, Home and End move, Enter chooses, Escape closes; the focus returns to where it came from, unless
 * the chosen item moves it. There is one menu at a time.
 */
import { h } from './dom.js';
import { icon } from './icons.js';
import { matchesKey } from './keys.js';
import { say, textOf } from '../view/strings.js';

/**
 * @typedef {{label: string, sign: string, act: () => void, key?: string, warn?: boolean, apart?: boolean}} MenuItem
 *   `key` is shown and works while the menu is open; `apart` has a line above it
 * @typedef {{label: string, text?: string, sign?: string, chosen?: boolean, act: () => void}} QuickItem
 * @typedef {{
 *   label: string, at: DOMRect|{x: number, y: number}, narrow: boolean, head: Node[], quick: QuickItem[],
 *   items: MenuItem[], back: HTMLElement|null, closed?: () => void,
 * }} Menu
 */

/** The distance from the edge of the window, and from the menu's subject. */
const EDGE_PX = 8;
const GAP_PX = 4;

/** @param {HTMLElement} host @param {Menu} menu @returns {() => void} closes it */
export function openMenu(host, menu) {
  return menu.narrow ? openSheet(host, menu) : openBeside(host, menu);
}

/** @param {HTMLElement} host @param {Menu} menu */
function openBeside(host, menu) {
  const close = () => box.isConnected && box.hidePopover();
  const box = makeMenu(menu, close);
  box.popover = 'auto';
  box.addEventListener('toggle', (event) => {
    if (/** @type {ToggleEvent} */ (event).newState === 'closed') ended(box, menu);
  });
  // Inside a landmark for screen readers; it is drawn above everything.
  (host.querySelector('[role="main"]') ?? host).append(box);
  box.showPopover();
  placeBeside(box, menu.at);
  first(box)?.focus({ preventScroll: true });
  return close;
}

/** @param {HTMLElement} host @param {Menu} menu */
function openSheet(host, menu) {
  const close = () => sheet.close();
  /** @type {HTMLDialogElement} */
  const sheet = h('dialog', {
    class: 'bottom-sheet', 'aria-label': menu.label,
    onclose: () => ended(sheet, menu),
  }, h('div', { class: 'sheet-body' }, h('div', { class: 'menu-of' }, ...menu.head), makeMenu(menu, close)));
  closeOnOutsideClick(sheet);
  host.append(sheet);
  sheet.showModal();
  first(sheet)?.focus({ preventScroll: true });
  return close;
}

/** Closes a dialog on a press beside it. The end of the long press that opened it does not count, and what is
 * underneath gets no click. @param {HTMLDialogElement} dialog */
export function closeOnOutsideClick(dialog) {
  let pressed = false;
  dialog.addEventListener('pointerdown', (event) => {
    pressed = event.target === dialog;
  });
  dialog.addEventListener('click', (event) => pressed && event.target === dialog && dialog.close());
}

/** @param {HTMLElement} box @param {Menu} menu */
function ended(box, { back, closed }) {
  const inside = box.contains(document.activeElement) || document.activeElement === document.body;
  box.remove();
  closed?.();
  if (inside && back?.isConnected) back.focus({ preventScroll: true });
}

/** @param {Element} box @returns {HTMLElement|null} */
function first(box) {
  return box.querySelector('.item');
}

/** @param {Menu} menu @param {() => void} close @returns {HTMLElement} */
function makeMenu({ label, quick, items }, close) {
  const chosen = (/** @type {() => void} */ act) => () => {
    close();
    act();
  };
  return h('div', {
    class: 'menu', role: 'menu', 'aria-label': label,
    onkeydown: (/** @type {KeyboardEvent} */ event) => key(event, items, chosen),
  },
  quick.length > 0 && h('div', { class: 'quick', role: 'group', 'aria-label': say.react },
    ...quick.map((one) => h('button', {
      type: 'button', role: one.chosen === undefined ? 'menuitem' : 'menuitemcheckbox', tabindex: -1,
      'aria-checked': one.chosen === undefined ? null : String(one.chosen), class: one.chosen ? 'chosen' : null,
      'aria-label': one.label, title: one.label, onclick: chosen(one.act),
    }, one.text ?? icon(one.sign ?? '')))),
  ...items.flatMap((one) => [
    one.apart ? h('hr', { role: 'separator' }) : null,
    h('button', {
      class: `item${one.warn ? ' warn' : ''}`, type: 'button', role: 'menuitem', tabindex: -1, onclick: chosen(one.act),
    }, icon(one.sign), h('span', {}, one.label),
    one.key ? h('span', { class: 'key', 'aria-hidden': 'true' }, keyLabel(one.key)) : null),
  ]));
}

/** @param {KeyboardEvent} event @param {MenuItem[]} items @param {(act: () => void) => () => void} chosen */
function key(event, items, chosen) {
  const menu = /** @type {HTMLElement} */ (event.currentTarget);
  const named = items.find((one) => one.key && matchesKey(event, one.key));
  const to = named ? null : target(event, menu);
  if (!named && !to) return;
  event.preventDefault();
  event.stopPropagation();
  to?.focus();
  if (named) chosen(named.act)();
}

/** Returns a key as the keyboards of the language name it. @param {string} name @returns {string} */
export function keyLabel(name) {
  return name.split(' ').map((part) => textOf(say.keyNames, part) ?? part).join(' ');
}

/** Returns where an arrow key leads: the quick items are one row, each other item is another.
 * @param {KeyboardEvent} event @param {HTMLElement} menu @returns {HTMLElement|undefined} */
function target(event, menu) {
  const quick = /** @type {HTMLElement[]} */ ([...menu.querySelectorAll('.quick button')]);
  const items = /** @type {HTMLElement[]} */ ([...menu.querySelectorAll('.item')]);
  const at = /** @type {HTMLElement} */ (document.activeElement);
  const across = quick.indexOf(at);
  const turned = getComputedStyle(menu).direction === 'rtl' ? -1 : 1;
  switch (event.key) {
    case 'ArrowDown':
    case 'ArrowUp': {
      const entry = quick.find((one) => one.classList.contains('chosen')) ?? quick[0];
      const rows = entry ? [entry, ...items] : items;
      const row = across >= 0 ? 0 : rows.indexOf(at);
      const step = event.key === 'ArrowDown' ? 1 : -1;
      return rows[(row + step + rows.length) % rows.length];
    }
    case 'ArrowLeft':
    case 'ArrowRight': {
      if (across < 0) return undefined;
      const step = (event.key === 'ArrowRight' ? 1 : -1) * turned;
      return quick[(across + step + quick.length) % quick.length];
    }
    case 'Home':
      return quick[0] ?? items[0];
    case 'End':
      return items[items.length - 1];
    default:
      return undefined;
  }
}

/** Places a box beside a point or another box, inside the window. @param {HTMLElement} box @param {Menu['at']} at */
export function placeBeside(box, at) {
  const { width, height } = box.getBoundingClientRect();
  const point = !('bottom' in at);
  const [left, right] = point ? [at.x, at.x] : [at.left, at.right];
  const [top, bottom] = point ? [at.y, at.y] : [at.top, at.bottom];
  const rtl = getComputedStyle(box).direction === 'rtl';
  const roomBelow = innerHeight - bottom - GAP_PX - EDGE_PX;
  const roomAbove = top - GAP_PX - EDGE_PX;
  const y = roomBelow >= height || roomBelow >= roomAbove ? bottom + GAP_PX : top - GAP_PX - height;
  const forward = right + width <= innerWidth - EDGE_PX || left - width < EDGE_PX;
  const start = rtl ? right - width : left;
  const x = point ? (forward && !rtl ? left : left - width) : start;
  box.style.insetBlockStart = `${Math.round(clamp(y, innerHeight - height))}px`;
  box.style.left = `${Math.round(clamp(x, innerWidth - width))}px`;
}

/** @param {number} value @param {number} most @returns {number} */
function clamp(value, most) {
  return Math.max(EDGE_PX, Math.min(value, most - EDGE_PX));
}
