/**
 * What is said of a file before the server has it.
 *
 * @import {Attachment} from './wire.js'
 * @import {DraftFile, Refusal} from './upload.js'
 */

/** What is noted of a file of a draft. @param {DraftFile} job @returns {DraftFile} */
export function draftFileOf({ client_id, name, bytes, media_type, width, height }) {
  return { client_id, name, bytes, media_type, ...(width && height ? { width, height } : {}) };
}

/** What a message shows of it until the server has it. @param {DraftFile} job @returns {Attachment} */
export function attachmentOf({ name, bytes, media_type, width, height }) {
  return { id: 0, name, bytes, media_type, url: '', ...(width && height ? { width, height } : {}) };
}

/** Why the server would refuse a file. @param {number} bytes @param {number} before so many go with the same message
 * @param {{upload_bytes_max?: number, message_attachments_max?: number}} limits @returns {Refusal|null} */
export function refusalOf(bytes, before, { upload_bytes_max: bytesMax, message_attachments_max: filesMax }) {
  if (bytes === 0) return { code: 'file_empty', title: 'empty' };
  if (bytesMax && bytes > bytesMax) return { code: 'too_large', title: 'too large', limit: bytesMax };
  if (filesMax && before >= filesMax) return { code: 'too_many_files', title: 'too many', limit: filesMax };
  return null;
}

/** Whether the browser still can read it: files can be moved away. @param {Blob} file @returns {Promise<boolean>} */
export async function isReadable(file) {
  try {
    await file.slice(0, 1).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}
