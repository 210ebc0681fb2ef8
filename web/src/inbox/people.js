/**
 * People, as this page knows them best. Pure.
 *
 * @import {Conversation, User} from '../sdk/wire.js'
 * @import {State} from './state.js'
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
