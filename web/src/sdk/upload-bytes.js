/**
 * The bytes of files that are being uploaded, stored in the browser so that an upload continues after a reload. One page
 * of the user owns the bytes of a file at a time.
 *
 * @import {BlobStore} from './blob-store.js'
 * @import {UploadTask} from './upload.js'
 */

export class UploadBytes {
  /** @param {{blobStore: BlobStore, changed: () => void, isCurrent: (task: UploadTask) => boolean}} parts `isCurrent`
   * tells whether the upload was not removed in the meantime */
  constructor({ blobStore, changed, isCurrent }) {
    this.blobStore = blobStore;
    this.changed = changed;
    this.isCurrent = isCurrent;
  }

  /** @param {UploadTask} task @param {Blob} file */
  async store(task, file) {
    task.kept = await this.blobStore.put(task.client_id, file);
    if (task.kept && (!this.isCurrent(task) || task.state === 'done')) this.delete(task);
    else if (task.state === 'refused') this.release(task);
  }

  /** Takes the stored bytes of a file, unless another page owns them. @param {UploadTask} task */
  async load(task) {
    const file = await this.blobStore.acquire(task.client_id);
    const elsewhere = file === 'elsewhere';
    Object.assign(task, { elsewhere, free: elsewhere, unread: file === 'unread' });
    if (elsewhere) task.begun = true;
    if (!(file instanceof Blob)) return;
    if (!this.isCurrent(task)) {
      this.delete(task);
      return;
    }
    task.kept = true;
    if (task.file) return;
    Object.assign(task, { file, bytes: file.size, known: false });
    if (file instanceof File) Object.assign(task, { name: task.name || file.name, media_type: file.type });
    this.changed();
  }

  /** Lets another page own the bytes. @param {UploadTask} task */
  release(task) {
    if (task.kept) task.free = true;
    this.blobStore.release(task.client_id);
  }

  /** Deletes the stored bytes, unless another page needs them. @param {UploadTask} task */
  delete(task) {
    if (task.handed) this.release(task);
    else this.blobStore.delete(task.client_id);
  }

  stop() {
    this.blobStore.stop();
  }
}
