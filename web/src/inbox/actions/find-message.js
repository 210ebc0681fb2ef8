/**
 * Looks at a message that somebody wants to go to, before anything on the screen changes: whether it can be shown, and
 * if not, why. What is found on the way is taken, so that looking costs no second question; it is shown only while that
 * is still wished.
 *
 * @import {Client} from '../../sdk/client.js'
 * @import {Message, MessagePlace} from '../../sdk/wire.js'
 */
import { Problem } from '../../sdk/problem.js';
import { historyFrom } from '../../sdk/state/conversations.js';
import { messageAt } from '../../sdk/state/messages.js';

/**
 * `hidden`: I deleted it for myself; `before`: before the beginning of my history; `gone`: there is none; `left`: I am
 * not in the conversation; `lost`: the server did not say.
 * @typedef {'there'|'deleted'|'hidden'|'before'|'gone'|'left'|'lost'} Outcome
 */

/** @param {Client} client @param {MessagePlace} place @param {() => boolean} isWished when it is answered
 * @returns {Promise<Outcome>} */
export async function findMessage(client, { conversation, seq }, isWished) {
  const { state, user } = client;
  const row = state.conversations.get(conversation);
  if (row && seq < historyFrom(row, user)) return 'before';
  const thread = state.threads.get(conversation);
  const held = thread && messageAt(thread, seq);
  const known = held === null ? 'gone' : held ? judge(held) : 'there';
  if (known !== 'there' || thread?.messages.some((one) => one.seq === seq)) return known;
  try {
    const looked = await client.loadAround(conversation, seq);
    const { messages } = looked.page;
    const message = messages.find((one) => one.seq === seq);
    if (!message) return messages.length > 0 && messages[0].seq > seq ? 'before' : 'gone';
    const outcome = judge(message);
    client.applyPage(conversation, looked, outcome === 'there' && isWished());
    return outcome;
  } catch (error) {
    return error instanceof Problem && error.status === 404 ? 'left' : 'lost';
  }
}

/** @param {Message} message @returns {'there'|'deleted'|'hidden'} */
function judge({ deleted, hidden }) {
  if (hidden) return 'hidden';
  return deleted ? 'deleted' : 'there';
}
