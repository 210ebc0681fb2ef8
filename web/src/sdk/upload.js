/**
 * One file that is being uploaded, as this page knows it. Only `uploads.js` changes it.
 *
 * @import {Attachment} from './wire.js'
 * @import {UploadOutcome} from './outbox-item.js'
 */

/**
 * What is known of a file before the server has it.
 * @typedef {{
 *   client_id: string, name: string, bytes: number, media_type: string, width?: number, height?: number,
 * }} DraftFile
 * @typedef {{code: string, title: string, limit?: number}} Refusal
 * @typedef {'waiting'|'sending'|'looking'|'cut'|'done'|'refused'} FileState
 * @typedef {Readonly<DraftFile> & {
 *   readonly conversation: number, readonly state: FileState, readonly sent: number,
 *   readonly problem: Refusal|null, readonly attachment: Attachment|null, readonly file: Blob|null,
 * }} FileView
 */

/**
 * @typedef {DraftFile & {
 *   conversation: number, state: FileState, sent: number, problem: Refusal|null, attachment: Attachment|null,
 *   file: Blob|null, kept: boolean, elsewhere: boolean, unread: boolean, free: boolean, handed: boolean,
 *   taken: boolean, begun: boolean, known: boolean, faults: number, slice: number, received: number, noted: boolean,
 *   lastProgress: {received: number, at: number}|null, timer: unknown, stop: AbortController,
 * }} UploadTask
 * `kept`: its bytes outlive the page; `elsewhere`: another page has them; `unread`: they could not be read; `free`: this
 * page let them go, and asks for them before it sends them; `handed`: another page took it from the draft; `taken`: a
 * message has it; `begun`: the server may have some of it; `known`: it said how much, which is `received`; `slice`: how
 * much goes in one request; `noted`: a reload finds it; `lastProgress`: when what the server has last grew, while nothing is
 * sent from here.
 */

/** These refusals are checked again after a reload; others stay. */
const RECOVERABLE = ['file_gone', 'internal'];

/** A file with one of these can never be sent, whatever happens later. */
const UNSENDABLE = ['too_large', 'file_empty'];

/** A file of a message from before a reload, or of another page. */
const UNKNOWN = { conversation: 0, name: '', bytes: 0, media_type: '', file: null, taken: true, begun: true };

/** The server may have lost the file: it is asked, and the upload starts over if the bytes are available. */
export const RECHECK = {
  state: 'waiting', attachment: null, known: false, begun: true, kept: false, sent: 0, received: 0, faults: 0, lastProgress: null,
};

/** @param {DraftFile & Partial<UploadTask> & {conversation: number, file: Blob|null}} about @returns {UploadTask} */
export function createTask(about) {
  return {
    state: 'waiting', sent: 0, problem: null, attachment: null, kept: false, elsewhere: false, unread: false,
    free: false, handed: false, taken: false, begun: false, known: false, faults: 0, slice: Infinity, received: 0,
    noted: false, lastProgress: null, timer: null, stop: new AbortController(), ...about,
  };
}

/** @param {string} clientId @returns {UploadTask} */
export function createUnknownTask(clientId) {
  return createTask({ ...UNKNOWN, client_id: clientId });
}

/** Returns a file of a draft from before a reload. @param {DraftFile & {conversation: number, problem?: Refusal}} note
 * @returns {UploadTask} */
export function restoreTask({ problem, ...note }) {
  const refusal = problem && !RECOVERABLE.includes(problem.code) ? { problem, state: /** @type {const} */ ('refused'), free: true } : {};
  return createTask({ ...note, ...refusal, file: null, begun: true, noted: true });
}

/** Returns whether a file can never be sent, and so is no part of a draft. @param {{problem?: Refusal|null}} file
 * @returns {boolean} */
export function isUnsendable({ problem }) {
  return UNSENDABLE.includes(problem?.code ?? '');
}

/** Returns whether this page can send a file. @param {UploadTask} task @returns {boolean} */
export function hasBytes({ file, elsewhere }) {
  return file !== null && !elsewhere;
}

/** @param {UploadTask} task @returns {boolean} */
export function isPending({ state }) {
  return state !== 'done' && state !== 'refused';
}

/** Returns the outcome of the uploads of a message. @param {(UploadTask|undefined)[]} tasks
 * @returns {ReturnType<UploadOutcome>} */
export function outcomeOf(tasks) {
  const refused = tasks.find((one) => one?.state === 'refused');
  if (refused?.problem) return { failed: refused.problem };
  const ids = tasks.map((one) => one?.attachment?.id ?? 0);
  return ids.every((id) => id > 0) ? { ids } : { waits: true };
}

/** Reads the state again, since it may have changed in the meantime. @param {UploadTask} task @returns {boolean} */
export function isRefused({ state }) {
  return state === 'refused';
}

/** @param {string} clientId @returns {string} */
export function uploadPath(clientId) {
  return `/v1/uploads/${encodeURIComponent(clientId)}`;
}

/** Asks how much of a file the server has. @param {UploadTask} task */
export function statusRequest({ client_id: clientId }) {
  return { method: 'GET', path: uploadPath(clientId) };
}

/** Creates an upload with the first bytes of its file. @param {UploadTask} task @param {Blob} file */
export function createRequest({ client_id: clientId, name, bytes, slice }, file) {
  const about = new URLSearchParams({ client_id: clientId, name, bytes: String(bytes) });
  return { method: 'POST', path: `/v1/uploads?${about}`, body: slice < bytes ? file.slice(0, slice) : file };
}

/** Sends the next bytes of a file. @param {UploadTask} task @param {Blob} file */
export function appendRequest({ client_id: clientId, received, slice }, file) {
  const path = `${uploadPath(clientId)}?offset=${received}`;
  return { method: 'PATCH', path, body: file.slice(received, received + slice) };
}
