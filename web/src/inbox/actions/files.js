/**
 * File actions: attaching chosen, dropped or pasted files, and opening pictures.
 *
 * @import {Client} from '../../sdk/client.js'
 * @import {Lightbox, Picture} from '../files/lightbox.js'
 * @import {ParlorMessage} from '../thread/message.js'
 * @import {ParlorThread} from '../thread/thread.js'
 */
import { filesOf, kindOf, cleanFileName } from '../view/attachments.js';
import { listen } from '../ui/events.js';
import { whenLoaded } from '../ui/lazy-load.js';
import { say } from '../view/strings.js';
import { preventFileNavigation, measurePicture } from '../files/file-intake.js';

/**
 * @typedef {{
 *   client: Client, open: () => number|null, thread: ParlorThread, signal: AbortSignal,
 * }} FileContext `open` is the conversation on the screen
 */

/** @param {HTMLElement} inbox @param {FileContext} desk */
export function handleFiles(inbox, desk) {
  const { client, signal } = desk;
  listen(inbox, {
    'parlor-attach': ({ files, folders }) => attach(desk, files, folders),
    'parlor-remove-upload': ({ clientId }) => client.uploads.remove(clientId),
    'parlor-retry-upload': ({ clientId }) => client.uploads.retry(clientId),
    'parlor-cancel-upload': ({ upload }) => cancelUpload(desk, upload),
    'parlor-restore-message': ({ clientId }) => restoreMessage(desk, clientId),
    'parlor-open-picture': ({ seq, file }) => void whenLoaded(inbox, import('../files/lightbox.js'), ({ Lightbox: Box }) =>
      showPicture(inbox, desk, { seq, file, Box })),
  }, signal);
  preventFileNavigation(signal);
  window.addEventListener('beforeunload', (event) => {
    if (!client.uploads.blocksLeaving) return;
    event.preventDefault();
    // Older browsers only ask if there is a text.
    event.returnValue = say.leavePage;
  }, { signal });
}

/** @param {FileContext} desk @param {File[]} files @param {number} folders */
function attach({ client, open, thread }, files, folders) {
  const conversation = open();
  if (folders > 0) thread.note(say.noFolders);
  if (conversation === null) return;
  for (const file of files) {
    const id = client.uploads.add(conversation, file, file.name);
    void measurePicture(file).then((size) => size && client.uploads.setSize(id, size));
  }
}

/** Restores the rest of a message one of whose files is gone: it has to be written again. @param {FileContext} desk
 * @param {string} clientId */
function restoreMessage(desk, clientId) {
  const { client, open, thread } = desk;
  const conversation = open();
  const items = conversation === null ? [] : client.outbox.itemsIn(conversation);
  const item = items.find((one) => one.client_id === clientId);
  const at = (item?.uploads ?? []).findIndex((one) => client.uploads.get(one)?.problem);
  const upload = item?.uploads?.[at];
  if (upload === undefined) return;
  const name = item?.attachments?.[at]?.name ?? '';
  cancelUpload(desk, upload);
  thread.note(say.notAttached(cleanFileName(name), say.fileRefused.file_gone));
}

/** Cancels an upload, and restores the rest of its message in the composer. @param {FileContext} desk
 * @param {string} upload */
function cancelUpload({ client, open, thread }, upload) {
  const conversation = open();
  const back = conversation === null ? null : client.withdraw(conversation, upload);
  if (!back) return;
  thread.restoreDraft([back.subject, back.text].filter(Boolean).join('\n'), back.reply_to);
}

/** @param {HTMLElement} inbox @param {FileContext} desk @param {{seq: number, file: number, Box: typeof Lightbox}} what */
function showPicture(inbox, desk, { seq, file, Box }) {
  const { client, open } = desk;
  const id = open();
  const key = `${seq}:${file}`;
  const pictures = id === null ? [] : picturesOf(client, id);
  if (id === null || !pictures.some((one) => one.key === key)) return;
  const opener = /** @type {HTMLElement|null} */ (document.activeElement);
  let { messages } = client.state.threads.get(id) ?? {};
  const stop = client.subscribe(() => {
    const held = client.state.threads.get(id)?.messages;
    if (held === messages) return;
    messages = held;
    const isGone = (/** @type {number} */ seq) => !!held?.some((one) => one.seq === seq && (one.deleted || one.hidden));
    box.update(picturesOf(client, id), isGone);
  });
  const box = new Box(inbox, {
    pictures,
    key,
    left: (last) => {
      stop();
      const frame = last && frameOf(desk.thread, last);
      const back = frame ?? (opener?.isConnected ? opener : desk.thread.querySelector('.talk'));
      if (!(back instanceof HTMLElement)) return;
      back.focus({ preventScroll: true });
      if (frame) frame.scrollIntoView({ block: 'nearest' });
    },
  });
}

/** Returns all loaded pictures of a thread, in order. @param {Client} client @param {number} id @returns {Picture[]} */
function picturesOf({ state, uploads }, id) {
  return (state.threads.get(id)?.messages ?? []).filter((one) => one.attachments && !one.hidden && !one.deleted)
    .flatMap((message) => {
      const sender = state.users.get(message.sender) ?? null;
      const name = message.sender === state.user ? say.you : (sender?.name ?? say.somebody);
      return filesOf(message, (one) => uploads.localFile(one)).filter((one) => kindOf(one) === 'picture').map((file) =>
        ({ key: `${message.seq}:${file.id}`, seq: message.seq, file, sender, name, time: Date.parse(message.created_at) }));
    });
}

/** Finds a picture in the thread; for one that is not drawn, the last of its message. @param {Element} thread
 * @param {Picture} picture @returns {HTMLElement|null} */
function frameOf(thread, { seq, file }) {
  const all = /** @type {ParlorMessage[]} */ ([...thread.querySelectorAll('parlor-message')]);
  const frames = /** @type {HTMLElement[]} */ ([
    ...all.find((one) => one.seq === seq)?.querySelectorAll('button.picture') ?? [],
  ]);
  return frames.find((one) => one.dataset.file === String(file.id)) ?? frames.at(-1) ?? null;
}
