/**
 * Mentions in the model of the server.
 *
 * @import {Mention} from '../../src/sdk/wire.js'
 * @import {ModelConversation, ModelServer} from './model-server.js'
 */
import { historyStart } from './model-settings.js';

/** Returns the field of a message that mentions these users. @param {number[]} users @returns {{mentions?: Mention[]}} */
export function placesOf(users) {
  return users.length > 0 ? { mentions: users.map((user, at) => ({ user, at, length: 1 })) } : {};
}

/** Returns the newest message that mentions a user, as a conversation has it. @param {ModelServer} server
 * @param {ModelConversation} conversation @param {number} user @returns {{mention_seq?: number}} */
export function newestMention(server, conversation, user) {
  const from = historyStart(server, conversation, user);
  const newest = conversation.messages.findLast((one) => one.seq >= from && one.sender !== user
    && (one.mentions ?? []).some((mention) => mention.user === user) && !server.hasHidden(user, one));
  return newest ? { mention_seq: newest.seq } : {};
}
