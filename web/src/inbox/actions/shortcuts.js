/**
 * Keyboard shortcuts of the whole inbox.
 *
 * @import {ParlorList} from '../list/list.js'
 * @import {ParlorThread} from '../thread/thread.js'
 */
import { matchesKey } from '../ui/keys.js';

/**
 * @typedef {{
 *   list: ParlorList, thread: ParlorThread, isOpen: () => boolean, focusSearch: () => void, searchHere: () => void,
 *   openSwitcher: () => void, openHelp: () => void,
 *   step: (step: 1|-1, unreadOnly: boolean) => void, signal: AbortSignal,
 * }} ShortcutActions `step` opens the next or the previous conversation
 */

/** @param {ShortcutActions} actions */
export function addShortcuts(actions) {
  document.addEventListener('keydown', (event) => handleKey(event, actions), { signal: actions.signal });
}

/** @param {KeyboardEvent} event @param {ShortcutActions} actions */
function handleKey(event, { list, thread, isOpen, focusSearch, searchHere, openSwitcher, openHelp, step }) {
  if (document.querySelector('dialog[open]')) return;
  if (matchesKey(event, 'Ctrl K')) {
    event.preventDefault();
    openSwitcher();
  } else if (matchesKey(event, 'Ctrl G')) {
    event.preventDefault();
    focusSearch();
  } else if (asksForHelp(event)) {
    event.preventDefault();
    openHelp();
  } else if (event.shiftKey && matchesKey(event, 'Ctrl F')) {
    event.preventDefault();
    searchHere();
  } else if (matchesKey(event, 'Ctrl U')) {
    if (!isOpen()) return;
    event.preventDefault();
    thread.chooseFiles();
  } else if (event.altKey && (event.key === 'ArrowDown' || event.key === 'ArrowUp')) {
    event.preventDefault();
    step(event.key === 'ArrowDown' ? 1 : -1, event.shiftKey);
  } else if (event.key === 'Escape' && !event.defaultPrevented && !isHandledElsewhere(event.target, list)) {
    thread.dismissUnreadBar();
  }
}

/** Returns whether a key is Ctrl+/, or ? where nothing is written. @param {KeyboardEvent} event @returns {boolean} */
function asksForHelp({ key, ctrlKey, metaKey, altKey, target }) {
  if (ctrlKey || metaKey) return key === '/';
  const writes = target instanceof Element && target.closest('input, textarea, select') !== null;
  return key === '?' && !altKey && !writes;
}

/** The list and the menus handle Escape themselves. @param {EventTarget|null} target @param {Element} list */
function isHandledElsewhere(target, list) {
  return target instanceof Element && (list.contains(target) || target.closest('[popover]') !== null);
}
