/**
 * What is said of a file before the server has it.
 *
 * @import {FileSketch} from './uploads.js'
 * @import {Attachment} from './wire.js'
 */

/** What is noted of a file of a draft. @param {FileSketch} job @returns {FileSketch} */
export function sketchOf({ client_id, name, bytes, media_type, width, height }) {
  return { client_id, name, bytes, media_type, ...(width && height ? { width, height } : {}) };
}

/** What a message shows of it until the server has it. @param {FileSketch} job @returns {Attachment} */
export function attachmentOf({ name, bytes, media_type, width, height }) {
  return { id: 0, name, bytes, media_type, url: '', ...(width && height ? { width, height } : {}) };
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
