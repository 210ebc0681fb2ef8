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
import { eraseSharedValues } from '../sdk/shared-values.js';
import { browserSnapshots, eraseSnapshots, lastSnapshot, noSnapshots } from '../sdk/snapshots.js';
import { eraseAll, memoryStorage } from '../sdk/storage.js';
import { browserBlobStore, eraseBlobStore } from '../sdk/blob-store.js';
import { showBadge } from './ui/badge.js';
import { h } from './ui/dom.js';
import { listen } from './ui/events.js';
import { SHARED, SHARE_PREFIX } from './route.js';
import { whenLoaded } from './ui/lazy-load.js';
import { addSprite, drawing } from './ui/icons.js';
import { whenIdle } from './ui/idle.js';
import { addressOf, opensOffline, scriptAddress } from './ui/root.js';
import { say } from './view/strings.js';
import { loadLanguage } from './view/load-language.js';

/**
 * @import {Site} from '../sdk/wire.js'
 * @import {ParlorSignIn} from './sign-in.js'
 * @import {ParlorInbox} from './inbox.js'
 * @import {Snapshot} from '../sdk/snapshot.js'
 */

const RETRY = { base: 1_000, most: 15_000 };
/** Without an answer for this long, the last known inbox is shown. */
const PATIENCE_MS = 3_000;
/** Where the user is stored whose sign-in the server has confirmed last; other tabs read it, too. */
const SIGNED_IN = 'parlor-signed-in';
const clock = realClock();
const storage = findStorage(() => window.localStorage);
/** What lasts as long as the tab, also while somebody signs in at a page of another origin. */
let tab = findStorage(() => window.sessionStorage);
/** @type {import('../sdk/http.js').Fetch} */
const fetchIt = (input, init) => fetch(addressOf(input), init);
const http = new Http({ fetch: fetchIt, clock });

/** Returns a storage of the browser that can be written, or memory. @param {() => Storage} find
 * @returns {import('../sdk/storage.js').StorageLike} */
function findStorage(find) {
  try {
    return find() ?? memoryStorage();
  } catch {
    return memoryStorage();
  }
}

/** What another application shares waits in the tab, and not in the address: that is passed on to where somebody signs
 * in. */
function takeShared() {
  const shared = location.search;
  if (!shared.includes(SHARE_PREFIX)) return;
  history.replaceState(history.state, '', `${location.pathname}#/`);
  try {
    tab.setItem(SHARED, shared);
  } catch {
    // It is full.
    tab = memoryStorage();
    tab.setItem(SHARED, shared);
  }
}

/** @param {number} [failures] */
async function begin(failures = 0) {
  const words = loadLanguage(document.documentElement.lang);
  const user = http.me().catch(nullWhenSignedOut);
  try {
    const answers = Promise.all([http.site(), user, failures > 0 ? words.catch(useEnglish) : words]);
    const answered = failures > 0 ? await answers : await Promise.race([answers, patience()]);
    if (!answered && await showLastKnown(words, user)) {
      // Its connection finds out the rest.
      answers.catch(() => {});
      return;
    }
    const [site, me] = answered ?? await answers;
    if (me) showSignedIn(me.id, site);
    else await showSignIn(site);
  } catch {
    if (failures === 0 && await showLastKnown(words, user)) return;
    if (failures > 0) showTrouble();
    clock.after(backoffDelay(failures, clock.random(), RETRY), () => void begin(failures + 1));
  }
}

/** @returns {Promise<null>} */
function patience() {
  return new Promise((resolve) => {
    clock.after(PATIENCE_MS, () => resolve(null));
  });
}

/** Shows the inbox as it was when there was a connection, unless the server answers that somebody else or nobody is
 * signed in. @param {Promise<unknown>} words @param {Promise<{id: number}|null>} user the server's answer
 * @returns {Promise<boolean>} whether the inbox is known */
async function showLastKnown(words, user) {
  /** @type {number|null|undefined} */
  let answered;
  const answer = user.then((me) => {
    answered = me?.id ?? null;
  }, () => {});
  const snapshot = opensOffline() ? await lastSnapshot(scriptAddress(), clock) : null;
  await words.catch(useEnglish);
  if (!snapshot || !isSignedIn(snapshot.user) || (answered !== undefined && answered !== snapshot.user)) return false;
  try {
    const client = showInbox(snapshot.user, snapshot.site, snapshot);
    void answer.then(() => {
      if (answered === undefined || answered === snapshot.user) return;
      void client.endSession();
    });
    return true;
  } catch {
    // What was kept is broken, and would stop the next start, too.
    void eraseSnapshots();
    return false;
  }
}

/** Returns whether the server has confirmed last that this user is signed in. @param {number} user */
function isSignedIn(user) {
  return storage.getItem(SIGNED_IN) === String(user);
}

/** @param {number} user @param {Site} site */
function showSignedIn(user, site) {
  try {
    storage.setItem(SIGNED_IN, String(user));
  } catch {
    // A full storage keeps no inbox for a start without a connection.
  }
  showInbox(user, site);
}

/** Better an English inbox than none. */
function useEnglish() {
  document.documentElement.lang = say.locale;
  document.documentElement.dir = 'ltr';
}

/** @param {unknown} error @returns {null} */
function nullWhenSignedOut(error) {
  if (endsSession(error)) return null;
  throw error;
}

/** @param {Site} site */
async function showSignIn(site) {
  showBadge(0);
  storage.removeItem(SIGNED_IN);
  // First of all: a part that cannot be loaded must not bring the last known inbox back.
  eraseAll(storage);
  void eraseBlobStore();
  void eraseJournal();
  void eraseSharedValues();
  void eraseSnapshots();
  await import('./sign-in.js');
  const signIn = /** @type {ParlorSignIn} */ (document.createElement('parlor-sign-in'));
  listen(signIn, { 'parlor-signed-in': ({ me }) => showSignedIn(me.id, site) });
  put(signIn);
  signIn.show({ site, http });
}

/** @param {number} user @param {Site} site @param {Snapshot} [snapshot] to begin with @returns {Client} */
function showInbox(user, site, snapshot) {
  const keeps = opensOffline();
  if (!keeps) void eraseSnapshots();
  const client = new Client({
    user,
    clock,
    fetch: fetchIt,
    socket: () => {
      const address = new URL(addressOf('/v1/socket'), location.href);
      address.protocol = address.protocol === 'https:' ? 'wss:' : 'ws:';
      return new WebSocket(address, 'parlor.v1');
    },
    storage,
    uploadTransport: browserUploadTransport(user, addressOf),
    blobStore: browserBlobStore(user),
    journal: browserJournal(user),
    snapshots: keeps ? browserSnapshots({ user, site, build: scriptAddress() }, () => isSignedIn(user)) : noSnapshots,
    snapshot,
    onSessionEnd: () => void begin(),
  });
  const inbox = /** @type {ParlorInbox} */ (document.createElement('parlor-inbox'));
  put(inbox);
  try {
    inbox.start(client, site);
  } catch (error) {
    client.stop();
    throw error;
  }
  if (tab.getItem(SHARED) !== null) {
    void whenLoaded(inbox, import('./share-target.js'), (part) => part.openShared(inbox, client, tab));
  }
  whenIdle(() => void import('./service-worker.js').then((part) => part.registerWorker()).catch(() => {}));
  return client;
}

function showTrouble() {
  put(h('main', { class: 'parlor sign-in' }, h('div', { class: 'nothing' }, drawing(),
    h('h1', {}, say.cannotLoad), h('p', { role: 'status' }, say.noServer))));
}

/** @param {HTMLElement} element */
function put(element) {
  document.querySelector('#parlor')?.replaceChildren(element);
}

takeShared();
addSprite(document);
void begin();
