/**
 * Devices and tabs of one user who writes drafts, over a model of the server.
 */
import { ComposerDraft } from '../../src/inbox/thread/draft.js';
import { Drafts } from '../../src/sdk/drafts.js';
import { DraftSync } from '../../src/sdk/draft-sync.js';
import { NoAnswer, Problem } from '../../src/sdk/problem.js';
import { UserStorage, memoryStorage } from '../../src/sdk/storage.js';
import { manualClock } from './clock.js';
import { ModelServer } from './model-server.js';
import { deleteDraft, draftOf, saveDraft } from './model-drafts.js';

export const ME = 1;
export const REST_MS = 2_000;
export const RETRY_MS = 10_000;

/** The storage of a browser, which tells its tabs of changes when the test says so. */
export class Shelf {
  /** @type {Set<Drafts>} */
  tabs = new Set();
  #storage = memoryStorage();
  /** @type {Set<string>} */
  #changed = new Set();

  get length() {
    return this.#storage.length;
  }

  /** @param {number} index */
  key(index) {
    return this.#storage.key(index);
  }

  /** @param {string} key */
  getItem(key) {
    return this.#storage.getItem(key);
  }

  /** @param {string} key @param {string} value */
  setItem(key, value) {
    this.#storage.setItem(key, value);
    this.#changed.add(key);
  }

  /** @param {string} key */
  removeItem(key) {
    this.#storage.removeItem(key);
    this.#changed.add(key);
  }

  tell() {
    for (const key of this.#changed) for (const tab of this.tabs) tab.storageChanged(key);
    this.#changed.clear();
  }

  /** Returns the texts that are stored. */
  texts() {
    const storage = new UserStorage(this, ME);
    return storage.names('draft:').map((name) => storage.get(name).text);
  }
}

/** A server, and devices whose requests are answered when the test says so. */
export class World {
  server = new ModelServer(2);
  id = this.server.open('direct', ME, [2]);
  other = this.server.open('group', ME, [2]);
  clock = manualClock();
  count = 0;
  /** @type {(() => void)[]} */
  answers = [];
  online = true;
  /** Whether replies are lost once the server has done what was requested. */
  losing = false;
  /** Whether the user is no longer a member. */
  refused = false;
  /** Whether pages know what the server has. */
  current = true;
  /** What `restore` restores. */
  backup = { version: this.server.data.version, drafts: new Map(this.server.data.drafts) };

  /** Opens a device, which has the conversation on its screen; several on one shelf are tabs of one browser. */
  device(shelf = new Shelf(), session = new UserStorage(memoryStorage(), ME), sending = /** @type {number[]} */ ([])) {
    return new Device(this, shelf, session, sending);
  }

  /** @param {any} command */
  request(command) {
    return new Promise((resolve, reject) => {
      this.answers.push(() => {
        if (this.refused) {
          return reject(new Problem({ code: 'not_found', title: 'gone', status: 404, retryable: false }));
        }
        if (!this.online || command.type !== 'draft.save') return reject(new NoAnswer('offline'));
        const answer = saveDraft(this.server, ME, command.conversation, command.draft);
        if (this.losing) reject(new NoAnswer('lost'));
        else resolve(answer);
      });
    });
  }

  /** What a page knows of the server. */
  state() {
    const drafts = [this.id, this.other].map((id) => /** @type {const} */ ([id, draftOf(this.server, ME, id)]));
    return {
      me: this.current ? /** @type {any} */ ({ scope_version: this.server.data.version }) : null,
      drafts: new Map(this.current ? drafts.filter(([, draft]) => draft.version > 0) : []),
    };
  }

  async answer() {
    for (const answer of this.answers.splice(0)) answer();
    await new Promise((resolve) => setImmediate(resolve));
  }

  async rest() {
    await this.clock.advance(REST_MS);
    await this.answer();
    await this.clock.advance(1);
    await this.answer();
  }

  keep() {
    const { version, drafts } = this.server.data;
    this.backup = { version, drafts: new Map(drafts) };
  }

  /** Restores the server, and lets devices load everything again. What waits to be sent is sent before: it names versions
   * that the server gives again. @param {Device[]} devices */
  async restore(devices) {
    for (const device of devices) device.deliver();
    const { online } = this;
    this.online = false;
    await this.answer();
    this.online = online;
    this.current = false;
    for (const device of devices) device.sync.merge();
    this.server.data.version = this.backup.version;
    this.server.data.drafts = new Map(this.backup.drafts);
    this.current = true;
    for (const device of devices) device.sync.merge();
  }

  get saved() {
    return draftOf(this.server, ME, this.id).text;
  }
}

/** A page of the user. */
export class Device {
  #isOpen = true;

  /** @param {World} world @param {Shelf} shelf @param {UserStorage} session @param {number[]} sending the versions of the
   * drafts that wait there to be sent */
  constructor(world, shelf, session, sending) {
    this.world = world;
    this.shelf = shelf;
    this.session = session;
    this.sending = sending;
    this.drafts = new Drafts({
      storage: new UserStorage(shelf, ME), session, now: () => (world.count += 1), newId: () => `id-${(world.count += 1)}`,
    });
    this.sync = new DraftSync({
      clock: world.clock, drafts: this.drafts, changed: () => {}, isOpen: (id) => this.#isOpen && id === world.id,
      sending: () => Math.max(0, ...this.sending), isCurrent: () => world.current,
      request: (command) => world.request(command), state: () => world.state(),
    });
    this.composer = new ComposerDraft(this.drafts, this.sync);
    this.composer.open(world.id);
    shelf.tabs.add(this.drafts);
  }

  /** @param {string} text */
  type(text) {
    this.composer.write(this.world.id, { text });
  }

  text() {
    return this.drafts.of(this.world.id).text;
  }

  leave() {
    this.#isOpen = false;
    this.composer.close(this.world.id);
  }

  open() {
    this.composer.open(this.world.id);
    this.#isOpen = true;
  }

  isOpen() {
    return this.#isOpen;
  }

  taken() {
    return this.drafts.takenCount(this.world.id);
  }

  /** Sends what is written, without a connection. */
  queue() {
    // As the composer does it: the field is emptied first.
    this.type('');
    const { draft } = this.composer.take(this.world.id, null);
    if (draft !== undefined) this.sending.push(draft);
  }

  /** The server has what waited. */
  deliver() {
    for (const draft of this.sending.splice(0)) {
      this.world.server.next();
      deleteDraft(this.world.server, ME, this.world.id, draft);
    }
  }

  send() {
    const text = this.text();
    this.queue();
    this.deliver();
    return text;
  }

  shut() {
    this.sync.stop();
    this.shelf.tabs.delete(this.drafts);
  }

  /** Returns the page after a reload. @returns {Device} */
  reload() {
    this.shut();
    return new Device(this.world, this.shelf, this.session, this.sending);
  }
}
