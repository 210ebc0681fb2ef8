/**
 * Opens the menu of a row in the list, by right click, long press or menu key, and that of the filter by context. Alt and
 * a click mark a row as unread.
 *
 * @import {Client} from '../../sdk/client.js'
 * @import {Point} from '../ui/long-press.js'
 * @import {ViewInput} from '../view/conversations.js'
 */
import { listen } from '../ui/events.js';
import { whenLoaded } from '../ui/lazy-load.js';
import { LongPress } from '../ui/long-press.js';
import { whenReleased } from '../ui/released.js';
import { ParlorRow } from './row.js';

/** @param {HTMLElement} host
 * @param {{client: Client, changed: () => void, viewInput: () => ViewInput, signal: AbortSignal}} parts */
export function addRowMenu(host, { client, changed, viewInput, signal }) {
  const open = (/** @type {ParlorRow} */ row, /** @type {Point|null} */ at) =>
    void whenLoaded(host, import('./open-row-menu.js'), ({ openRowMenu }) => openRowMenu(host, { client, changed, row, at }));
  const press = new LongPress(host, (event) => {
    const row = rowAt(event);
    return row && ((at) => open(row, at));
  }, signal);
  host.addEventListener('contextmenu', (event) => {
    const row = rowAt(event);
    if (!row || event.shiftKey) return;
    event.preventDefault();
    if (press.isLong || /** @type {PointerEvent} */ (event).pointerType === 'touch') return;
    // The menu key has no position; the row has.
    const isPointed = event.clientX > 0 || event.clientY > 0;
    const at = isPointed ? { x: event.clientX, y: event.clientY } : null;
    whenReleased(event, () => open(row, at));
  }, { signal });
  host.addEventListener('click', (event) => {
    const row = event.altKey ? rowAt(event) : null;
    if (!row) return;
    event.preventDefault();
    event.stopPropagation();
    void whenLoaded(host, import('./conversation-settings.js'), ({ markUnread }) => markUnread(host, client, row.conversation));
  }, { signal, capture: true });
  listen(host, {
    'parlor-choose-context': (place) => void whenLoaded(host, import('./open-row-menu.js'), ({ openContextMenu }) =>
      openContextMenu(host, place, viewInput())),
  }, signal);
}

/** @param {Event} event @returns {ParlorRow|null} */
function rowAt({ target }) {
  const row = target instanceof Element ? target.closest('parlor-row') : null;
  return row instanceof ParlorRow ? row : null;
}
