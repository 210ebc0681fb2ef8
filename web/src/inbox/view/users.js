/**
 * The latest known data of users. Pure.
 *
 * @import {Conversation, User} from '../../sdk/wire.js'
 * @import {State} from '../../sdk/state/state.js'
 */

/** Returns the latest known version of a user. @param {State} state @param {User} user @returns {User} */
export function latestUser(state, user) {
  const best = state.users.get(user.id);
  return best && best.version >= user.version ? best : user;
}

/** Returns the other members of a conversation. @param {State} state @param {Conversation} conversation
 * @returns {User[]} */
export function otherMembers(state, conversation) {
  return conversation.members.filter((one) => one.user.id !== state.user).map((one) => latestUser(state, one.user));
}

const WITHOUT_SPACES = new RegExp('[\\p{Script=Han}\\p{Script=Hiragana}\\p{Script=Katakana}\\p{Script=Hangul}'
  + '\\p{Script=Thai}\\p{Script=Lao}\\p{Script=Khmer}\\p{Script=Myanmar}]', 'u');

/** Returns whether a query is long enough for a user search; the server requires the same. @param {string} query
 * @returns {boolean} */
export function isSearchable(query) {
  return WITHOUT_SPACES.test(query) || (query.match(/[\p{L}\p{N}]/gu) ?? []).length > 1;
}
