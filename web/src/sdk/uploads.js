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
 * @import {Carry} from './upload-request.js'
 * @import {Clock} from './clock.js'
 * @import {Keep} from './storage.js'
 * @import {FileView, Job, Refusal} from './upload.js'
 * @import {Vault} from './blob-store.js'
 * @import {Attachment, Upload} from './wire.js'
 * @import {Finished} from './outbox-item.js'
 */
import { revokeAll } from './object-urls.js';
import { backOff } from './clock.js';
import { DOUBTFUL, hasBytes, isHopeless, isRefused, isUnderWay, jobOf, notedJob, outcomeOf, unknownJob } from './upload.js';
import { LocalFiles } from './sent-files.js';
import { LOOKING_MS, askPatiently } from './patience.js';
import { Problem, endsSession, mayRetry } from './problem.js';
import { attachmentOf, isReadable, refusalOf, sketchOf } from './draft-file.js';
import { noVault } from './blob-store.js';

const PARALLEL = 2;
/** After a cut the rest goes in pieces, so that the next cut costs little; smaller ones where none of them arrives, for
 * the sake of proxies with a limit of their own. */
const SLICE_BYTES = 4 * 1024 * 1024;
const SLICE_BYTES_MIN = 256 * 1024;
const RETRY = { base: 500, most: 15_000 };
const PROGRESS_MS = 120;
/** A fault of the server's own may pass; after so many the person is asked. */
const FAULTS_MAX = 3;
/** Another page of the person may be sending what is not at hand here. */
const SILENT_MS = 12_000;
const LOOK_MS = 2_000;
/** What another page has is asked for more and more rarely. */
const LOOK_MS_MAX = 30_000;

export class Uploads {
  /** @type {Map<string, Job>} */
  #jobs = new Map();
  #local = new LocalFiles();
  /** @type {unknown} */
  #telling = null;
  #stopped = false;

  /** @param {{
   *   carry: Carry, clock: Clock, newId: () => string, keep: Keep, changed: () => void, settled: () => void,
   *   limits: () => {upload_bytes_max?: number, message_attachments_max?: number}, vault?: Vault,
   *   isNoted?: (clientId: string) => boolean,
   * }} parts `settled` is called when a file is there or refused; `isNoted`: the message that took it outlives the page */
  constructor({ carry, clock, newId, keep, changed, settled, limits, vault = noVault, isNoted = () => true }) {
    this.vault = vault;
    this.isNoted = isNoted;
    this.carry = carry;
    this.clock = clock;
    this.newId = newId;
    this.keep = keep;
    this.changed = changed;
    this.settled = settled;
    this.limits = limits;
    for (const name of keep.names('file:')) {
      const note = keep.get(name);
      if (note) this.#put(notedJob(note));
    }
  }

  /** Goes on with what was kept: the page has begun. */
  start() {
    this.#pump();
  }

  /** The files of a draft. @param {number} conversation @returns {FileView[]} */
  draft(conversation) {
    return [...this.#jobs.values()].filter((one) => one.conversation === conversation && !one.taken);
  }

  /** @param {string} clientId @returns {FileView|undefined} */
  get(clientId) {
    return this.#jobs.get(clientId);
  }

  /** Bytes that this page has, by the id of the file that they became. @param {number} id @returns {Blob|undefined} */
  local(id) {
    return this.#local.get(id);
  }

  /** Whether leaving the page would cut something off. @returns {boolean} */
  get isBusy() {
    const outlives = (/** @type {Job} */ one) => one.kept && (one.taken ? this.isNoted(one.client_id) : one.noted);
    return [...this.#jobs.values()].some((one) => one.file !== null && !outlives(one) && isUnderWay(one));
  }

  /** @param {number} conversation @param {Blob} file @param {string} name @returns {string} its client id */
  add(conversation, file, name) {
    const about = { client_id: this.newId(), conversation, name, bytes: file.size, media_type: file.type, file };
    const job = this.#put(jobOf(about));
    this.#check(job);
    this.#note(job);
    if (job.problem === null || job.problem.code === 'too_many_files') void this.#keepBytes(job, file);
    this.changed();
    this.#pump();
    return job.client_id;
  }

  /** A picture's size, once the browser has looked at it. @param {string} clientId
   * @param {{width: number, height: number}} size */
  measured(clientId, { width, height }) {
    const job = this.#jobs.get(clientId);
    if (!job) return;
    Object.assign(job, { width, height });
    this.#note(job);
    this.changed();
  }

  /** Tries at once what waits or was refused. @param {string} clientId */
  retry(clientId) {
    const job = this.#jobs.get(clientId);
    if (!job || job.state === 'done' || job.state === 'sending') return;
    this.#again(job);
    this.#pump();
  }

  /** The person wants it no more. @param {string} clientId */
  remove(clientId) {
    const job = this.#jobs.get(clientId);
    if (!job) return;
    this.#drop(job);
    if (job.begun) {
      const path = `/v1/uploads/${encodeURIComponent(clientId)}`;
      // What is not heard of is collected by the server.
      this.carry({ method: 'DELETE', path, signal: new AbortController().signal }).catch(() => {});
    }
    this.#checkAll(job.conversation);
    this.changed();
    this.#pump();
  }

  /** Hands the files of a draft to a message; those that were refused stay. @param {number} conversation
   * @returns {{uploads?: string[], attachments?: Attachment[]}} what the outbox is to be given */
  take(conversation) {
    this.#dropTaken();
    const good = [...this.#jobs.values()].filter((one) =>
      one.conversation === conversation && !one.taken && one.state !== 'refused');
    for (const job of good) {
      Object.assign(job, { taken: true, heard: null });
      this.#forget(job);
    }
    this.#checkAll(conversation);
    this.#pump();
    if (good.length === 0) return {};
    return { uploads: good.map((one) => one.client_id), attachments: good.map(attachmentOf) };
  }

  /** What a message gives back is of the draft again. @param {string[]} ids @param {number} conversation */
  giveBack(ids, conversation) {
    for (const id of ids) {
      const job = this.#jobs.get(id);
      if (!job) continue;
      Object.assign(job, { taken: false, conversation });
      this.#note(job);
    }
    this.changed();
  }

  /** What became of the files of a message: the outbox asks, and is told by `settled` when that changes.
   * @param {string[]} ids @returns {ReturnType<Finished>} */
  finished(ids) {
    // From before a reload, or another page's: the server is asked.
    for (const id of ids) if (!this.#jobs.has(id)) this.#put(unknownJob(id));
    this.#pump();
    return outcomeOf(ids.map((id) => this.#jobs.get(id)));
  }

  /** The server does not know some of them. @param {string[]} ids */
  doubt(ids) {
    for (const id of ids) Object.assign(this.#jobs.get(id) ?? {}, DOUBTFUL);
  }

  /** A message has them. @param {number[]} ids of files */
  release(ids) {
    for (const job of this.#jobs.values()) {
      if (job.attachment && ids.includes(job.attachment.id)) this.#drop(job);
    }
  }

  /** The way to the server is open: what was cut off goes on now. */
  resume() {
    this.#dropTaken();
    for (const job of this.#jobs.values()) {
      if (job.state === 'cut' || (job.state === 'looking' && job.elsewhere)) this.#again(job);
    }
    this.#pump();
  }

  stop() {
    this.#stopped = true;
    this.vault.stop();
    this.#local.clear();
    revokeAll();
    this.clock.stop(this.#telling);
    for (const job of this.#jobs.values()) {
      this.clock.stop(job.timer);
      job.stop.abort();
    }
  }

  /** @param {Job} job @returns {Job} */
  #put(job) {
    this.#jobs.set(job.client_id, job);
    return job;
  }

  /** Refuses what the server would refuse. @param {Job} job */
  #check(job) {
    const before = this.draft(job.conversation).filter((one) => one.state !== 'refused' && one !== job).length;
    const problem = refusalOf(job.bytes, before, this.limits());
    if (problem) this.#refuse(job, problem);
  }

  /** What was one too many may have its place now. @param {number} conversation */
  #checkAll(conversation) {
    for (const job of this.#jobs.values()) {
      if (job.conversation !== conversation || job.taken || job.problem?.code !== 'too_many_files') continue;
      Object.assign(job, { state: 'waiting', problem: null });
      this.#check(job);
      this.#note(job);
    }
  }

  #pump() {
    if (this.#stopped) return;
    let free = PARALLEL - [...this.#jobs.values()].filter((one) => one.state === 'sending').length;
    for (const job of this.#jobs.values()) {
      if (free <= 0) return;
      if (job.state !== 'waiting') continue;
      free -= 1;
      job.state = 'sending';
      void this.#run(job);
    }
  }

  /** One file, until it is there or has to wait. @param {Job} job */
  async #run(job) {
    try {
      for (;;) {
        const upload = await this.#step(job);
        if (!upload || !this.#isThere(job)) return;
        if (upload.received > job.received) job.faults = 0;
        const { received } = upload;
        Object.assign(job, { sent: received, received, known: true, begun: true });
        if (upload.attachment) {
          this.#finish(job, upload.attachment);
          return;
        }
        if (!hasBytes(job) || upload.received >= job.bytes) {
          // Looked at just now, or sent by another page.
          this.#look(job, upload.received);
          return;
        }
        this.#tellSoon();
      }
    } catch (error) {
      if (this.#isThere(job) && !this.#stopped) await this.#failed(job, error);
    } finally {
      this.#pump();
    }
  }

  /** @param {Job} job @param {Blob} file */
  async #keepBytes(job, file) {
    job.kept = await this.vault.keep(job.client_id, file);
    if (job.kept && (!this.#isThere(job) || job.state === 'done')) this.#letGo(job);
    else if (job.state === 'refused') this.#free(job);
  }

  /** What was kept of a file, unless another page has it. @param {Job} job */
  async #takeKept(job) {
    const file = await this.vault.take(job.client_id);
    const elsewhere = file === 'elsewhere';
    Object.assign(job, { elsewhere, free: elsewhere, unread: file === 'unread' });
    if (elsewhere) job.begun = true;
    if (!(file instanceof Blob)) return;
    if (!this.#isThere(job)) {
      this.#letGo(job);
      return;
    }
    job.kept = true;
    if (job.file) return;
    Object.assign(job, { file, bytes: file.size, known: false });
    if (file instanceof File) Object.assign(job, { name: job.name || file.name, media_type: file.type });
    this.changed();
  }

  /** Another page may have its bytes. @param {Job} job */
  #free(job) {
    if (job.kept) job.free = true;
    this.vault.release(job.client_id);
  }

  /** Its bytes are needed no more, unless another page needs them. @param {Job} job */
  #letGo(job) {
    if (job.handed) this.#free(job);
    else this.vault.drop(job.client_id);
  }

  /** The next request of a file. @param {Job} job @returns {Promise<Upload|null>} null when there is none now */
  async #step(job) {
    if (!job.file || job.free) await this.#takeKept(job);
    const path = `/v1/uploads/${encodeURIComponent(job.client_id)}`;
    if (job.begun && (!job.known || !hasBytes(job))) {
      try {
        return await this.#ask(job, { method: 'GET', path });
      } catch (error) {
        if (!(error instanceof Problem && error.status === 404)) throw error;
        if (!hasBytes(job)) {
          if (job.elsewhere || job.unread) this.#look(job, 0);
          else this.#refuse(job, { code: 'file_gone', title: 'gone' });
          return null;
        }
      }
      Object.assign(job, { begun: false, sent: 0, received: 0 });
    }
    if (!job.file) return this.#ask(job, { method: 'GET', path });
    if (!job.begun) {
      // From before a reload, it may be one too many.
      if (!job.taken) this.#check(job);
      if (isRefused(job)) return null;
      job.begun = true;
      const about = new URLSearchParams({ client_id: job.client_id, name: job.name, bytes: String(job.bytes) });
      const body = job.slice < job.bytes ? job.file.slice(0, job.slice) : job.file;
      return this.#ask(job, { method: 'POST', path: `/v1/uploads?${about}`, body });
    }
    if (job.received >= job.bytes) return this.#ask(job, { method: 'GET', path });
    const body = job.file.slice(job.received, job.received + job.slice);
    return this.#ask(job, { method: 'PATCH', path: `${path}?offset=${job.received}`, body });
  }

  /** @param {Job} job @param {{method: string, path: string, body?: Blob}} load @returns {Promise<Upload>} */
  #ask(job, load) {
    const from = job.received;
    return askPatiently(this, load, job.stop.signal, (sent) => {
      job.sent = Math.min(job.bytes, from + sent);
      this.#tellSoon();
    });
  }

  /** @param {Job} job @param {unknown} error */
  async #failed(job, error) {
    job.known = false;
    job.faults += 1;
    job.slice = job.faults === 1 ? Math.min(job.slice, SLICE_BYTES) : Math.max(SLICE_BYTES_MIN, job.slice / 2);
    const wrongPlace = error instanceof Problem && ['wrong_offset', 'upload_unfinished'].includes(error.code);
    const fault = error instanceof Problem && error.code === 'internal';
    const passes = mayRetry(error) || ((fault || wrongPlace) && job.faults < FAULTS_MAX);
    if (endsSession(error)) return;
    if (!passes) {
      const { code, message, limit } = error instanceof Problem ? error : { code: 'internal', message: '', limit: 0 };
      this.#refuse(job, { code, title: message, ...(limit ? { limit } : {}) });
    } else if (job.file && !(await isReadable(job.file))) {
      this.#refuse(job, { code: 'file_gone', title: 'gone' });
    } else if (this.#isThere(job)) {
      const told = error instanceof Problem ? error.retryAfterMs : undefined;
      this.#later(job, told ?? backOff(job.faults - 1, this.clock.random(), RETRY), 'cut');
    }
  }

  /** Looks again later, until nobody has sent anything of it for a while. @param {Job} job @param {number} received */
  #look(job, received) {
    const now = this.clock.now();
    if (!job.heard || received > job.heard.received) job.heard = { received, at: now };
    const silent = now - job.heard.at;
    if (job.elsewhere) this.#later(job, Math.min(LOOK_MS_MAX, Math.max(LOOK_MS, silent)), 'looking');
    else if (silent < (job.file ? LOOKING_MS : SILENT_MS)) this.#later(job, LOOK_MS, 'looking');
    // What could not be read now may be there all the same.
    else if (job.unread) this.#refuse(job, { code: 'internal', title: 'it could not be read' });
    else this.#refuse(job, { code: 'file_gone', title: 'gone' });
  }

  /** Its place is free for another meanwhile. @param {Job} job @param {number} milliseconds
   * @param {'looking'|'cut'} state */
  #later(job, milliseconds, state) {
    job.state = state;
    this.clock.stop(job.timer);
    job.timer = this.clock.after(milliseconds, () => {
      this.#again(job);
      this.#pump();
    });
    this.changed();
  }

  /** @param {Job} job */
  #again(job) {
    this.clock.stop(job.timer);
    const { problem } = job;
    Object.assign(job, { state: 'waiting', problem: null, timer: null });
    if (!job.taken && !job.begun) this.#check(job);
    if (problem) this.#note(job);
    this.changed();
  }

  /** @param {Job} job @param {Refusal} problem */
  #refuse(job, problem) {
    Object.assign(job, { state: 'refused', problem, faults: 0, heard: null });
    this.#free(job);
    this.#note(job);
    this.changed();
    this.settled();
  }

  /** @param {Job} job @param {Attachment} attachment */
  #finish(job, attachment) {
    const { name, bytes, media_type, width, height } = attachment;
    // Of one from before a reload nothing else is known.
    if (job.name === '') Object.assign(job, { name, bytes, media_type, width, height });
    Object.assign(job, { state: 'done', attachment, sent: job.bytes, problem: null });
    if (job.file && !this.#stopped) this.#local.keep(attachment.id, job.file);
    this.vault.drop(job.client_id);
    this.#note(job);
    this.changed();
    this.settled();
  }

  /** @param {Job} job @returns {boolean} */
  #isThere(job) {
    return this.#jobs.get(job.client_id) === job;
  }

  /** Progress is told now and then, not with every packet. */
  #tellSoon() {
    this.#telling ??= this.clock.after(PROGRESS_MS, () => {
      this.#telling = null;
      this.changed();
    });
  }

  /** @param {Job} job */
  #drop(job) {
    this.clock.stop(job.timer);
    job.stop.abort();
    this.#jobs.delete(job.client_id);
    // What is done was dropped then.
    if (job.state !== 'done') this.#letGo(job);
    this.#forget(job);
    this.changed();
  }

  /** Another page of this person has sent them, or does not want them. */
  #dropTaken() {
    for (const job of this.#jobs.values()) {
      if (job.taken || !this.#isTakenAway(job)) continue;
      // Their bytes may be needed there.
      job.handed = true;
      this.#drop(job);
    }
  }

  /** Whether its note was removed by another page. @param {Job} job @returns {boolean} */
  #isTakenAway(job) {
    return job.noted && this.keep.get(`file:${job.client_id}`) === null;
  }

  /** @param {Job} job */
  #note(job) {
    // What was kept may have been erased: the sign-in has ended.
    if (job.taken || this.#stopped || this.#isTakenAway(job)) return;
    // What can never be sent is told of, and leaves nothing behind.
    if (isHopeless(job)) {
      this.#forget(job);
      return;
    }
    const { conversation, problem } = job;
    const note = { ...sketchOf(job), conversation, ...(problem ? { problem } : {}) };
    job.noted = this.keep.set(`file:${job.client_id}`, note);
  }

  /** @param {Job} job */
  #forget(job) {
    job.noted = false;
    this.keep.remove(`file:${job.client_id}`);
  }
}
