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
  /** @type {[boolean, () => void][]} */
  const keys = [
    [matchesKey(event, 'Ctrl K'), openSwitcher],
    [matchesKey(event, 'Ctrl E'), focusSearch],
    [asksForHelp(event), openHelp],
    [matchesKey(event, 'Ctrl Shift F'), searchHere],
    [isOpen() && matchesKey(event, 'Ctrl U'), () => thread.chooseFiles()],
  ];
  const act = keys.find(([isMeant]) => isMeant)?.[1];
  if (act) {
    event.preventDefault();
    // A key that is held down acts once.
    if (!event.repeat) act();
  } else if (event.altKey && (event.key === 'ArrowDown' || event.key === 'ArrowUp')) {
    event.preventDefault();
    step(event.key === 'ArrowDown' ? 1 : -1, event.shiftKey);
  } else if (event.key === 'Escape' && !event.defaultPrevented && !isHandledElsewhere(event.target, list)) {
    thread.dismissUnreadBar();
  }
}

/** Returns whether a key is Ctrl+/, or ? in the list or among the messages. @param {KeyboardEvent} event
 * @returns {boolean} */
export function asksForHelp({ key, code, ctrlKey, metaKey, altKey, target }) {
  if (altKey) return false;
  // On keyboards without Latin letters the position counts; on some with them a minus is there.
  if (ctrlKey || metaKey) return key === '/' || (code === 'Slash' && !/^[!-~]$/u.test(key));
  if (key !== '?' || !(target instanceof Element)) return false;
  return target.closest('parlor-list, [role="log"]') !== null && target.closest('input, textarea, select') === null;
}

/** The list and the menus handle Escape themselves. @param {EventTarget|null} target @param {Element} list */
function isHandledElsewhere(target, list) {
  return target instanceof Element && (list.contains(target) || target.closest('[popover]') !== null);
}
