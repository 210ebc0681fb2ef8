/**
 * The menu of a row in the list, and that of the filter by context.
 *
 * @import {Client} from '../../sdk/client.js'
 * @import {Point} from '../ui/long-press.js'
 * @import {MenuItem} from '../ui/menu.js'
 * @import {ListFilter, ViewInput} from '../view/conversations.js'
 * @import {ParlorRow} from './row.js'
 */
import { partnerIn } from '../../sdk/state/blocks.js';
import { blockItem } from '../dialogs/blocking.js';
import { isolated } from '../view/bidi.js';
import { h } from '../ui/dom.js';
import { emit } from '../ui/events.js';
import { openMenu } from '../ui/menu.js';
import { contextKey, contextsOf, nameOf } from '../view/conversations.js';
import { dialogSay } from '../view/dialog-strings.js';
import { say } from '../view/strings.js';
import { clearItem, settingsItems } from './conversation-settings.js';

/** How many contexts the menu offers; the search finds the others. */
const CONTEXTS_MAX = 12;

/** @param {HTMLElement} host @param {{client: Client, changed: () => void, row: ParlorRow, at: Point|null}} parts
 * `at`: without it, the menu stands beside the row */
export function openRowMenu(host, { client, changed, row, at }) {
  const { conversation: id } = row;
  const conversation = client.state.conversations.get(id);
  if (!conversation) return;
  const name = nameOf(client.state, conversation);
  const partner = partnerIn(client.state, conversation);
  const menu = {
    at: at ?? row.getBoundingClientRect(), back: row, narrow: host.clientWidth < 700,
    head: [h('b', { dir: 'auto' }, isolated(name))], quick: [],
  };
  /** @type {(MenuItem|false)[]} */
  const items = [
    { label: say.openIt, sign: 'next', act: () => emit(host, 'parlor-open', { id }) },
    ...settingsItems(host, client, id, changed, (more) => openMenu(host, { ...menu, label: dialogSay.keeping.muteFor, items: more })),
    { label: say.searchHere, sign: 'search', apart: true, act: () => emit(host, 'parlor-search-here', { id }) },
    partner !== null && blockItem(host, client, partner),
    clearItem(host, client, id),
  ];
  openMenu(host, { ...menu, label: say.menuOf(name), items: items.filter((one) => one !== false) });
}

/** Opens the choice of the context that the list shows. @param {HTMLElement} host
 * @param {{at: DOMRect, back: HTMLElement, filter: ListFilter}} place @param {ViewInput} viewInput */
export function openContextMenu(host, { at, back, filter }, viewInput) {
  const choose = (/** @type {string} */ context) => () => emit(host, 'parlor-filter', { ...filter, context });
  const sign = (/** @type {string} */ context, /** @type {string} */ other) => (context === filter.context ? 'check' : other);
  const items = contextsOf(viewInput).slice(0, CONTEXTS_MAX).map((context) => {
    const key = contextKey(context);
    return { label: context.title, sign: sign(key, 'subject'), act: choose(key) };
  });
  openMenu(host, {
    label: say.about, at, back, narrow: host.clientWidth < 700, head: [h('b', {}, say.about)], quick: [],
    items: [{ label: say.anything, sign: sign('', 'subject'), act: choose('') }, ...items],
  });
}
