/**
 * File actions: attaching chosen, dropped or pasted files, and opening pictures.
 *
 * @import {Client} from '../../sdk/client.js'
 * @import {ParlorThread} from '../thread/thread.js'
 */
import { cleanFileName } from '../view/attachments.js';
import { listen } from '../ui/events.js';
import { whenLoaded } from '../ui/lazy-load.js';
import { shiftMentions } from '../view/mentions.js';
import { say } from '../view/strings.js';
import { preventFileNavigation, measurePicture } from '../files/file-intake.js';

/**
 * @typedef {{
 *   client: Client, open: () => number|null, thread: ParlorThread, signal: AbortSignal,
 * }} AttachContext `open` is the conversation on the screen
 */

/** @param {HTMLElement} inbox @param {AttachContext} context */
export function handleFiles(inbox, context) {
  const { client, signal } = context;
  listen(inbox, {
    'parlor-attach': ({ files, folders }) => attach(context, files, folders),
    'parlor-remove-upload': ({ clientId }) => client.uploads.remove(clientId),
    'parlor-retry-upload': ({ clientId }) => client.uploads.retry(clientId),
    'parlor-cancel-upload': ({ upload }) => cancelUpload(context, upload),
    'parlor-restore-message': ({ clientId }) => restoreMessage(context, clientId),
    'parlor-open-picture': ({ seq, file }) => void whenLoaded(inbox, import('./pictures.js'), ({ showPicture }) =>
      showPicture(inbox, context, { seq, file })),
  }, signal);
  preventFileNavigation(signal);
  window.addEventListener('beforeunload', (event) => {
    if (!client.uploads.blocksLeaving) return;
    event.preventDefault();
    // Older browsers only ask if there is a text.
    event.returnValue = say.leavePage;
  }, { signal });
}

/** @param {AttachContext} context @param {File[]} files @param {number} folders */
function attach({ client, open, thread }, files, folders) {
  const conversation = open();
  if (folders > 0) thread.note(say.noFolders);
  if (conversation === null) return;
  for (const file of files) {
    const id = client.uploads.add(conversation, file, file.name);
    void measurePicture(file).then((size) => size && client.uploads.setSize(id, size));
  }
}

/** Restores the rest of a message one of whose files is gone: it has to be written again. @param {AttachContext} context
 * @param {string} clientId */
function restoreMessage(context, clientId) {
  const { client, open, thread } = context;
  const conversation = open();
  const items = conversation === null ? [] : client.outbox.itemsIn(conversation);
  const item = items.find((one) => one.client_id === clientId);
  const at = (item?.uploads ?? []).findIndex((one) => client.uploads.get(one)?.problem);
  const upload = item?.uploads?.[at];
  if (upload === undefined) return;
  const name = item?.attachments?.[at]?.name ?? '';
  cancelUpload(context, upload);
  thread.note(say.notAttached(cleanFileName(name), say.fileRefused.file_gone));
}

/** Cancels an upload, and restores the rest of its message in the composer. @param {AttachContext} context
 * @param {string} upload */
function cancelUpload({ client, open, thread }, upload) {
  const conversation = open();
  const back = conversation === null ? null : client.withdraw(conversation, upload);
  if (!back) return;
  const text = [back.subject, back.text].filter(Boolean).join('\n');
  const mentions = shiftMentions(back.mentions, text.length - back.text.length);
  thread.restoreDraft({ text, reply: back.reply_to, mentions, draft: back.draft });
}
