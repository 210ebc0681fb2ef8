/**
 * What is known of a file before the server has it.
 *
 * @import {UserStorage} from './storage.js'
 * @import {Attachment} from './wire.js'
 * @import {DraftFile, Refusal} from './upload.js'
 */

const PREFIX = 'file:';

/** @typedef {DraftFile & {conversation: number, problem?: Refusal}} StoredDraftFile */

/** Stores what is known of the files of drafts, so that they survive a reload. Their bytes are in the blob store. */
export class DraftFileStorage {
  /** @param {UserStorage} storage */
  constructor(storage) {
    this.storage = storage;
  }

  /** @returns {string[]} the `client_id`s of all stored files */
  ids() {
    return this.storage.names(PREFIX).map((name) => name.slice(PREFIX.length));
  }

  /** @param {string} clientId @returns {StoredDraftFile|null} */
  get(clientId) {
    return this.storage.get(PREFIX + clientId);
  }

  /** @param {StoredDraftFile} file @returns {boolean} whether it is stored */
  put(file) {
    return this.storage.set(PREFIX + file.client_id, file);
  }

  /** @param {string} clientId */
  remove(clientId) {
    this.storage.remove(PREFIX + clientId);
  }
}

/** Returns what is stored of a file of a draft. @param {DraftFile} task @returns {DraftFile} */
export function draftFileOf({ client_id, name, bytes, media_type, width, height }) {
  return { client_id, name, bytes, media_type, ...(width && height ? { width, height } : {}) };
}

/** Returns what a message shows of a file until the server has it. @param {DraftFile} task @returns {Attachment} */
export function attachmentOf({ name, bytes, media_type, width, height }) {
  return { id: 0, name, bytes, media_type, url: '', ...(width && height ? { width, height } : {}) };
}

/** Returns why the server would refuse a file. @param {number} bytes @param {number} before how many files the message
 * has already @param {{upload_bytes_max?: number, message_attachments_max?: number}} limits @returns {Refusal|null} */
export function refusalOf(bytes, before, { upload_bytes_max: bytesMax, message_attachments_max: filesMax }) {
  if (bytes === 0) return { code: 'file_empty', title: 'empty' };
  if (bytesMax && bytes > bytesMax) return { code: 'too_large', title: 'too large', limit: bytesMax };
  if (filesMax && before >= filesMax) return { code: 'too_many_files', title: 'too many', limit: filesMax };
  return null;
}

/** Returns whether the browser can still read a file: it may have been moved away. @param {Blob} file
 * @returns {Promise<boolean>} */
export async function isReadable(file) {
  try {
    await file.slice(0, 1).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}
