/**
 * The messages of one thread: a window of `seq` without gaps, messages that arrived too early, and messages that those
 * in the window reply to. Pure.
 *
 * Invariants: of two copies of a message the one with the higher version counts; a message that is known to be hidden
 * never comes back. A window with `moreAfter` ends before the newest message, and new messages are not added to it.
 * `stale` is the version from which changes of messages have to be fetched, if the conversation's row is newer than its
 * messages. `missed` is the version of the last change of a message that was not loaded: an older page may not include
 * it.
 *
 * @import {Message} from '../wire.js'
 */

/**
 * @typedef {{
 *   messages: Message[], ahead: Message[], loaded: boolean, moreBefore: boolean, moreAfter: boolean,
 *   quoted: Map<number, Message|null>, stale: number|null, missed: number, shown: boolean,
 * }} Thread
 * @typedef {{messages: Message[], quoted?: Message[], previous: number|null, next: number|null}} Page
 */

/** Messages of a thread that is not on the screen. */
export const HIDDEN_THREAD_MESSAGES_MAX = 80;
/** Loaded messages that others reply to; more are loaded again when needed. */
const QUOTED_MAX = 300;

/** @param {number} version @returns {Thread} */
export function emptyThread(version) {
  return {
    messages: [], ahead: [], loaded: false, moreBefore: true, moreAfter: false, quoted: new Map(), stale: null,
    missed: version, shown: true,
  };
}

/** Returns the `seq` of the last message before a gap; 0 if there is none. @param {Thread} thread */
export function lastSeq(thread) {
  return thread.messages.at(-1)?.seq ?? 0;
}

/** @param {Thread} thread @returns {number} */
function firstSeq(thread) {
  return thread.messages[0]?.seq ?? Infinity;
}

/** Returns all messages that can be shown, in order. @param {Thread} thread @returns {Message[]} */
export function visibleMessages(thread) {
  return thread.ahead.length > 0 ? [...thread.messages, ...thread.ahead] : thread.messages;
}

/** Returns what is left of a message that the user hid. @param {Message} message @returns {Message} */
export function hiddenCopy({ id, conversation, seq, version, sender, client_id, created_at }) {
  return { id, conversation, seq, version, sender, client_id, text: '', hidden: true, created_at };
}

/** Returns the copy of a message to keep. @param {Message|null|undefined} current @param {Message} message
 * @returns {Message} */
export function newerCopy(current, message) {
  if (!current) return message;
  const newer = message.version > current.version ? message : current;
  return (current.hidden || message.hidden) && !newer.hidden ? hiddenCopy(newer) : newer;
}

/** Adds messages that may be repeated, changed, out of order or early. @param {Thread} thread
 * @param {Message[]} messages @returns {Thread} */
export function merge(thread, messages) {
  const joined = [...thread.messages];
  const quoted = new Map(thread.quoted);
  const ahead = new Map(thread.ahead.map((one) => [one.seq, one]));
  let { missed } = thread;
  for (const message of messages) {
    const { seq } = message;
    const isQuoted = quoted.has(seq);
    if (isQuoted) quoted.set(seq, newerCopy(quoted.get(seq), message));
    const at = seq - (joined[0]?.seq ?? seq + 1);
    if (joined[at]) joined[at] = newerCopy(joined[at], message);
    else if (!thread.loaded || (seq > (joined.at(-1)?.seq ?? 0) && !thread.moreAfter)) {
      ahead.set(seq, newerCopy(ahead.get(seq), message));
    } else if (message.version > message.id) missed = Math.max(missed, message.version);
  }
  const waiting = [...ahead.values()].sort((a, b) => a.seq - b.seq);
  const first = joined.length === 0;
  const next = () => waiting.length > 0
    && ((first && joined.length === 0) || waiting[0].seq === (joined.at(-1)?.seq ?? 0) + 1);
  while (thread.loaded && next()) joined.push(/** @type {Message} */ (waiting.shift()));
  // The first messages of an empty thread may have predecessors that arrive later.
  const moreBefore = thread.moreBefore || (first && joined.length > 0 && joined[0].seq > 1);
  return bounded({ ...thread, messages: joined, ahead: waiting, quoted, missed, moreBefore });
}

/** Limits threads that are not on the screen. @param {Thread} thread @returns {Thread} */
function bounded(thread) {
  if (thread.shown || thread.messages.length <= 2 * HIDDEN_THREAD_MESSAGES_MAX) return thread;
  return trimWindow(thread, thread.messages[thread.messages.length - HIDDEN_THREAD_MESSAGES_MAX].seq, Infinity);
}

/** Replaces the window by a page, and tries the early messages again. @param {Thread} thread @param {Page} page
 * @returns {Thread} */
function startWindow(thread, page) {
  const { ahead } = thread;
  const begun = {
    ...thread, messages: page.messages, ahead: [], loaded: true, moreBefore: page.previous !== null,
    moreAfter: page.next !== null,
  };
  // The loaded copies may be newer than the page.
  return merge(merge(begun, thread.messages.filter((one) => one.seq >= firstSeq(begun))), ahead);
}

/** Widens the window by a page that overlaps or touches it. @param {Thread} thread @param {Page} page
 * @returns {Thread} */
function widenWindow(thread, page) {
  const [first, last] = [firstSeq(thread), lastSeq(thread)];
  const before = page.messages.filter((one) => one.seq < first);
  const after = page.messages.filter((one) => one.seq > last);
  const wide = {
    ...thread,
    messages: [...before, ...thread.messages, ...after],
    moreBefore: before.length > 0 || page.messages[0]?.seq === first ? page.previous !== null : thread.moreBefore,
    moreAfter: after.length > 0 || page.messages.at(-1)?.seq === last ? page.next !== null : thread.moreAfter,
  };
  return merge({ ...wide, ahead: [] }, [...page.messages, ...thread.ahead]);
}

/** @param {Thread} thread @param {Page} page @returns {boolean} */
function touchesWindow(thread, page) {
  const [first, last] = [page.messages[0]?.seq, page.messages.at(-1)?.seq];
  if (!thread.loaded || thread.messages.length === 0 || first === undefined || last === undefined) return false;
  return first <= lastSeq(thread) + 1 && last >= firstSeq(thread) - 1;
}

/** Adds a page from anywhere, even the end: it starts a window, widens it, or replaces it if there is a gap in between.
 * @param {Thread} thread @param {Page} page @returns {Thread} */
export function insertPage(thread, page) {
  if (page.messages.length === 0) return thread.loaded ? thread : startWindow(thread, page);
  return addQuoted(touchesWindow(thread, page) ? widenWindow(thread, page) : startWindow(thread, page), page.quoted);
}

/** Adds a page of earlier messages. @param {Thread} thread @param {Page} page @returns {Thread} */
export function prependPage(thread, page) {
  const first = firstSeq(thread);
  if (first === Infinity) return thread;
  const earlier = page.messages.filter((one) => one.seq < first);
  const joins = earlier.length === 0 ? page.messages.length === 0 : earlier[earlier.length - 1].seq === first - 1;
  if (!joins) return thread;
  const wide = { ...thread, messages: [...earlier, ...thread.messages], moreBefore: page.previous !== null };
  return addQuoted(wide, page.quoted);
}

/** Adds a page of later messages. @param {Thread} thread @param {Page} page @returns {Thread} */
export function appendPage(thread, page) {
  const last = lastSeq(thread);
  const later = page.messages.filter((one) => one.seq > last);
  if (later.length === 0) return page.messages.length === 0 ? { ...thread, moreAfter: false } : thread;
  if (thread.messages.length > 0 && later[0].seq !== last + 1) return thread;
  const wide = { ...thread, messages: [...thread.messages, ...later], moreAfter: page.next !== null };
  return addQuoted(merge({ ...wide, ahead: [] }, thread.ahead), page.quoted);
}

/** @param {Thread} thread @param {Message[]} [messages] @returns {Thread} */
export function addQuoted(thread, messages = []) {
  if (messages.length === 0 && thread.quoted.size === 0) return thread;
  const quoted = new Map(thread.quoted);
  for (const message of messages) quoted.set(message.seq, newerCopy(quoted.get(message.seq), message));
  // Messages of the window are only stored there.
  const first = firstSeq(thread);
  for (const seq of quoted.keys()) if (thread.messages[seq - first]) quoted.delete(seq);
  return dropUnusedQuotes({ ...thread, quoted });
}

/** Marks a quoted message as not available, so that it is not requested again. @param {Thread} thread
 * @param {number} seq @returns {Thread} */
export function markQuoteMissing(thread, seq) {
  return thread.quoted.has(seq) ? thread : { ...thread, quoted: new Map(thread.quoted).set(seq, null) };
}

/** Drops quoted messages that the window does not need, if there are many. @param {Thread} thread @returns {Thread} */
function dropUnusedQuotes(thread) {
  if (thread.quoted.size <= QUOTED_MAX) return thread;
  const answered = new Set(thread.messages.map((one) => one.reply_to));
  return { ...thread, quoted: new Map([...thread.quoted].filter(([seq]) => answered.has(seq))) };
}

/** Returns a message of the window or a quoted one; null if it is not available, undefined if it is not loaded.
 * @param {Thread} thread @param {number} seq @returns {Message|null|undefined} */
export function messageAt(thread, seq) {
  return thread.messages[seq - firstSeq(thread)] ?? thread.quoted.get(seq)
    ?? (thread.quoted.has(seq) ? null : thread.ahead.find((one) => one.seq === seq));
}

/** Returns the first quoted message that is not loaded; null if there is none. @param {Thread} thread
 * @returns {number|null} */
export function missingQuote(thread) {
  for (const { reply_to: seq } of thread.messages) {
    if (seq !== undefined && messageAt(thread, seq) === undefined) return seq;
  }
  return null;
}

/** @param {Thread} thread @param {number} seq @returns {Thread} with one that I deleted for myself */
export function hideMessage(thread, seq) {
  const current = messageAt(thread, seq);
  return current ? merge(thread, [hiddenCopy(current)]) : thread;
}

/** Narrows the window. Quoted messages stay. @param {Thread} thread @param {number} first @param {number} last
 * @returns {Thread} */
export function trimWindow(thread, first, last) {
  const messages = thread.messages.filter((one) => one.seq >= first && one.seq <= last);
  if (messages.length === 0 || messages.length === thread.messages.length) return thread;
  const moreAfter = thread.moreAfter || messages[messages.length - 1].seq < lastSeq(thread);
  const answered = new Set(messages.map((one) => one.reply_to));
  const quoted = thread.messages.filter((one) => answered.has(one.seq));
  return addQuoted({
    ...thread,
    messages,
    ahead: moreAfter ? [] : thread.ahead,
    moreBefore: thread.moreBefore || messages[0].seq > firstSeq(thread),
    moreAfter,
  }, quoted);
}

/** Drops messages from before the user's history. @param {Thread} thread @param {number} from @returns {Thread} */
export function dropBefore(thread, from) {
  if (firstSeq(thread) >= from && thread.ahead.every((one) => one.seq >= from)) return thread;
  const messages = thread.messages.filter((one) => one.seq >= from);
  const ahead = thread.ahead.filter((one) => one.seq >= from);
  const quoted = new Map([...thread.quoted].filter(([seq]) => seq >= from));
  const moreBefore = thread.moreBefore && (messages[0]?.seq ?? from + 1) > from;
  return { ...thread, messages, ahead, quoted, moreBefore };
}
