/**
 * The menu of a row in the list.
 *
 * @import {Client} from '../../sdk/client.js'
 * @import {MenuItem} from '../ui/menu.js'
 * @import {ParlorRow} from './row.js'
 */
import { isolated } from '../view/bidi.js';
import { h } from '../ui/dom.js';
import { emit } from '../ui/events.js';
import { openMenu } from '../ui/menu.js';
import { nameOf, unreadOf } from '../view/conversations.js';
import { say } from '../view/strings.js';

/** @param {HTMLElement} host @param {{client: Client, changed: () => void, row: ParlorRow, event: MouseEvent}} parts */
export function openRowMenu(host, { client, changed, row, event }) {
  const { conversation: id } = row;
  const conversation = client.state.conversations.get(id);
  if (!conversation) return;
  const name = nameOf(client.state, conversation);
  /** @type {(MenuItem|false)[]} */
  const items = [
    { label: say.openIt, sign: 'next', act: () => emit(host, 'parlor-open', { id }) },
    unreadOf(conversation, client.readMarkers.readUpTo(id)) > 0 && {
      label: say.markRead, sign: 'read',
      act: () => {
        client.readMarkers.advance(id, conversation.last_seq, true);
        changed();
      },
    },
    { label: say.searchHere, sign: 'search', act: () => emit(host, 'parlor-search-here', { id }) },
  ];
  // The menu key has no position; the row has.
  const pointed = event.clientX > 0 || event.clientY > 0;
  openMenu(host, {
    label: say.menuOf(name), at: pointed ? { x: event.clientX, y: event.clientY } : row.getBoundingClientRect(),
    back: row, narrow: host.clientWidth < 700, head: [h('b', { dir: 'auto' }, isolated(name))], quick: [],
    items: items.filter((one) => one !== false),
  });
}
