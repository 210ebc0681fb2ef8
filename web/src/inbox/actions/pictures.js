/**
 * Opens the pictures of a thread in the lightbox.
 *
 * @import {Client} from '../../sdk/client.js'
 * @import {Picture} from '../files/lightbox.js'
 * @import {ParlorMessage} from '../thread/message.js'
 * @import {ParlorThread} from '../thread/thread.js'
 */
import { Lightbox } from '../files/lightbox.js';
import { filesOf, kindOf } from '../view/attachments.js';
import { say } from '../view/strings.js';

/** @typedef {{client: Client, open: () => number|null, thread: ParlorThread}} PictureContext `open` returns the open
 * conversation */

/** @param {HTMLElement} inbox @param {PictureContext} context @param {{seq: number, file: number}} picture */
export function showPicture(inbox, { client, open, thread }, { seq, file }) {
  const id = open();
  const key = `${seq}:${file}`;
  const pictures = id === null ? [] : picturesOf(client, id);
  if (id === null || !pictures.some((one) => one.key === key)) return;
  const opener = /** @type {HTMLElement|null} */ (document.activeElement);
  let { messages } = client.state.threads.get(id) ?? {};
  const stop = client.subscribe(() => {
    const loaded = client.state.threads.get(id)?.messages;
    if (loaded === messages) return;
    messages = loaded;
    const isGone = (/** @type {number} */ seq) => !!loaded?.some((one) => one.seq === seq && (one.deleted || one.hidden));
    box.update(picturesOf(client, id), isGone);
  });
  const box = new Lightbox(inbox, {
    pictures,
    key,
    left: (last) => {
      stop();
      const frame = last && frameOf(thread, last);
      const back = frame ?? (opener?.isConnected ? opener : thread.querySelector('.message-log'));
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
