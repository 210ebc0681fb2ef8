/**
 * What the user's blocks change. Pure.
 *
 * @import {Conversation} from '../wire.js'
 * @import {State} from './state.js'
 */

/** Returns the other user of a direct conversation, or null. @param {Pick<State, 'user'>} state
 * @param {Pick<Conversation, 'kind'|'members'>} conversation @returns {number|null} */
export function partnerIn({ user }, { kind, members }) {
  return kind === 'direct' ? (members.find((one) => one.user.id !== user)?.user.id ?? null) : null;
}

/** Returns whom the user has blocked in a direct conversation, or null. @param {Pick<State, 'user'|'blocks'>} state
 * @param {Pick<Conversation, 'kind'|'members'>} conversation @returns {number|null} */
export function blockedIn(state, conversation) {
  const partner = partnerIn(state, conversation);
  return partner !== null && state.blocks.has(partner) ? partner : null;
}

/** Returns whether the user may write in a conversation, as far as they know. @param {Pick<State, 'user'|'blocks'>} state
 * @param {Pick<Conversation, 'kind'|'members'|'context'>} conversation @returns {boolean} */
export function acceptsMessages(state, conversation) {
  return !conversation.context?.closed && blockedIn(state, conversation) === null;
}
