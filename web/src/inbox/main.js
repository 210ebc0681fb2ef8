/**
 * The entry point: shows the inbox to a signed-in user, and the sign-in page to others.
 */
import './inbox.js';
import { browserUploadTransport } from '../sdk/upload-request.js';
import { Client } from '../sdk/client.js';
import { backoffDelay, realClock } from '../sdk/clock.js';
import { Http } from '../sdk/http.js';
import { endsSession } from '../sdk/problem.js';
import { browserJournal, eraseJournal } from '../sdk/journal.js';
import { eraseAll, memoryStorage } from '../sdk/storage.js';
import { browserBlobStore, eraseBlobStore } from '../sdk/blob-store.js';
import { showBadge } from './ui/badge.js';
import { h } from './ui/dom.js';
import { listen } from './ui/events.js';
import { addSprite, drawing } from './ui/icons.js';
import { addressOf } from './ui/root.js';
import { say } from './view/strings.js';
import { loadLanguage } from './view/load-language.js';

/**
 * @import {Me, Site} from '../sdk/wire.js'
 * @import {ParlorSignIn} from './sign-in.js'
 * @import {ParlorInbox} from './inbox.js'
 */

const RETRY = { base: 1_000, most: 15_000 };
const clock = realClock();
const shelf = findShelf();
/** @type {import('../sdk/http.js').Fetch} */
const fetchIt = (input, init) => fetch(addressOf(input), init);
const http = new Http({ fetch: fetchIt, clock });

/** Returns the browser's storage, or memory if there is none. */
function findShelf() {
  try {
    return window.localStorage ?? memoryStorage();
  } catch {
    return memoryStorage();
  }
}

/** @param {number} [failures] */
async function begin(failures = 0) {
  try {
    const words = loadLanguage(document.documentElement.lang);
    const [site, me] = await Promise.all([http.site(), http.me().catch(nobody), failures > 0 ? words.catch(useEnglish) : words]);
    if (me) showInbox(me, site);
    else await showDoor(site);
  } catch {
    if (failures > 0) showTrouble();
    clock.after(backoffDelay(failures, clock.random(), RETRY), () => void begin(failures + 1));
  }
}

/** Better an English inbox than none. */
function useEnglish() {
  document.documentElement.lang = say.locale;
  document.documentElement.dir = 'ltr';
}

/** @param {unknown} error @returns {null} */
function nobody(error) {
  if (endsSession(error)) return null;
  throw error;
}

/** @param {Site} site */
async function showDoor(site) {
  showBadge(0);
  await import('./sign-in.js');
  eraseAll(shelf);
  void eraseBlobStore();
  void eraseJournal();
  const signIn = /** @type {ParlorSignIn} */ (document.createElement('parlor-sign-in'));
  listen(signIn, { 'parlor-signed-in': ({ me }) => showInbox(me, site) });
  put(signIn);
  signIn.show({ site, http });
}

/** @param {Me} me @param {Site} site */
function showInbox(me, site) {
  const client = new Client({
    user: me.id,
    clock,
    fetch: fetchIt,
    socket: () => {
      const address = new URL(addressOf('/v1/socket'), location.href);
      address.protocol = address.protocol === 'https:' ? 'wss:' : 'ws:';
      return new WebSocket(address, 'parlor.v1');
    },
    storage: shelf,
    uploadTransport: browserUploadTransport(me.id, addressOf),
    blobStore: browserBlobStore(me.id),
    journal: browserJournal(me.id),
    onSessionEnd: () => void begin(),
  });
  const inbox = /** @type {ParlorInbox} */ (document.createElement('parlor-inbox'));
  listen(inbox, { 'parlor-signed-out': () => void begin() });
  put(inbox);
  inbox.start(client, site);
}

function showTrouble() {
  put(h('main', { class: 'parlor sign-in' }, h('div', { class: 'nothing' }, drawing(),
    h('h1', {}, say.cannotLoad), h('p', { role: 'status' }, say.noServer))));
}

/** @param {HTMLElement} element */
function put(element) {
  document.querySelector('#parlor')?.replaceChildren(element);
}

addSprite(document);
void begin();
