/**
 * Keyboard navigation through the inbox: skip links, F6 from region to region, from one conversation to the next, and
 * where the focus goes when its element disappears.
 *
 * @import {ParlorList} from '../list/list.js'
 * @import {ParlorThread} from '../thread/thread.js'
 */
import { h } from '../ui/dom.js';
import { listen } from '../ui/events.js';
import { say } from '../view/strings.js';

/** @typedef {{element: Element, focus: () => void}} Region */
/** @typedef {{id: number, selected: boolean, unread: number}} Step */

/** @param {HTMLElement} host @param {{list: ParlorList, thread: ParlorThread, signal: AbortSignal}} parts */
export function addKeyboardNavigation(host, { list, thread, signal }) {
  /** @type {(Region & {name: string})[]} */
  const regions = [
    { name: say.toConversations, element: list, focus: () => list.focusRow(null) },
    { name: say.toMessages, element: thread.messages, focus: () => thread.focusMessages() },
    { name: say.toWriting, element: thread.composer, focus: () => thread.focusComposer() },
  ];
  const links = regions.map((region) =>
    h('button', { class: 'button main', type: 'button', onclick: region.focus }, region.name));
  const skips = h('nav', { class: 'skips', 'aria-label': say.skipTo }, ...links);
  // Hidden regions cannot be reached.
  skips.addEventListener('focusin', () => {
    for (const [index, link] of links.entries()) link.hidden = !regions[index].element.checkVisibility();
  });
  host.prepend(skips);
  listen(host, {
    'parlor-focus-lost': () => {
      if (!thread.composer.checkVisibility()) list.focusSearch();
      // On a touch screen, focusing a field would open the keyboard.
      else if (matchMedia('(pointer: coarse)').matches) thread.focusMessages();
      else thread.focusComposer();
    },
  }, signal);
  document.addEventListener('keydown', (event) => {
    if (event.key !== 'F6' || event.altKey || event.metaKey || document.querySelector('dialog[open]')) return;
    const page = /** @type {(HTMLElement & {focusHead: () => void})|null} */ (host.querySelector('parlor-settings, parlor-reports'));
    /** @type {Region[]} */
    const all = [...regions, ...(page ? [{ element: page, focus: () => page.focusHead() }] : [])];
    const there = all.filter((one) => one.element.checkVisibility());
    if (there.length === 0) return;
    event.preventDefault();
    const at = there.findIndex((one) => one.element.contains(document.activeElement));
    const step = event.shiftKey ? -1 : 1;
    there[(Math.max(at, event.shiftKey ? 0 : -1) + step + there.length) % there.length].focus();
  }, { signal });
}

/** Returns the row after or before the open one; among unread ones the nearest in that direction, wrapping around.
 * @param {Step[]} rows @param {1|-1} step @param {boolean} unreadOnly @returns {Step|undefined} */
export function nextRow(rows, step, unreadOnly) {
  const open = rows.findIndex((one) => one.selected);
  if (!unreadOnly) return open < 0 ? rows[0] : rows[open + step];
  const at = open < 0 && step < 0 ? 0 : open;
  const around = rows.map((_, index) => rows[(at + step * (index + 1) + rows.length * 2) % rows.length]);
  return around.find((one) => one.unread > 0 && !one.selected);
}
