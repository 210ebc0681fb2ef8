/** Files sent from this page that are shown from here: the newest few dozen. Others are shown as the server has them. */
const LOCAL_MAX = 48;

export class LocalFiles {
  /** By the server's id. @type {Map<number, Blob>} */
  #held = new Map();

  /** @param {number} id @returns {Blob|undefined} */
  get(id) {
    return this.#held.get(id);
  }

  /** @param {number} id @param {Blob} file */
  keep(id, file) {
    this.#held.set(id, file);
    for (const old of this.#held.keys()) {
      if (this.#held.size <= LOCAL_MAX) return;
      this.#held.delete(old);
    }
  }

  clear() {
    this.#held.clear();
  }
}
