/**
 * What the inbox does with files: takes in what was chosen, dropped or pasted, and shows pictures whole.
 *
 * @import {Client} from '../sdk/client.js'
 * @import {ParlorThread} from './thread.js'
 */
import { emit } from './dom.js';
import { filesOf, kindOf } from './files.js';
import { openLightbox } from './lightbox.js';
import { say } from './strings.js';
import { keepPage, measure } from './taking.js';

/**
 * @typedef {{
 *   client: Client, open: () => number|null, thread: ParlorThread, signal: AbortSignal,
 * }} Desk `open` is the conversation on the screen
 */

/** @param {HTMLElement} inbox @param {Desk} desk */
export function keepFiles(inbox, desk) {
  const { client, signal } = desk;
  /** @type {Record<string, (detail: any) => void>} */
  const told = {
    'parlor-attach': ({ files, folders }) => attach(desk, files, folders),
    'parlor-file-remove': ({ clientId }) => client.uploads.remove(clientId),
    'parlor-file-retry': ({ clientId }) => client.uploads.retry(clientId),
    'parlor-file-stop': ({ upload }) => stop(inbox, desk, upload),
    'parlor-picture': ({ seq, file }) => showPicture(inbox, desk, seq, file),
  };
  for (const [name, act] of Object.entries(told)) {
    inbox.addEventListener(name, (event) => act(/** @type {CustomEvent} */ (event).detail), { signal });
  }
  keepPage(signal);
  window.addEventListener('beforeunload', (event) => {
    if (!client.uploads.isBusy) return;
    event.preventDefault();
    // Older browsers ask only when there is something to say.
    event.returnValue = say.leavePage;
  }, { signal });
}

/** @param {Desk} desk @param {File[]} files @param {number} folders */
function attach({ client, open, thread }, files, folders) {
  const conversation = open();
  if (folders > 0) thread.note(say.noFolders);
  if (conversation === null) return;
  for (const file of files) {
    const id = client.uploads.add(conversation, file, file.name);
    void measure(file).then((size) => size && client.uploads.measured(id, size));
  }
}

/** The rest of the message comes back to where one writes. @param {HTMLElement} inbox @param {Desk} desk
 * @param {string} upload */
function stop(inbox, { client, open, thread }, upload) {
  const conversation = open();
  const back = conversation === null ? null : client.takeBack(conversation, upload);
  if (!back) return;
  if (back.reply_to !== undefined) emit(inbox, 'parlor-reply', { seq: back.reply_to });
  thread.putBack([back.subject, back.text].filter(Boolean).join('\n'));
}

/** @param {HTMLElement} inbox @param {Desk} desk @param {number} seq @param {number} file */
function showPicture(inbox, { client, open }, seq, file) {
  const id = open();
  const { state } = client;
  const message = id === null ? undefined : state.threads.get(id)?.messages.find((one) => one.seq === seq);
  if (!message) return;
  const pictures = filesOf(message, (one) => client.uploads.local(one)).filter((one) => kindOf(one) === 'picture');
  const sender = state.users.get(message.sender) ?? null;
  openLightbox(inbox, {
    pictures,
    at: Math.max(0, pictures.findIndex((one) => one.id === file)),
    sender,
    name: message.sender === state.user ? say.you : (sender?.name ?? ''),
    time: Date.parse(message.created_at),
  });
}
