/**
 * Text and links that another application shares with the installed inbox (`share_target` of the manifest). The user
 * picks a conversation, and finds what was shared in its composer; nothing is sent.
 *
 * @import {Client} from '../sdk/client.js'
 * @import {ParlorThread} from './thread/thread.js'
 */
import { openSwitcher } from './dialogs/switcher.js';
import { SHARE_HASH, hashOf } from './route.js';
import { ALL, filtered } from './view/conversations.js';
import { dialogSay } from './view/dialog-strings.js';
import { distinct } from './view/shared-text.js';

/** Its parameters, as the manifest names them; the worker moved them behind the `#`. */
const NAMES = ['share-title', 'share-text', 'share-url'];
/** The most characters that are taken: the limit of a message by default. */
const CHARACTERS_MAX = 10_000;

/** Lets the user pick a conversation for what the address of the page shares, once there is a list.
 * @param {HTMLElement} inbox @param {Client} client */
export function openShared(inbox, client) {
  const text = takeShared();
  if (text === '' || openPicker(inbox, client, text)) return;
  const stop = client.subscribe(() => {
    if (!inbox.isConnected || openPicker(inbox, client, text)) stop();
  });
}

/** @param {HTMLElement} inbox @param {Client} client @param {string} text @returns {boolean} whether there is a list */
function openPicker(inbox, client, text) {
  if (!client.state.list.loaded) return false;
  openSwitcher(inbox, client, {
    title: dialogSay.shareTo,
    find: (query) => filtered({
      state: client.state, now: client.clock.now(), selected: null, waiting: () => [], draft: () => '',
      readUpTo: (id) => client.readMarkers.readUpTo(id), presenceSource: client.ephemeral,
      files: { local: () => undefined, upload: () => undefined, draft: () => [] },
    }, { ...ALL, query }),
    open: (id) => give(inbox, id, text),
  });
  return true;
}

/** Opens a conversation, and puts a text before its draft. @param {HTMLElement} inbox @param {number} id
 * @param {string} text */
function give(inbox, id, text) {
  const put = () => /** @type {ParlorThread|null} */ (inbox.querySelector('parlor-thread'))?.restoreDraft(text);
  if (location.hash === hashOf(id)) {
    put();
    return;
  }
  // The inbox has listened for longer, and shows the conversation first.
  window.addEventListener('hashchange', put, { once: true });
  location.hash = hashOf(id);
}

/** Returns what is shared, each part once, and removes it from the address: a reload does not share it again.
 * @returns {string} */
function takeShared() {
  const values = new URLSearchParams(location.hash.slice(SHARE_HASH.length));
  history.replaceState(history.state, '', '#/');
  const parts = NAMES.map((name) => values.get(name)?.trim() ?? '');
  return distinct(parts).join('\n').slice(0, CHARACTERS_MAX);
}
