/**
 * Files that are being uploaded, and uploaded files that are not yet sent. It does not know the DOM; time and the
 * transport are passed in.
 *
 * Invariants: an upload continues where the server says that it ends; a few run at once, in the order in which they
 * were added; an interrupted upload continues by itself, a refused one waits for the user. A file belongs to the draft
 * of its conversation until a message takes it (`take`), and to that message from then on.
 * What is known of a draft's files is stored in the browser, and so are the bytes of all waiting files, if possible:
 * after a reload they continue. The user is told which files could not be stored and have to be chosen again.
 *
 * @import {UploadTransport} from './upload-request.js'
 * @import {Clock} from './clock.js'
 * @import {UserStorage} from './storage.js'
 * @import {FileView, UploadTask, Refusal} from './upload.js'
 * @import {BlobStore} from './blob-store.js'
 * @import {Attachment, Upload} from './wire.js'
 * @import {UploadOutcome} from './outbox-item.js'
 */
import { revokeObjectUrls } from './object-urls.js';
import { backoffDelay } from './clock.js';
import {
  RECHECK, appendRequest, createRequest, statusRequest, uploadPath, hasBytes, isUnsendable, isRefused, isPending,
  createTask, restoreTask, outcomeOf, createUnknownTask,
} from './upload.js';
import { SentFiles } from './sent-files.js';
import { PROCESSING_MS_MAX, sendWithTimeout } from './upload-request.js';
import { Problem, endsSession, canRetry } from './problem.js';
import { DraftFileStorage, attachmentOf, isReadable, refusalOf, draftFileOf } from './draft-file.js';
import { noBlobStore } from './blob-store.js';
import { UploadBytes } from './upload-bytes.js';

const UPLOADS_MAX = 2;
/** After an interruption the rest is sent in pieces, so that the next one costs little. Pieces become smaller if none
 * of them arrives, for proxies with a size limit. */
const SLICE_BYTES = 4 * 1024 * 1024;
const SLICE_BYTES_MIN = 256 * 1024;
const RETRY = { base: 500, most: 15_000 };
const PROGRESS_MS = 120;
/** An internal error of the server may pass; after this many the user is asked. */
const INTERNAL_ERRORS_MAX = 3;
/** Another page of the user may be sending a file whose bytes are not available here. */
const STALLED_MS = 12_000;
const CHECK_MS = 2_000;
/** A file that another page owns is checked less and less often. */
const CHECK_MS_MAX = 30_000;

export class Uploads {
  /** @type {Map<string, UploadTask>} */
  #tasks = new Map();
  #sentFiles = new SentFiles();
  /** @type {unknown} */
  #progressTimer = null;
  #stopped = false;

  /** @param {{
   *   transport: UploadTransport, clock: Clock, newId: () => string, storage: UserStorage, changed: () => void, onSettled: () => void,
   *   limits: () => {upload_bytes_max?: number, message_attachments_max?: number}, blobStore?: BlobStore,
   *   isMessageStored?: (clientId: string) => boolean,
   * }} parts `onSettled` is called when a file is complete or refused; `isMessageStored` tells whether the message
   * with the file outlives the page */
  constructor({
    transport, clock, newId, storage, changed, onSettled, limits, blobStore = noBlobStore,
    isMessageStored = () => true,
  }) {
    this.bytes = new UploadBytes({ blobStore, changed, isCurrent: (task) => this.#isCurrent(task) });
    this.isMessageStored = isMessageStored;
    this.transport = transport;
    this.clock = clock;
    this.newId = newId;
    this.storage = new DraftFileStorage(storage);
    this.changed = changed;
    this.onSettled = onSettled;
    this.limits = limits;
    for (const id of this.storage.ids()) {
      const file = this.storage.get(id);
      if (file) this.#addTask(restoreTask(file));
    }
  }

  /** Continues the stored uploads, since the page has started. */
  start() {
    this.#startNext();
  }

  /** Returns the files of a draft. @param {number} conversation @returns {FileView[]} */
  draftFiles(conversation) {
    return [...this.#tasks.values()].filter((one) => one.conversation === conversation && !one.taken);
  }

  /** @param {string} clientId @returns {FileView|undefined} */
  get(clientId) {
    return this.#tasks.get(clientId);
  }

  /** Returns the bytes of a file that this page has uploaded, by the file's id. @param {number} id
   * @returns {Blob|undefined} */
  localFile(id) {
    return this.#sentFiles.get(id);
  }

  /** Whether leaving the page would interrupt an upload. @returns {boolean} */
  get blocksLeaving() {
    const outlives = (/** @type {UploadTask} */ one) => one.kept && (one.taken ? this.isMessageStored(one.client_id) : one.noted);
    return [...this.#tasks.values()].some((one) => one.file !== null && !outlives(one) && isPending(one));
  }

  /** @param {number} conversation @param {Blob} file @param {string} name @returns {string} its client id */
  add(conversation, file, name) {
    const about = { client_id: this.newId(), conversation, name, bytes: file.size, media_type: file.type, file };
    const task = this.#addTask(createTask(about));
    this.#checkLimits(task);
    this.#save(task);
    if (task.problem === null || task.problem.code === 'too_many_files') void this.bytes.store(task, file);
    this.changed();
    this.#startNext();
    return task.client_id;
  }

  /** Sets the size of a picture, once the browser has measured it. @param {string} clientId
   * @param {{width: number, height: number}} size */
  setSize(clientId, { width, height }) {
    const task = this.#tasks.get(clientId);
    if (!task) return;
    Object.assign(task, { width, height });
    this.#save(task);
    this.changed();
  }

  /** Retries a waiting or refused upload at once. @param {string} clientId */
  retry(clientId) {
    const task = this.#tasks.get(clientId);
    if (!task || task.state === 'done' || task.state === 'sending') return;
    this.#restart(task);
    this.#startNext();
  }

  /** Removes an upload that the user does not want. @param {string} clientId */
  remove(clientId) {
    const task = this.#tasks.get(clientId);
    if (!task) return;
    this.#drop(task);
    if (task.begun) {
      // The server cleans up what this does not reach.
      this.transport({ method: 'DELETE', path: uploadPath(clientId), signal: new AbortController().signal }).catch(() => {});
    }
    this.#recheckLimits(task.conversation);
    this.changed();
    this.#startNext();
  }

  /** Hands the files of a draft to a message; refused ones stay. @param {number} conversation
   * @returns {{uploads?: string[], attachments?: Attachment[]}} for the outbox */
  take(conversation) {
    this.#dropHandled();
    const good = [...this.#tasks.values()].filter((one) =>
      one.conversation === conversation && !one.taken && one.state !== 'refused');
    for (const task of good) {
      Object.assign(task, { taken: true, lastProgress: null });
      this.#unsave(task);
    }
    this.#recheckLimits(conversation);
    this.#startNext();
    if (good.length === 0) return {};
    return { uploads: good.map((one) => one.client_id), attachments: good.map(attachmentOf) };
  }

  /** Returns files of a message to the draft. @param {string[]} ids @param {number} conversation */
  returnToDraft(ids, conversation) {
    for (const id of ids) {
      const task = this.#tasks.get(id);
      if (!task) continue;
      Object.assign(task, { taken: false, conversation });
      this.#save(task);
    }
    this.changed();
  }

  /** Returns the outcome of the uploads of a message. `onSettled` is called when it changes. @param {string[]} ids
   * @returns {ReturnType<UploadOutcome>} */
  outcome(ids) {
    // Files from before a reload or of another page: the server is asked.
    for (const id of ids) if (!this.#tasks.has(id)) this.#addTask(createUnknownTask(id));
    this.#startNext();
    return outcomeOf(ids.map((id) => this.#tasks.get(id)));
  }

  /** Checks files again that the server does not know. @param {string[]} ids */
  recheck(ids) {
    for (const id of ids) Object.assign(this.#tasks.get(id) ?? {}, RECHECK);
  }

  /** Drops files that a message has taken. @param {number[]} ids of the files */
  release(ids) {
    for (const task of this.#tasks.values()) {
      if (task.attachment && ids.includes(task.attachment.id)) this.#drop(task);
    }
  }

  /** Continues interrupted uploads, since the connection is back. */
  resume() {
    this.#dropHandled();
    for (const task of this.#tasks.values()) {
      if (task.state === 'cut' || (task.state === 'looking' && task.elsewhere)) this.#restart(task);
    }
    this.#startNext();
  }

  stop() {
    this.#stopped = true;
    this.bytes.stop();
    this.#sentFiles.clear();
    revokeObjectUrls();
    this.clock.stop(this.#progressTimer);
    for (const task of this.#tasks.values()) {
      this.clock.stop(task.timer);
      task.stop.abort();
    }
  }

  /** @param {UploadTask} task @returns {UploadTask} */
  #addTask(task) {
    this.#tasks.set(task.client_id, task);
    return task;
  }

  /** Refuses a file that the server would refuse. @param {UploadTask} task */
  #checkLimits(task) {
    const before = this.draftFiles(task.conversation).filter((one) => one.state !== 'refused' && one !== task).length;
    const problem = refusalOf(task.bytes, before, this.limits());
    if (problem) this.#refuse(task, problem);
  }

  /** Accepts files that were one too many, if there is room now. @param {number} conversation */
  #recheckLimits(conversation) {
    for (const task of this.#tasks.values()) {
      if (task.conversation !== conversation || task.taken || task.problem?.code !== 'too_many_files') continue;
      Object.assign(task, { state: 'waiting', problem: null });
      this.#checkLimits(task);
      this.#save(task);
    }
  }

  #startNext() {
    if (this.#stopped) return;
    let free = UPLOADS_MAX - [...this.#tasks.values()].filter((one) => one.state === 'sending').length;
    for (const task of this.#tasks.values()) {
      if (free <= 0) return;
      if (task.state !== 'waiting') continue;
      free -= 1;
      task.state = 'sending';
      void this.#run(task);
    }
  }

  /** Runs one upload until it is complete or has to wait. @param {UploadTask} task */
  async #run(task) {
    try {
      for (;;) {
        const upload = await this.#requestNext(task);
        if (!upload || !this.#isCurrent(task)) return;
        if (upload.received > task.received) task.faults = 0;
        const { received } = upload;
        Object.assign(task, { sent: received, received, known: true, begun: true });
        if (upload.attachment) {
          this.#finish(task, upload.attachment);
          return;
        }
        if (!hasBytes(task) || upload.received >= task.bytes) {
          // The server inspects it, or another page sends it.
          this.#checkLater(task, upload.received);
          return;
        }
        this.#notifyProgress();
      }
    } catch (error) {
      if (this.#isCurrent(task) && !this.#stopped) await this.#handleError(task, error);
    } finally {
      this.#startNext();
    }
  }

  /** Sends the next request of an upload. @param {UploadTask} task @returns {Promise<Upload|null>} null if there is none
   * now */
  async #requestNext(task) {
    if (!task.file || task.free) await this.bytes.load(task);
    if (task.begun && (!task.known || !hasBytes(task))) {
      try {
        return await this.#request(task, statusRequest(task));
      } catch (error) {
        if (!(error instanceof Problem && error.status === 404)) throw error;
        if (!hasBytes(task)) {
          if (task.elsewhere || task.unread) this.#checkLater(task, 0);
          else this.#refuse(task, { code: 'file_gone', title: 'gone' });
          return null;
        }
      }
      Object.assign(task, { begun: false, sent: 0, received: 0 });
    }
    if (!task.file) return this.#request(task, statusRequest(task));
    if (!task.begun) {
      // After a reload it may be one too many.
      if (!task.taken) this.#checkLimits(task);
      if (isRefused(task)) return null;
      task.begun = true;
      return this.#request(task, createRequest(task, task.file));
    }
    if (task.received >= task.bytes) return this.#request(task, statusRequest(task));
    return this.#request(task, appendRequest(task, task.file));
  }

  /** @param {UploadTask} task @param {{method: string, path: string, body?: Blob}} load @returns {Promise<Upload>} */
  #request(task, load) {
    const from = task.received;
    return sendWithTimeout(this, load, task.stop.signal, (sent) => {
      task.sent = Math.min(task.bytes, from + sent);
      this.#notifyProgress();
    });
  }

  /** @param {UploadTask} task @param {unknown} error */
  async #handleError(task, error) {
    task.known = false;
    task.faults += 1;
    task.slice = task.faults === 1 ? Math.min(task.slice, SLICE_BYTES) : Math.max(SLICE_BYTES_MIN, task.slice / 2);
    const wrongPlace = error instanceof Problem && ['wrong_offset', 'upload_unfinished'].includes(error.code);
    const fault = error instanceof Problem && error.code === 'internal';
    const passes = canRetry(error) || ((fault || wrongPlace) && task.faults < INTERNAL_ERRORS_MAX);
    if (endsSession(error)) return;
    if (!passes) {
      const { code, message, limit } = error instanceof Problem ? error : { code: 'internal', message: '', limit: 0 };
      this.#refuse(task, { code, title: message, ...(limit ? { limit } : {}) });
    } else if (task.file && !(await isReadable(task.file))) {
      this.#refuse(task, { code: 'file_gone', title: 'gone' });
    } else if (this.#isCurrent(task)) {
      const retryAfterMs = error instanceof Problem ? error.retryAfterMs : undefined;
      this.#restartLater(task, retryAfterMs ?? backoffDelay(task.faults - 1, this.clock.random(), RETRY), 'cut');
    }
  }

  /** Checks again later, until nobody has sent any of it for a while. @param {UploadTask} task
   * @param {number} received */
  #checkLater(task, received) {
    const now = this.clock.now();
    if (!task.lastProgress || received > task.lastProgress.received) task.lastProgress = { received, at: now };
    const silent = now - task.lastProgress.at;
    if (task.elsewhere) this.#restartLater(task, Math.min(CHECK_MS_MAX, Math.max(CHECK_MS, silent)), 'looking');
    else if (silent < (task.file ? PROCESSING_MS_MAX : STALLED_MS)) this.#restartLater(task, CHECK_MS, 'looking');
    // Bytes that cannot be read now may still be there.
    else if (task.unread) this.#refuse(task, { code: 'internal', title: 'it could not be read' });
    else this.#refuse(task, { code: 'file_gone', title: 'gone' });
  }

  /** Restarts an upload after a delay; others may run in the meantime. @param {UploadTask} task
   * @param {number} milliseconds @param {'looking'|'cut'} state */
  #restartLater(task, milliseconds, state) {
    task.state = state;
    this.clock.stop(task.timer);
    task.timer = this.clock.after(milliseconds, () => {
      this.#restart(task);
      this.#startNext();
    });
    this.changed();
  }

  /** @param {UploadTask} task */
  #restart(task) {
    this.clock.stop(task.timer);
    const { problem } = task;
    Object.assign(task, { state: 'waiting', problem: null, timer: null });
    if (!task.taken && !task.begun) this.#checkLimits(task);
    if (problem) this.#save(task);
    this.changed();
  }

  /** @param {UploadTask} task @param {Refusal} problem */
  #refuse(task, problem) {
    Object.assign(task, { state: 'refused', problem, faults: 0, lastProgress: null });
    this.bytes.release(task);
    this.#save(task);
    this.changed();
    this.onSettled();
  }

  /** @param {UploadTask} task @param {Attachment} attachment */
  #finish(task, attachment) {
    const { name, bytes, media_type, width, height } = attachment;
    // Nothing else is known of a file from before a reload.
    if (task.name === '') Object.assign(task, { name, bytes, media_type, width, height });
    Object.assign(task, { state: 'done', attachment, sent: task.bytes, problem: null });
    if (task.file && !this.#stopped) this.#sentFiles.add(attachment.id, task.file);
    this.bytes.delete(task);
    this.#save(task);
    this.changed();
    this.onSettled();
  }

  /** @param {UploadTask} task @returns {boolean} */
  #isCurrent(task) {
    return this.#tasks.get(task.client_id) === task;
  }

  /** Progress is reported at intervals, not with every packet. */
  #notifyProgress() {
    this.#progressTimer ??= this.clock.after(PROGRESS_MS, () => {
      this.#progressTimer = null;
      this.changed();
    });
  }

  /** @param {UploadTask} task */
  #drop(task) {
    this.clock.stop(task.timer);
    task.stop.abort();
    this.#tasks.delete(task.client_id);
    // The bytes of a complete upload are deleted already.
    if (task.state !== 'done') this.bytes.delete(task);
    this.#unsave(task);
    this.changed();
  }

  /** Drops files that another page of this user has sent or removed. */
  #dropHandled() {
    for (const task of this.#tasks.values()) {
      if (task.taken || !this.#isHandledElsewhere(task)) continue;
      // The other page may need the bytes.
      task.handed = true;
      this.#drop(task);
    }
  }

  /** Returns whether another page has removed the stored file. @param {UploadTask} task @returns {boolean} */
  #isHandledElsewhere(task) {
    return task.noted && this.storage.get(task.client_id) === null;
  }

  /** @param {UploadTask} task */
  #save(task) {
    // The storage may have been erased: the session has ended.
    if (task.taken || this.#stopped || this.#isHandledElsewhere(task)) return;
    // A file that can never be sent is reported, and not stored.
    if (isUnsendable(task)) {
      this.#unsave(task);
      return;
    }
    const { conversation, problem } = task;
    task.noted = this.storage.put({ ...draftFileOf(task), conversation, ...(problem ? { problem } : {}) });
  }

  /** @param {UploadTask} task */
  #unsave(task) {
    task.noted = false;
    this.storage.remove(task.client_id);
  }
}
