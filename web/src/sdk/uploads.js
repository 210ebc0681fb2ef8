/**
 * Files on their way to the server, and there and not yet sent. It knows no DOM; time and the way to the server are
 * handed in.
 *
 * Invariants: a file goes on where the server says that it ends; a few go at once, in the order in which they were
 * added; what was cut off goes on by itself, what the server refused waits for the person. A file belongs to the draft
 * of its conversation until a message takes it (`take`), and to that message from then on.
 * Of what a draft has, a note lies in the browser, and the bytes of all that waits too, where they can be kept: after a
 * reload it goes on. Of what could not be kept the person is told that it has to be chosen again.
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

const UPLOADS_MAX = 2;
/** After a cut the rest goes in pieces, so that the next cut costs little; smaller ones where none of them arrives, for
 * the sake of proxies with a limit of their own. */
const SLICE_BYTES = 4 * 1024 * 1024;
const SLICE_BYTES_MIN = 256 * 1024;
const RETRY = { base: 500, most: 15_000 };
const PROGRESS_MS = 120;
/** A fault of the server's own may pass; after so many the person is asked. */
const INTERNAL_ERRORS_MAX = 3;
/** Another page of the person may be sending what is not at hand here. */
const STALLED_MS = 12_000;
const CHECK_MS = 2_000;
/** What another page has is asked for more and more rarely. */
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
   * }} parts `settled` is called when a file is there or refused; `isNoted`: the message that took it outlives the page */
  constructor({
    transport, clock, newId, storage, changed, onSettled, limits, blobStore = noBlobStore,
    isMessageStored = () => true,
  }) {
    this.blobStore = blobStore;
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

  /** Goes on with what was kept: the page has begun. */
  start() {
    this.#startNext();
  }

  /** The files of a draft. @param {number} conversation @returns {FileView[]} */
  draftFiles(conversation) {
    return [...this.#tasks.values()].filter((one) => one.conversation === conversation && !one.taken);
  }

  /** @param {string} clientId @returns {FileView|undefined} */
  get(clientId) {
    return this.#tasks.get(clientId);
  }

  /** Bytes that this page has, by the id of the file that they became. @param {number} id @returns {Blob|undefined} */
  localFile(id) {
    return this.#sentFiles.get(id);
  }

  /** Whether leaving the page would cut something off. @returns {boolean} */
  get blocksLeaving() {
    const outlives = (/** @type {UploadTask} */ one) => one.kept && (one.taken ? this.isMessageStored(one.client_id) : one.noted);
    return [...this.#tasks.values()].some((one) => one.file !== null && !outlives(one) && isPending(one));
  }

  /** @param {number} conversation @param {Blob} file @param {string} name @returns {string} its client id */
  add(conversation, file, name) {
    const about = { client_id: this.newId(), conversation, name, bytes: file.size, media_type: file.type, file };
    const job = this.#addTask(createTask(about));
    this.#checkLimits(job);
    this.#save(job);
    if (job.problem === null || job.problem.code === 'too_many_files') void this.#storeBytes(job, file);
    this.changed();
    this.#startNext();
    return job.client_id;
  }

  /** A picture's size, once the browser has looked at it. @param {string} clientId
   * @param {{width: number, height: number}} size */
  setSize(clientId, { width, height }) {
    const job = this.#tasks.get(clientId);
    if (!job) return;
    Object.assign(job, { width, height });
    this.#save(job);
    this.changed();
  }

  /** Tries at once what waits or was refused. @param {string} clientId */
  retry(clientId) {
    const job = this.#tasks.get(clientId);
    if (!job || job.state === 'done' || job.state === 'sending') return;
    this.#restart(job);
    this.#startNext();
  }

  /** The person wants it no more. @param {string} clientId */
  remove(clientId) {
    const job = this.#tasks.get(clientId);
    if (!job) return;
    this.#drop(job);
    if (job.begun) {
      // What is not heard of is collected by the server.
      this.transport({ method: 'DELETE', path: uploadPath(clientId), signal: new AbortController().signal }).catch(() => {});
    }
    this.#recheckLimits(job.conversation);
    this.changed();
    this.#startNext();
  }

  /** Hands the files of a draft to a message; those that were refused stay. @param {number} conversation
   * @returns {{uploads?: string[], attachments?: Attachment[]}} what the outbox is to be given */
  take(conversation) {
    this.#dropHandled();
    const good = [...this.#tasks.values()].filter((one) =>
      one.conversation === conversation && !one.taken && one.state !== 'refused');
    for (const job of good) {
      Object.assign(job, { taken: true, heard: null });
      this.#unsave(job);
    }
    this.#recheckLimits(conversation);
    this.#startNext();
    if (good.length === 0) return {};
    return { uploads: good.map((one) => one.client_id), attachments: good.map(attachmentOf) };
  }

  /** What a message gives back is of the draft again. @param {string[]} ids @param {number} conversation */
  returnToDraft(ids, conversation) {
    for (const id of ids) {
      const job = this.#tasks.get(id);
      if (!job) continue;
      Object.assign(job, { taken: false, conversation });
      this.#save(job);
    }
    this.changed();
  }

  /** What became of the files of a message: the outbox asks, and is told by `settled` when that changes.
   * @param {string[]} ids @returns {ReturnType<UploadOutcome>} */
  outcome(ids) {
    // From before a reload, or another page's: the server is asked.
    for (const id of ids) if (!this.#tasks.has(id)) this.#addTask(createUnknownTask(id));
    this.#startNext();
    return outcomeOf(ids.map((id) => this.#tasks.get(id)));
  }

  /** The server does not know some of them. @param {string[]} ids */
  recheck(ids) {
    for (const id of ids) Object.assign(this.#tasks.get(id) ?? {}, RECHECK);
  }

  /** A message has them. @param {number[]} ids of files */
  release(ids) {
    for (const job of this.#tasks.values()) {
      if (job.attachment && ids.includes(job.attachment.id)) this.#drop(job);
    }
  }

  /** The way to the server is open: what was cut off goes on now. */
  resume() {
    this.#dropHandled();
    for (const job of this.#tasks.values()) {
      if (job.state === 'cut' || (job.state === 'looking' && job.elsewhere)) this.#restart(job);
    }
    this.#startNext();
  }

  stop() {
    this.#stopped = true;
    this.blobStore.stop();
    this.#sentFiles.clear();
    revokeObjectUrls();
    this.clock.stop(this.#progressTimer);
    for (const job of this.#tasks.values()) {
      this.clock.stop(job.timer);
      job.stop.abort();
    }
  }

  /** @param {UploadTask} job @returns {UploadTask} */
  #addTask(job) {
    this.#tasks.set(job.client_id, job);
    return job;
  }

  /** Refuses what the server would refuse. @param {UploadTask} job */
  #checkLimits(job) {
    const before = this.draftFiles(job.conversation).filter((one) => one.state !== 'refused' && one !== job).length;
    const problem = refusalOf(job.bytes, before, this.limits());
    if (problem) this.#refuse(job, problem);
  }

  /** What was one too many may have its place now. @param {number} conversation */
  #recheckLimits(conversation) {
    for (const job of this.#tasks.values()) {
      if (job.conversation !== conversation || job.taken || job.problem?.code !== 'too_many_files') continue;
      Object.assign(job, { state: 'waiting', problem: null });
      this.#checkLimits(job);
      this.#save(job);
    }
  }

  #startNext() {
    if (this.#stopped) return;
    let free = UPLOADS_MAX - [...this.#tasks.values()].filter((one) => one.state === 'sending').length;
    for (const job of this.#tasks.values()) {
      if (free <= 0) return;
      if (job.state !== 'waiting') continue;
      free -= 1;
      job.state = 'sending';
      void this.#run(job);
    }
  }

  /** One file, until it is there or has to wait. @param {UploadTask} job */
  async #run(job) {
    try {
      for (;;) {
        const upload = await this.#requestNext(job);
        if (!upload || !this.#isCurrent(job)) return;
        if (upload.received > job.received) job.faults = 0;
        const { received } = upload;
        Object.assign(job, { sent: received, received, known: true, begun: true });
        if (upload.attachment) {
          this.#finish(job, upload.attachment);
          return;
        }
        if (!hasBytes(job) || upload.received >= job.bytes) {
          // Looked at just now, or sent by another page.
          this.#checkLater(job, upload.received);
          return;
        }
        this.#notifyProgress();
      }
    } catch (error) {
      if (this.#isCurrent(job) && !this.#stopped) await this.#handleError(job, error);
    } finally {
      this.#startNext();
    }
  }

  /** @param {UploadTask} job @param {Blob} file */
  async #storeBytes(job, file) {
    job.kept = await this.blobStore.put(job.client_id, file);
    if (job.kept && (!this.#isCurrent(job) || job.state === 'done')) this.#deleteBytes(job);
    else if (job.state === 'refused') this.#releaseBytes(job);
  }

  /** What was kept of a file, unless another page has it. @param {UploadTask} job */
  async #loadBytes(job) {
    const file = await this.blobStore.acquire(job.client_id);
    const elsewhere = file === 'elsewhere';
    Object.assign(job, { elsewhere, free: elsewhere, unread: file === 'unread' });
    if (elsewhere) job.begun = true;
    if (!(file instanceof Blob)) return;
    if (!this.#isCurrent(job)) {
      this.#deleteBytes(job);
      return;
    }
    job.kept = true;
    if (job.file) return;
    Object.assign(job, { file, bytes: file.size, known: false });
    if (file instanceof File) Object.assign(job, { name: job.name || file.name, media_type: file.type });
    this.changed();
  }

  /** Another page may have its bytes. @param {UploadTask} job */
  #releaseBytes(job) {
    if (job.kept) job.free = true;
    this.blobStore.release(job.client_id);
  }

  /** Its bytes are needed no more, unless another page needs them. @param {UploadTask} job */
  #deleteBytes(job) {
    if (job.handed) this.#releaseBytes(job);
    else this.blobStore.delete(job.client_id);
  }

  /** The next request of a file. @param {UploadTask} job @returns {Promise<Upload|null>} null when there is none now */
  async #requestNext(job) {
    if (!job.file || job.free) await this.#loadBytes(job);
    if (job.begun && (!job.known || !hasBytes(job))) {
      try {
        return await this.#request(job, statusRequest(job));
      } catch (error) {
        if (!(error instanceof Problem && error.status === 404)) throw error;
        if (!hasBytes(job)) {
          if (job.elsewhere || job.unread) this.#checkLater(job, 0);
          else this.#refuse(job, { code: 'file_gone', title: 'gone' });
          return null;
        }
      }
      Object.assign(job, { begun: false, sent: 0, received: 0 });
    }
    if (!job.file) return this.#request(job, statusRequest(job));
    if (!job.begun) {
      // From before a reload, it may be one too many.
      if (!job.taken) this.#checkLimits(job);
      if (isRefused(job)) return null;
      job.begun = true;
      return this.#request(job, createRequest(job, job.file));
    }
    if (job.received >= job.bytes) return this.#request(job, statusRequest(job));
    return this.#request(job, appendRequest(job, job.file));
  }

  /** @param {UploadTask} job @param {{method: string, path: string, body?: Blob}} load @returns {Promise<Upload>} */
  #request(job, load) {
    const from = job.received;
    return sendWithTimeout(this, load, job.stop.signal, (sent) => {
      job.sent = Math.min(job.bytes, from + sent);
      this.#notifyProgress();
    });
  }

  /** @param {UploadTask} job @param {unknown} error */
  async #handleError(job, error) {
    job.known = false;
    job.faults += 1;
    job.slice = job.faults === 1 ? Math.min(job.slice, SLICE_BYTES) : Math.max(SLICE_BYTES_MIN, job.slice / 2);
    const wrongPlace = error instanceof Problem && ['wrong_offset', 'upload_unfinished'].includes(error.code);
    const fault = error instanceof Problem && error.code === 'internal';
    const passes = canRetry(error) || ((fault || wrongPlace) && job.faults < INTERNAL_ERRORS_MAX);
    if (endsSession(error)) return;
    if (!passes) {
      const { code, message, limit } = error instanceof Problem ? error : { code: 'internal', message: '', limit: 0 };
      this.#refuse(job, { code, title: message, ...(limit ? { limit } : {}) });
    } else if (job.file && !(await isReadable(job.file))) {
      this.#refuse(job, { code: 'file_gone', title: 'gone' });
    } else if (this.#isCurrent(job)) {
      const told = error instanceof Problem ? error.retryAfterMs : undefined;
      this.#restartLater(job, told ?? backoffDelay(job.faults - 1, this.clock.random(), RETRY), 'cut');
    }
  }

  /** Looks again later, until nobody has sent anything of it for a while. @param {UploadTask} job @param {number} received */
  #checkLater(job, received) {
    const now = this.clock.now();
    if (!job.heard || received > job.heard.received) job.heard = { received, at: now };
    const silent = now - job.heard.at;
    if (job.elsewhere) this.#restartLater(job, Math.min(CHECK_MS_MAX, Math.max(CHECK_MS, silent)), 'looking');
    else if (silent < (job.file ? PROCESSING_MS_MAX : STALLED_MS)) this.#restartLater(job, CHECK_MS, 'looking');
    // What could not be read now may be there all the same.
    else if (job.unread) this.#refuse(job, { code: 'internal', title: 'it could not be read' });
    else this.#refuse(job, { code: 'file_gone', title: 'gone' });
  }

  /** Its place is free for another meanwhile. @param {UploadTask} job @param {number} milliseconds
   * @param {'looking'|'cut'} state */
  #restartLater(job, milliseconds, state) {
    job.state = state;
    this.clock.stop(job.timer);
    job.timer = this.clock.after(milliseconds, () => {
      this.#restart(job);
      this.#startNext();
    });
    this.changed();
  }

  /** @param {UploadTask} job */
  #restart(job) {
    this.clock.stop(job.timer);
    const { problem } = job;
    Object.assign(job, { state: 'waiting', problem: null, timer: null });
    if (!job.taken && !job.begun) this.#checkLimits(job);
    if (problem) this.#save(job);
    this.changed();
  }

  /** @param {UploadTask} job @param {Refusal} problem */
  #refuse(job, problem) {
    Object.assign(job, { state: 'refused', problem, faults: 0, heard: null });
    this.#releaseBytes(job);
    this.#save(job);
    this.changed();
    this.onSettled();
  }

  /** @param {UploadTask} job @param {Attachment} attachment */
  #finish(job, attachment) {
    const { name, bytes, media_type, width, height } = attachment;
    // Of one from before a reload nothing else is known.
    if (job.name === '') Object.assign(job, { name, bytes, media_type, width, height });
    Object.assign(job, { state: 'done', attachment, sent: job.bytes, problem: null });
    if (job.file && !this.#stopped) this.#sentFiles.add(attachment.id, job.file);
    this.blobStore.delete(job.client_id);
    this.#save(job);
    this.changed();
    this.onSettled();
  }

  /** @param {UploadTask} job @returns {boolean} */
  #isCurrent(job) {
    return this.#tasks.get(job.client_id) === job;
  }

  /** Progress is told now and then, not with every packet. */
  #notifyProgress() {
    this.#progressTimer ??= this.clock.after(PROGRESS_MS, () => {
      this.#progressTimer = null;
      this.changed();
    });
  }

  /** @param {UploadTask} job */
  #drop(job) {
    this.clock.stop(job.timer);
    job.stop.abort();
    this.#tasks.delete(job.client_id);
    // What is done was dropped then.
    if (job.state !== 'done') this.#deleteBytes(job);
    this.#unsave(job);
    this.changed();
  }

  /** Another page of this person has sent them, or does not want them. */
  #dropHandled() {
    for (const job of this.#tasks.values()) {
      if (job.taken || !this.#isHandledElsewhere(job)) continue;
      // Their bytes may be needed there.
      job.handed = true;
      this.#drop(job);
    }
  }

  /** Whether its note was removed by another page. @param {UploadTask} job @returns {boolean} */
  #isHandledElsewhere(job) {
    return job.noted && this.storage.get(job.client_id) === null;
  }

  /** @param {UploadTask} job */
  #save(job) {
    // What was kept may have been erased: the sign-in has ended.
    if (job.taken || this.#stopped || this.#isHandledElsewhere(job)) return;
    // What can never be sent is told of, and leaves nothing behind.
    if (isUnsendable(job)) {
      this.#unsave(job);
      return;
    }
    const { conversation, problem } = job;
    job.noted = this.storage.put({ ...draftFileOf(job), conversation, ...(problem ? { problem } : {}) });
  }

  /** @param {UploadTask} job */
  #unsave(job) {
    job.noted = false;
    this.storage.remove(job.client_id);
  }
}
