/** Files that this page has sent and shows from memory: the newest few dozen. Others are loaded from the server. */
const FILES_MAX = 48;

export class SentFiles {
  /** By the server's id. @type {Map<number, Blob>} */
  #files = new Map();

  /** @param {number} id @returns {Blob|undefined} */
  get(id) {
    return this.#files.get(id);
  }

  /** @param {number} id @param {Blob} file */
  add(id, file) {
    this.#files.set(id, file);
    for (const old of this.#files.keys()) {
      if (this.#files.size <= FILES_MAX) return;
      this.#files.delete(old);
    }
  }

  clear() {
    this.#files.clear();
  }
}
