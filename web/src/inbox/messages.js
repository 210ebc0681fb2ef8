/**
 * The messages of one thread: a run of `seq` without gaps, and what came too early. Pure.
 *
 * @import {Message} from '../sdk/wire.js'
 * @import {Thread} from './state.js'
 */

/** The `seq` of the last message that is held without a gap; 0 when there is none. @param {Thread} thread */
export function lastSeq(thread) {
  return thread.messages.at(-1)?.seq ?? 0;
}

/** All that can be shown, in order. @param {Thread} thread @returns {Message[]} */
export function shown(thread) {
  return thread.ahead.length > 0 ? [...thread.messages, ...thread.ahead] : thread.messages;
}

/** Takes messages that may repeat, be out of order, or be too early.
 * @param {Thread} thread @param {Message[]} messages @returns {Thread} */
export function merge(thread, messages) {
  const last = lastSeq(thread);
  const bySeq = new Map(thread.ahead.map((one) => [one.seq, one]));
  for (const message of messages) {
    if (message.seq > last) bySeq.set(message.seq, message);
  }
  const waiting = [...bySeq.values()].sort((a, b) => a.seq - b.seq);
  if (!thread.loaded) return { ...thread, ahead: waiting };
  const joined = [...thread.messages];
  const first = joined.length === 0;
  while (waiting.length > 0 && ((first && joined.length === 0) || waiting[0].seq === (joined.at(-1)?.seq ?? 0) + 1)) {
    joined.push(/** @type {Message} */ (waiting.shift()));
  }
  return { ...thread, messages: joined, ahead: waiting };
}

/** The newest page: it begins a thread; to one that has begun it adds, or takes its place if there is a gap between.
 * @param {Thread} thread @param {{messages: Message[], more_before: boolean}} page @returns {Thread} */
export function newest(thread, page) {
  const first = page.messages[0]?.seq;
  if (thread.loaded && thread.messages.length > 0 && first !== undefined && first <= lastSeq(thread) + 1) {
    return merge(thread, page.messages);
  }
  if (thread.loaded && first === undefined) return thread;
  const begun = { messages: page.messages, ahead: [], loaded: true, moreBefore: page.more_before };
  return merge(begun, thread.ahead);
}

/** A page of what came before. @param {Thread} thread @param {{messages: Message[], more_before: boolean}} page
 * @returns {Thread} */
export function older(thread, page) {
  const first = thread.messages[0]?.seq;
  if (first === undefined) return thread;
  const earlier = page.messages.filter((one) => one.seq < first);
  const joins = earlier.length === 0 ? page.messages.length === 0 : earlier[earlier.length - 1].seq === first - 1;
  if (!joins) return thread;
  return { ...thread, messages: [...earlier, ...thread.messages], moreBefore: page.more_before };
}

/** Without what lies before the beginning of one's history. @param {Thread} thread @param {number} from
 * @returns {Thread} */
export function since(thread, from) {
  const messages = thread.messages.filter((one) => one.seq >= from);
  const ahead = thread.ahead.filter((one) => one.seq >= from);
  const moreBefore = thread.moreBefore && (messages[0]?.seq ?? from + 1) > from;
  return { ...thread, messages, ahead, moreBefore };
}
