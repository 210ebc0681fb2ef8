/**
 * What the browser keeps for one person, under keys that begin with the person. It is erased when the sign-in ends and
 * when somebody else signs in. Where nothing can be kept (private windows, full disks) it lasts as long as the page.
 */
const PREFIX = 'parlor:';

/** @typedef {Pick<globalThis.Storage, 'getItem'|'setItem'|'removeItem'|'key'|'length'>} Shelf */

/** A shelf that lasts as long as the page. @returns {Shelf} */
export function memoryShelf() {
  /** @type {Map<string, string>} */
  const kept = new Map();
  return {
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => void kept.set(key, value),
    removeItem: (key) => void kept.delete(key),
    key: (index) => [...kept.keys()][index] ?? null,
    get length() {
      return kept.size;
    },
  };
}

export class Keep {
  /** @param {Shelf} shelf @param {number} user */
  constructor(shelf, user) {
    this.shelf = shelf;
    this.prefix = `${PREFIX}${user}:`;
  }

  /** @param {string} name @returns {any} null when it is not there */
  get(name) {
    try {
      return JSON.parse(this.shelf.getItem(this.prefix + name) ?? 'null');
    } catch {
      return null;
    }
  }

  /** @param {string} name @param {unknown} value @returns {boolean} whether it was kept */
  set(name, value) {
    try {
      this.shelf.setItem(this.prefix + name, JSON.stringify(value));
      return true;
    } catch {
      return false;
    }
  }

  /** @param {string} name */
  remove(name) {
    this.shelf.removeItem(this.prefix + name);
  }

  /** The names that begin so. @param {string} beginning @returns {string[]} */
  names(beginning) {
    return keysOf(this.shelf)
      .filter((key) => key.startsWith(this.prefix + beginning))
      .map((key) => key.slice(this.prefix.length));
  }
}

/** Erases what was kept for everybody but one person. @param {Shelf} shelf @param {number} user */
export function eraseOthers(shelf, user) {
  for (const key of keysOf(shelf)) {
    if (key.startsWith(PREFIX) && !key.startsWith(`${PREFIX}${user}:`)) shelf.removeItem(key);
  }
}

/** Erases what was kept for one person. @param {Shelf} shelf @param {number} user */
export function eraseOf(shelf, user) {
  for (const key of keysOf(shelf)) {
    if (key.startsWith(`${PREFIX}${user}:`)) shelf.removeItem(key);
  }
}

/** Erases what was kept for anybody: nobody is signed in. @param {Shelf} shelf */
export function eraseAll(shelf) {
  for (const key of keysOf(shelf)) {
    if (key.startsWith(PREFIX)) shelf.removeItem(key);
  }
}

/** @param {Shelf} shelf @returns {string[]} */
function keysOf(shelf) {
  const keys = [];
  for (let index = 0; index < shelf.length; index += 1) keys.push(shelf.key(index) ?? '');
  return keys;
}
