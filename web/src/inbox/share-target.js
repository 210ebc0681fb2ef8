/**
 * Text and links that another application shares with the installed inbox (`share_target` of the manifest). The user
 * picks a conversation, and finds what was shared in its composer; nothing is sent.
 *
 * @import {Client} from '../sdk/client.js'
 * @import {StorageLike} from '../sdk/storage.js'
 * @import {ParlorThread} from './thread/thread.js'
 */
import { blockedIn } from '../sdk/state/blocks.js';
import { viewInputOf } from './actions/view-input.js';
import { openSwitcher } from './dialogs/switcher.js';
import { SHARED, hashOf } from './route.js';
import { isolated } from './view/bidi.js';
import { ALL, filtered, nameOf } from './view/conversations.js';
import { dialogSay } from './view/dialog-strings.js';
import { distinct } from './view/shared-text.js';
import { say, sentences } from './view/strings.js';

/** Its parameters, as the manifest names them. */
const NAMES = ['share-title', 'share-text', 'share-url'];
/** The most characters that are taken: the limit of a message by default. */
const CHARACTERS_MAX = 10_000;

/** Lets the user pick a conversation for what is shared, once there is a list. @param {HTMLElement} inbox
 * @param {Client} client @param {StorageLike} tab where it waits (`main.js`) */
export function openShared(inbox, client, tab) {
  if (openPicker(inbox, client, tab)) return;
  const stop = client.subscribe(() => {
    if (!inbox.isConnected || openPicker(inbox, client, tab)) stop();
  });
}

/** @param {HTMLElement} inbox @param {Client} client @param {StorageLike} tab @returns {boolean} whether there is a list */
function openPicker(inbox, client, tab) {
  if (!client.state.list.loaded) return false;
  const text = sharedText(tab.getItem(SHARED) ?? '');
  // A reload does not share it again.
  tab.removeItem(SHARED);
  if (text === '') return true;
  openSwitcher(inbox, client, {
    title: dialogSay.shareTo,
    find: (query) => filtered(viewInputOf(client, { selected: null, draft: () => '' }), { ...ALL, query }),
    refusal: (id) => {
      const conversation = client.state.conversations.get(id);
      if (!conversation) return '';
      if (blockedIn(client.state, conversation) !== null) {
        return sentences(say.blockedHere(isolated(nameOf(client.state, conversation))), dialogSay.chooseAnother);
      }
      const { context } = conversation;
      return context?.closed ? sentences(say.closedAs(context.title), dialogSay.chooseAnother) : '';
    },
    open: (id) => give(inbox, id, text),
  });
  return true;
}

/** Opens a conversation, and puts a text before its draft. @param {HTMLElement} inbox @param {number} id
 * @param {string} text */
function give(inbox, id, text) {
  const put = () => /** @type {ParlorThread|null} */ (inbox.querySelector('parlor-thread'))?.restoreDraft({ text });
  if (location.hash === hashOf(id)) {
    put();
    return;
  }
  // The inbox has listened for longer, and shows the conversation first.
  window.addEventListener('hashchange', put, { once: true });
  location.hash = hashOf(id);
}

/** Returns what is shared, each part once. @param {string} query @returns {string} */
function sharedText(query) {
  const values = new URLSearchParams(query);
  const parts = NAMES.map((name) => values.get(name)?.trim() ?? '');
  return distinct(parts).join('\n').slice(0, CHARACTERS_MAX);
}
