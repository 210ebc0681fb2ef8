/**
 * Loads a message that the user wants to see, before anything on the screen changes, and finds out whether it can be
 * shown, and if not, why. The loaded page is kept, so that no second request is needed; it is shown only if the user
 * still wants to see it.
 *
 * @import {Client} from '../../sdk/client.js'
 * @import {Message, MessagePlace} from '../../sdk/wire.js'
 */
import { Problem } from '../../sdk/problem.js';
import { historyFrom } from '../../sdk/state/conversations.js';
import { clearedUpTo } from '../../sdk/state/settings.js';
import { messageAt } from '../../sdk/state/messages.js';

/**
 * `hidden`: the user hid it; `before`: it is from before their history; `gone`: there is none; `left`: they are not in
 * the conversation; `lost`: the server did not answer.
 * @typedef {'there'|'deleted'|'hidden'|'before'|'gone'|'left'|'lost'} Outcome
 */

/** @param {Client} client @param {MessagePlace} place @param {() => boolean} isStillNeeded when it is answered
 * @returns {Promise<Outcome>} */
export async function findMessage(client, { conversation, seq }, isStillNeeded) {
  const { state, user } = client;
  const row = state.conversations.get(conversation);
  if (seq <= clearedUpTo(state, conversation)) return 'hidden';
  if (row && seq < historyFrom(row, user)) return 'before';
  const thread = state.threads.get(conversation);
  const loaded = thread && messageAt(thread, seq);
  const known = loaded === null ? 'gone' : loaded ? judge(loaded) : 'there';
  if (known !== 'there' || thread?.messages.some((one) => one.seq === seq)) return known;
  try {
    const looked = await client.loadAround(conversation, seq);
    const { messages } = looked.page;
    const message = messages.find((one) => one.seq === seq);
    if (!message) return messages.length > 0 && messages[0].seq > seq ? 'before' : 'gone';
    const outcome = judge(message);
    client.applyPage(conversation, looked, outcome === 'there' && isStillNeeded());
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
