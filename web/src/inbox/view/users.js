/**
 * People, as this page knows them best. Pure.
 *
 * @import {Conversation, User} from '../../sdk/wire.js'
 * @import {State} from '../../sdk/state/state.js'
 */

/** A person as known best. @param {State} state @param {User} user @returns {User} */
export function known(state, user) {
  const best = state.users.get(user.id);
  return best && best.version >= user.version ? best : user;
}

/** The others of a conversation. @param {State} state @param {Conversation} conversation @returns {User[]} */
export function others(state, conversation) {
  return conversation.members.filter((one) => one.user.id !== state.user).map((one) => known(state, one.user));
}

const WITHOUT_SPACES = new RegExp('[\\p{Script=Han}\\p{Script=Hiragana}\\p{Script=Katakana}\\p{Script=Hangul}'
  + '\\p{Script=Thai}\\p{Script=Lao}\\p{Script=Khmer}\\p{Script=Myanmar}]', 'u');

/** Whether so much of a name says whom somebody looks for, rather than who is here; the server asks for as much.
 * @param {string} query @returns {boolean} */
export function isEnough(query) {
  return WITHOUT_SPACES.test(query) || (query.match(/[\p{L}\p{N}]/gu) ?? []).length > 1;
}
