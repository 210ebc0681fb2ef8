/**
 * Finds the first message of a conversation since a time. The server lists messages by their order alone, so the history
 * is halved until a page holds the rest: a dozen small requests among 100,000 messages.
 *
 * Messages of a host may be out of the order of their times; then the result is one of the places where the time is
 * crossed.
 *
 * @import {Where} from './queries.js'
 * @import {Message, MessagePage} from './wire.js'
 */

const PAGE_ROWS = 50;
/** How many pages of messages that cannot be shown are passed over. */
const PAGES_MAX = 4;

/** Returns the first message since a time that can be shown, or else one that was deleted; null if there is none, or the
 * user has given up. @param {{
 *   load: (where: Where & {limit: number}) => Promise<MessagePage>, first: number, last: number, time: number,
 *   isStillNeeded: () => boolean,
 * }} search `first` and `last` are the `seq`s of the user's history; `time` is in milliseconds
 * @returns {Promise<Message|null>} */
export async function firstSince({ load, first, last, time, isStillNeeded }) {
  const isBefore = (/** @type {Message} */ one) => Date.parse(one.created_at) < time;
  let [from, to] = [first, last + 1];
  while (to - from > PAGE_ROWS) {
    const middle = Math.floor((from + to) / 2);
    const { messages: [one] } = await load({ around: middle, limit: 1 });
    if (!one || !isStillNeeded()) return null;
    if (isBefore(one)) from = Math.max(one.seq, middle) + 1;
    // Nothing is left of what came before it.
    else if (one.seq > middle) [from, to] = [one.seq, one.seq];
    else to = one.seq;
  }
  /** @type {Message|null} */
  let second = null;
  for (let [after, passed] = [from - 1, 0]; passed < PAGES_MAX;) {
    const { messages, next } = await load({ after, limit: PAGE_ROWS });
    if (!isStillNeeded()) return null;
    const since = messages.filter((one) => !isBefore(one));
    const shown = since.find((one) => !one.deleted && !one.hidden);
    if (shown) return shown;
    second ??= since[0] ?? null;
    if (next === null) break;
    after = next;
    // A page may be shorter than requested, and end before the time is reached.
    if (since.length > 0) passed += 1;
  }
  return second;
}
