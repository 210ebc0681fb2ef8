/**
 * Files on their way to the server, and there and not yet sent. It knows no DOM; time and the way to the server are
 * handed in.
 *
 * Invariants: a file goes on where the server says that it ends; a few go at once, in the order in which they were
 * added; what was cut off goes on by itself, what the server refused waits for the person. A file belongs to the draft
 * of its conversation until a message takes it (`take`), and to that message from then on.
 * Of what a draft has, a note lies in the browser, so that a reload loses none in silence: what the server has whole is
 * there again, of the rest the person is told that it has to be chosen again.
 *
 * @import {Carry} from './carry.js'
 * @import {Clock} from './clock.js'
 * @import {Keep} from './storage.js'
 * @import {Attachment, Upload} from './wire.js'
 */
import { backOff } from './clock.js';
import { Problem, endsSession, mayRetry } from './problem.js';

/**
 * What is known of a file before the server has it; this much is kept with a message that waits.
 * @typedef {{
 *   client_id: string, name: string, bytes: number, media_type: string, width?: number, height?: number,
 * }} FileSketch
 * @typedef {{code: string, title: string, limit?: number}} Refusal
 * @typedef {'waiting'|'sending'|'looking'|'cut'|'done'|'refused'} FileState
 * @typedef {Readonly<FileSketch> & {
 *   readonly conversation: number, readonly state: FileState, readonly sent: number,
 *   readonly problem: Refusal|null, readonly attachment: Attachment|null, readonly file: Blob|null,
 * }} FileView
 * @typedef {FileSketch & {
 *   conversation: number, state: FileState, sent: number, problem: Refusal|null, attachment: Attachment|null,
 *   file: Blob|null, taken: boolean, begun: boolean, known: boolean, faults: number,
 *   heard: {received: number, at: number}|null, timer: unknown, stop: AbortController,
 * }} Job
 * `begun`: the server may have some of it; `known`: it said how much, which is `sent`; `heard`: when what it has last
 * grew, while nothing is sent from here.
 */

const PARALLEL = 2;
/** After a cut the rest goes in pieces, so that the next cut costs little. */
const SLICE_BYTES = 4 * 1024 * 1024;
const RETRY = { base: 500, most: 15_000 };
/** Without a byte for so long, the way is lost. */
const PATIENCE_MS = 30_000;
/** The server looks at a picture before it answers. */
const LOOKING_MS = 60_000;
const PROGRESS_MS = 120;
/** A fault of the server's own may pass; after so many the person is asked. */
const FAULTS_MAX = 3;
/** Another page of the person may be sending what is not at hand here. */
const SILENT_MS = 12_000;
const LOOK_MS = 2_000;

export class Uploads {
  /** @type {Map<string, Job>} */
  #jobs = new Map();
  /** @type {Set<() => void>} */
  #waiting = new Set();
  /** What was sent from this page, by the server's id. @type {Map<number, Blob>} */
  #local = new Map();
  /** @type {unknown} */
  #telling = null;
  #stopped = false;

  /** @param {{
   *   carry: Carry, clock: Clock, newId: () => string, keep: Keep, changed: () => void,
   *   limits: () => {upload_bytes_max?: number, message_attachments_max?: number},
   * }} parts */
  constructor({ carry, clock, newId, keep, changed, limits }) {
    this.carry = carry;
    this.clock = clock;
    this.newId = newId;
    this.keep = keep;
    this.changed = changed;
    this.limits = limits;
    for (const name of keep.names('file:')) {
      const note = keep.get(name);
      if (note) this.#put({ ...note, file: null, begun: true });
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
    return [...this.#jobs.values()].some((one) => one.file !== null && isUnderWay(one));
  }

  /** @param {number} conversation @param {Blob} file @param {string} name @returns {string} its client id */
  add(conversation, file, name) {
    const job = this.#put({
      client_id: this.newId(), conversation, name, bytes: file.size, media_type: file.type, file,
    });
    this.#check(job);
    this.#note(job);
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
   * @returns {FileSketch[]} */
  take(conversation) {
    const good = [...this.#jobs.values()].filter((one) =>
      one.conversation === conversation && !one.taken && one.state !== 'refused');
    for (const job of good) {
      job.taken = true;
      this.#forget(job);
    }
    this.#checkAll(conversation);
    this.#pump();
    return good.map(sketchOf);
  }

  /** The ids of files, once all of them are there; a `Problem` when one is refused.
   * @param {FileSketch[]} files @param {number} conversation @returns {Promise<number[]>} */
  ready(files, conversation) {
    for (const sketch of files) {
      const known = this.#jobs.get(sketch.client_id);
      if (!known) this.#put({ ...sketch, conversation, taken: true, file: null, begun: true });
      else if (known.state === 'refused') this.#again(known);
    }
    this.#pump();
    return new Promise((resolve, reject) => {
      const look = () => {
        const jobs = files.map((one) => this.#jobs.get(one.client_id));
        const bad = jobs.find((one) => !one || one.state === 'refused');
        if (jobs.some((one) => !one) || bad) reject(problemOf(bad?.problem ?? GIVEN_UP));
        else if (jobs.every((one) => one?.attachment)) resolve(jobs.map((one) => one?.attachment?.id ?? 0));
        else return;
        this.#waiting.delete(look);
      };
      this.#waiting.add(look);
      look();
    });
  }

  /** A message has them. @param {FileSketch[]} files */
  release(files) {
    for (const { client_id: clientId } of files) {
      const job = this.#jobs.get(clientId);
      if (job) this.#drop(job);
    }
  }

  /** The way to the server is open: what was cut off goes on now. */
  resume() {
    for (const job of this.#jobs.values()) if (job.state === 'cut') this.#again(job);
    this.#pump();
  }

  stop() {
    this.#stopped = true;
    this.clock.stop(this.#telling);
    for (const job of this.#jobs.values()) {
      this.clock.stop(job.timer);
      job.stop.abort();
    }
  }

  /** @param {FileSketch & Partial<Job> & {conversation: number, file: Blob|null}} about @returns {Job} */
  #put(about) {
    /** @type {Job} */
    const job = {
      state: 'waiting', sent: 0, problem: null, attachment: null, taken: false, begun: false, known: false, faults: 0,
      heard: null, timer: null, stop: new AbortController(), ...about,
    };
    this.#jobs.set(job.client_id, job);
    return job;
  }

  /** Refuses what the server would refuse. @param {Job} job */
  #check(job) {
    const { upload_bytes_max: bytesMax, message_attachments_max: filesMax } = this.limits();
    const before = this.draft(job.conversation).filter((one) => one.state !== 'refused' && one !== job).length;
    if (job.bytes === 0) this.#refuse(job, { code: 'file_empty', title: 'empty' });
    else if (bytesMax && job.bytes > bytesMax) {
      this.#refuse(job, { code: 'too_large', title: 'too large', limit: bytesMax });
    } else if (filesMax && before >= filesMax) {
      this.#refuse(job, { code: 'too_many_files', title: 'too many', limit: filesMax });
    }
  }

  /** What was one too many may have its place now. @param {number} conversation */
  #checkAll(conversation) {
    for (const job of this.#jobs.values()) {
      if (job.conversation !== conversation || job.taken || job.problem?.code !== 'too_many_files') continue;
      Object.assign(job, { state: 'waiting', problem: null });
      this.#check(job);
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
        job.faults = 0;
        Object.assign(job, { sent: upload.received, known: true, begun: true });
        if (upload.attachment) {
          this.#finish(job, upload.attachment);
          return;
        }
        if (!job.file || upload.received >= job.bytes) {
          // Looked at just now, or sent by another page.
          if (this.#isSilent(job, upload.received)) this.#refuse(job, { code: 'file_gone', title: 'gone' });
          else this.#later(job, LOOK_MS, 'looking');
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

  /** The next request of a file. @param {Job} job @returns {Promise<Upload|null>} null when it was refused */
  async #step(job) {
    const path = `/v1/uploads/${encodeURIComponent(job.client_id)}`;
    if (job.begun && !job.known) {
      try {
        return await this.#ask(job, { method: 'GET', path });
      } catch (error) {
        if (!(error instanceof Problem && error.status === 404)) throw error;
        if (!job.file) {
          this.#refuse(job, { code: 'file_gone', title: 'gone' });
          return null;
        }
      }
      Object.assign(job, { begun: false, sent: 0 });
    }
    if (!job.file) return this.#ask(job, { method: 'GET', path });
    if (!job.begun) {
      job.begun = true;
      const about = new URLSearchParams({ client_id: job.client_id, name: job.name, bytes: String(job.bytes) });
      return this.#ask(job, { method: 'POST', path: `/v1/uploads?${about}`, body: job.file });
    }
    if (job.sent >= job.bytes) return this.#ask(job, { method: 'GET', path });
    const body = job.file.slice(job.sent, job.sent + SLICE_BYTES);
    return this.#ask(job, { method: 'PATCH', path: `${path}?offset=${job.sent}`, body });
  }

  /** @param {Job} job @param {{method: string, path: string, body?: Blob}} load @returns {Promise<Upload>} */
  async #ask(job, load) {
    const from = job.sent;
    const cut = new AbortController();
    const giveUp = () => cut.abort();
    job.stop.signal.addEventListener('abort', giveUp);
    let timer = this.clock.after(PATIENCE_MS, giveUp);
    const onProgress = (/** @type {number} */ sent) => {
      this.clock.stop(timer);
      const whole = sent >= (load.body?.size ?? 0);
      timer = this.clock.after(whole ? LOOKING_MS : PATIENCE_MS, giveUp);
      job.sent = Math.min(job.bytes, from + sent);
      this.#tellSoon();
    };
    try {
      return await this.carry({ ...load, signal: cut.signal, onProgress });
    } finally {
      this.clock.stop(timer);
      job.stop.signal.removeEventListener('abort', giveUp);
    }
  }

  /** @param {Job} job @param {unknown} error */
  async #failed(job, error) {
    job.known = false;
    job.faults += 1;
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

  /** Whether nobody has sent anything of it for a while. @param {Job} job @param {number} received */
  #isSilent(job, received) {
    const now = this.clock.now();
    if (!job.heard || received > job.heard.received) job.heard = { received, at: now };
    return now - job.heard.at >= (job.file ? LOOKING_MS : SILENT_MS);
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
    this.#tell();
  }

  /** @param {Job} job */
  #again(job) {
    this.clock.stop(job.timer);
    Object.assign(job, { state: 'waiting', problem: null, timer: null });
    if (!job.taken && !job.begun) this.#check(job);
    this.#tell();
  }

  /** @param {Job} job @param {Refusal} problem */
  #refuse(job, problem) {
    Object.assign(job, { state: 'refused', problem, faults: 0, heard: null });
    this.#tell();
  }

  /** @param {Job} job @param {Attachment} attachment */
  #finish(job, attachment) {
    Object.assign(job, { state: 'done', attachment, sent: job.bytes, problem: null });
    if (job.file) this.#local.set(attachment.id, job.file);
    this.#note(job);
    this.#tell();
  }

  /** @param {Job} job @returns {boolean} */
  #isThere(job) {
    return this.#jobs.get(job.client_id) === job;
  }

  #tell() {
    for (const look of [...this.#waiting]) look();
    this.changed();
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
    this.#forget(job);
    this.#tell();
  }

  /** @param {Job} job */
  #note(job) {
    if (job.taken) return;
    this.keep.set(`file:${job.client_id}`, { ...sketchOf(job), conversation: job.conversation });
  }

  /** @param {Job} job */
  #forget(job) {
    this.keep.remove(`file:${job.client_id}`);
  }
}

const GIVEN_UP = { code: 'cancelled', title: 'given up' };

/** @param {Refusal} refusal @returns {Problem} */
function problemOf(refusal) {
  return new Problem({ ...refusal, status: 409, retryable: false });
}

/** @param {Job} job @returns {FileSketch} */
function sketchOf({ client_id, name, bytes, media_type, width, height }) {
  return { client_id, name, bytes, media_type, ...(width && height ? { width, height } : {}) };
}

/** @param {FileView} view @returns {boolean} */
export function isUnderWay({ state }) {
  return state !== 'done' && state !== 'refused';
}

/** Whether the browser still can read it: files can be moved away. @param {Blob} file @returns {Promise<boolean>} */
async function isReadable(file) {
  try {
    await file.slice(0, 1).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}
