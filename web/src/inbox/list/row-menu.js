/**
 * Opens the menu of a row in the list: by right click, long press or menu key.
 *
 * @import {Client} from '../../sdk/client.js'
 */
import { whenLoaded } from '../ui/lazy-load.js';
import { ParlorRow } from './row.js';

/** @param {HTMLElement} host @param {{client: Client, changed: () => void, signal: AbortSignal}} parts */
export function addRowMenu(host, { client, changed, signal }) {
  host.addEventListener('contextmenu', (event) => {
    const row = event.target instanceof Element ? event.target.closest('parlor-row') : null;
    if (!(row instanceof ParlorRow) || event.shiftKey) return;
    event.preventDefault();
    void whenLoaded(host, import('./open-row-menu.js'), ({ openRowMenu }) => openRowMenu(host, { client, changed, row, event }));
  }, { signal });
}
