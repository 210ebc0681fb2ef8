/**
 * Helpers for requests: which part of a thread is missing, whether it is still needed, and what takes several requests.
 *
 * @import {Changes, Command, Message} from './wire.js'
 * @import {State} from './state/state.js'
 */
import { Problem } from './problem.js';

/**
 * @typedef {'idle'|'loading'|'failed'|'missing'} Progress
 * @typedef {'before'|'after'|'place'} Side where of a thread messages are asked for: before or after those that are
 * held, or around a place, or at the end
 * @typedef {{before?: number, after?: number, around?: number}} Where
 */

const PAGES_MAX = 1_000;

/** Returns the `client_id`s of the user's own loaded messages in a conversation. @param {State} state
 * @param {number} conversation @returns {Set<string>} */
export function ownClientIds({ user, threads, conversations }, conversation) {
  const last = conversations.get(conversation)?.last_message;
  const messages = [...(threads.get(conversation)?.messages ?? []), ...(last ? [last] : [])];
  return new Set(messages.filter((one) => one.sender === user && one.client_id !== '').map((one) => one.client_id));
}

/** Loads all changes of a conversation. @param {(command: Command) => Promise<any>} request
 * @param {number} conversation @param {number} since @returns {Promise<Changes>} */
export async function loadChangesSince(request, conversation, since) {
  /** @type {Changes} */
  let whole = await request({ type: 'conversation.changes', conversation, since });
  for (let pages = 1; whole.more && pages < PAGES_MAX; pages += 1) {
    const page = await request({ type: 'conversation.changes', conversation, since: whole.version });
    whole = page.reset
      ? page
      : {
          ...page,
          since: whole.since,
          reset: whole.reset,
          messages: [...whole.messages, ...page.messages],
          users: [...whole.users, ...page.users],
          quoted: [...(whole.quoted ?? []), ...(page.quoted ?? [])],
        };
  }
  return whole;
}

/** @param {Where} where @returns {Side} */
export function sideOf({ before, after }) {
  if (before !== undefined) return 'before';
  return after === undefined ? 'place' : 'after';
}

/** Returns whether this part of a thread is still missing. @param {Where} where @param {Message[]} messages
 * @param {number|null} place to show, if not the end @returns {boolean} */
export function isStillNeeded({ before, after, around }, messages, place) {
  if (before !== undefined) return messages[0]?.seq === before;
  if (after !== undefined) return (messages.at(-1)?.seq ?? after) === after;
  return place === (around ?? null);
}

/** @param {unknown} error @returns {boolean} */
export function isNotFound(error) {
  return error instanceof Problem && error.status === 404;
}
