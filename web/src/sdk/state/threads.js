/**
 * How inputs change the threads of a state. These functions modify the draft of `apply.js`, and return the version that
 * has to be fetched then, or null if everything loaded is true.
 *
 * @import {Changes, Conversation, Message, MessagePage, MessagePlace} from '../wire.js'
 * @import {State} from './state.js'
 */
import { historyFrom } from './conversations.js';
import { clearedUpTo, historyStart } from './settings.js';
import {
  emptyThread, hiddenCopy, hideMessage, merge, missingQuote, appendPage, prependPage, insertPage, dropBefore,
  trimWindow, HIDDEN_THREAD_MESSAGES_MAX, addQuoted, markQuoteMissing,
} from './messages.js';

/** Loaded threads; those opened longest ago are dropped. */
const THREADS_MAX = 30;
/** Hidden messages that are remembered per conversation. */
const HIDDEN_MAX = 1_000;

/** Returns the `seq` after which a thread lacks messages that its conversation has; null if it lacks none.
 * @param {State} state @param {number} id @returns {number|null} */
export function gapAfter(state, id) {
  const thread = state.threads.get(id);
  const conversation = state.conversations.get(id);
  if (!thread?.loaded || thread.moreAfter || !conversation) return null;
  const last = thread.messages.at(-1)?.seq ?? historyStart(state, conversation) - 1;
  return last < conversation.last_seq ? last : null;
}

/** Returns the `seq` of a quoted message that is not loaded; null if there is none. @param {State} state
 * @param {number} id @returns {number|null} */
export function missingQuoteIn(state, id) {
  const thread = state.threads.get(id);
  return thread?.loaded ? missingQuote(thread) : null;
}

/** @param {State} draft @param {number} id */
export function openThread(draft, id) {
  const thread = draft.threads.get(id);
  // The order of the map is the order of opening.
  draft.threads.delete(id);
  draft.threads.set(id, thread ? { ...thread, shown: true } : emptyThread(draft.conversations.get(id)?.version ?? 0));
  for (const [old, { shown }] of draft.threads) {
    if (draft.threads.size <= THREADS_MAX) break;
    if (!shown) draft.threads.delete(old);
  }
}

/** Keeps its newest messages for when it is opened again. @param {State} draft @param {number} id */
export function closeThread(draft, id) {
  const thread = draft.threads.get(id);
  if (!thread) return;
  // A gap is only closed while the thread is on the screen.
  if (!thread.loaded || thread.moreAfter || thread.ahead.length > 0 || gapAfter(draft, id) !== null) {
    draft.threads.delete(id);
    return;
  }
  const first = thread.messages.at(-HIDDEN_THREAD_MESSAGES_MAX)?.seq ?? 0;
  draft.threads.set(id, { ...trimWindow(thread, first, Infinity), shown: false });
}

/** @param {State} draft @param {{conversation: number, first: number, last: number}} input */
export function trimThread(draft, { conversation, first, last }) {
  const thread = draft.threads.get(conversation);
  if (thread) draft.threads.set(conversation, trimWindow(thread, first, last));
}

/** Drops all messages, since too many were hidden to be listed. @param {State} draft */
export function forgetMessages(draft) {
  for (const id of draft.threads.keys()) forgetThread(draft, id);
}

/** @param {State} draft @param {number} id */
function forgetThread(draft, id) {
  const thread = draft.threads.get(id);
  if (!thread) return;
  draft.threads.set(id, { ...emptyThread(draft.conversations.get(id)?.version ?? 0), shown: thread.shown });
}

/** @param {State} draft @param {{conversation: number, page: MessagePage, before?: number, after?: number}} input
 * @returns {number|null} */
export function applyPage(draft, input) {
  const thread = draft.threads.get(input.conversation);
  if (!thread) return null;
  const { messages, quoted } = input.page;
  const page = {
    ...input.page,
    messages: seen(draft, input.conversation, messages),
    quoted: seen(draft, input.conversation, quoted ?? []),
  };
  const put = input.before !== undefined ? prependPage : input.after !== undefined ? appendPage : insertPage;
  draft.threads.set(input.conversation, put(thread, page));
  return doubt(draft, input.conversation, page.version);
}

/** @param {State} draft @param {{conversation: number, seq: number, page: MessagePage|null}} input
 * @returns {number|null} */
export function applyQuoted(draft, { conversation, seq, page }) {
  const thread = draft.threads.get(conversation);
  if (!thread) return null;
  const message = page?.messages.find((one) => one.seq === seq);
  if (!page || !message) {
    draft.threads.set(conversation, markQuoteMissing(thread, seq));
    return null;
  }
  draft.threads.set(conversation, addQuoted(thread, seen(draft, conversation, [message])));
  return doubt(draft, conversation, page.version);
}

/** A page may be older than a change that arrived while its messages were not loaded. @param {State} draft
 * @param {number} id @param {number} version at which it is true @returns {number|null} */
function doubt(draft, id, version) {
  const thread = draft.threads.get(id);
  if (!thread || version >= thread.missed) return null;
  draft.threads.set(id, { ...thread, stale: Math.min(version, thread.stale ?? version) });
  return Math.max(thread.missed, draft.conversations.get(id)?.version ?? 0);
}

/** Prepares for a newer row of a conversation that comes without the changes of messages in between.
 * @param {State} draft @param {Conversation} conversation @returns {number|null} */
export function markThreadStale(draft, { id, version }) {
  const thread = draft.threads.get(id);
  const at = draft.conversations.get(id)?.version;
  if (!thread || at === version) return null;
  // Pages that are still loading may be older.
  const missed = Math.max(thread.missed, version);
  const stale = thread.loaded ? (thread.stale ?? at ?? 0) : thread.stale;
  draft.threads.set(id, { ...thread, missed, stale });
  return stale === null ? null : version;
}

/** Applies the changed messages of a conversation. @param {State} draft @param {Conversation} conversation
 * @param {Changes} changes @returns {number|null} */
export function applyChangedMessages(draft, conversation, changes) {
  const { id } = conversation;
  const thread = draft.threads.get(id);
  if (!thread) return null;
  const messages = seen(draft, id, changes.messages);
  const quoted = seen(draft, id, changes.quoted ?? []);
  if (changes.reset) {
    const from = historyStart(draft, conversation);
    const first = messages[0]?.seq ?? from;
    const page = { messages, quoted, previous: first > from ? first : null, next: null };
    const fresh = { ...emptyThread(thread.missed), shown: thread.shown, ahead: thread.ahead };
    draft.threads.set(id, insertPage(fresh, page));
  } else {
    draft.threads.set(id, addQuoted(merge(thread, messages), quoted));
  }
  const taken = /** @type {typeof thread} */ (draft.threads.get(id));
  const version = Math.max(draft.conversations.get(id)?.version ?? 0, taken.missed);
  const isTrue = changes.version >= version;
  const stale = isTrue || (taken.stale === null && !changes.reset) ? null : changes.version;
  draft.threads.set(id, { ...taken, stale });
  return stale === null ? null : version;
}

/** Applies a new beginning of the user's history: it may be later or, after they were added again, earlier.
 * @param {State} draft @param {Conversation} conversation @param {Conversation|undefined} current the previous copy */
export function applyHistoryStart(draft, conversation, current) {
  const thread = draft.threads.get(conversation.id);
  if (!thread) return;
  const from = historyStart(draft, conversation);
  if (current !== undefined && historyFrom(conversation, draft.user) < historyFrom(current, draft.user)) {
    // Messages that were not visible may be requested again.
    const quoted = new Map([...thread.quoted].filter(([, one]) => one !== null));
    const moreBefore = thread.moreBefore || (thread.messages[0]?.seq ?? 0) > from;
    draft.threads.set(conversation.id, { ...thread, quoted, moreBefore });
  } else if (from > 1) draft.threads.set(conversation.id, dropBefore(thread, from));
}

/** Drops what the user has cleared. Copies and pages from before may still have it. @param {State} draft @param {number} id
 * @param {number} seq */
export function dropCleared(draft, id, seq) {
  draft.hidden.set(id, { seqs: draft.hidden.get(id)?.seqs ?? new Set(), turn: draft.turn });
  const thread = draft.threads.get(id);
  if (thread) draft.threads.set(id, dropBefore(thread, seq + 1));
}

/** @param {State} draft @param {number} id @param {Message[]} messages */
export function putMessages(draft, id, messages) {
  const thread = draft.threads.get(id);
  if (thread && messages.length > 0) draft.threads.set(id, merge(thread, seen(draft, id, messages)));
}

/** Hides a message for the user. @param {State} draft @param {MessagePlace} place */
export function hideMessageAt(draft, { conversation, seq }) {
  const seqs = new Set(draft.hidden.get(conversation)?.seqs).add(seq);
  for (const old of seqs) {
    if (seqs.size <= HIDDEN_MAX) break;
    seqs.delete(old);
  }
  draft.hidden.set(conversation, { seqs, turn: draft.turn });
  const thread = draft.threads.get(conversation);
  if (thread) draft.threads.set(conversation, hideMessage(thread, seq));
}

/** Forgets that a message is hidden, and drops the messages of its conversation, so that they are fetched again.
 * @param {State} draft @param {MessagePlace} place */
export function unhideMessageAt(draft, { conversation, seq }) {
  const seqs = new Set(draft.hidden.get(conversation)?.seqs);
  seqs.delete(seq);
  draft.hidden.set(conversation, { seqs, turn: draft.turn });
  draft.unhidden.set(conversation, draft.turn);
  forgetThread(draft, conversation);
}

/** @param {State} draft @param {Message} message @returns {boolean} whether the user has hidden or cleared it */
export function isHidden(draft, { conversation, seq }) {
  return seq <= clearedUpTo(draft, conversation) || (draft.hidden.get(conversation)?.seqs.has(seq) ?? false);
}

/** Adds messages, as far as the user may see them. @param {State} draft @param {number} id @param {Message[]} messages
 * @returns {Message[]} */
function seen(draft, id, messages) {
  if (!draft.hidden.has(id)) return messages;
  const cleared = clearedUpTo(draft, id);
  return messages.filter((one) => one.seq > cleared).map((one) => (!one.hidden && isHidden(draft, one) ? hiddenCopy(one) : one));
}
