/**
 * Changes to messages and groups of the model server.
 *
 * @import {Message, Role} from '../../src/sdk/wire.js'
 * @import {ModelServer, ModelConversation} from './model-server.js'
 */
import { isBlocked, publishBlocked } from './model-blocks.js';
import { historyStart } from './model-settings.js';

import { placesOf } from './model-mentions.js';

/** @param {ModelServer} server @param {number} user @param {number} id @param {number} seq
 * @returns {{conversation: ModelConversation, message: Message}|null} a message that the user sees and can change */
function findChangeable(server, user, id, seq) {
  const conversation = server.find(id, user);
  const message = conversation.messages[seq - 1];
  const sees = message && seq >= historyStart(server, conversation, user) && !server.hasHidden(user, message);
  return sees && !message.deleted && !message.hidden && !message.system ? { conversation, message } : null;
}

/** @param {ModelServer} server @param {ModelConversation} conversation @param {Message} message its new state */
function publishMessage(server, conversation, message) {
  conversation.messages[message.seq - 1] = message;
  const changed = server.publish(conversation, (place, to) =>
    (historyStart(server, conversation, to) > message.seq
      ? { type: 'scope.advanced', ...place }
      : { type: 'message.updated', ...place, message }));
  return { message, ...changed };
}

/** @param {ModelServer} server @param {number} user @param {number} id @param {number} seq @param {string} text
 * @param {number[]} [mentioned] */
export function edit(server, user, id, seq, text, mentioned = []) {
  const found = findChangeable(server, user, id, seq);
  if (!found || found.message.sender !== user || isBlocked(server, found.conversation)) return null;
  const version = server.next();
  const { mentions: _, ...message } = found.message;
  const edited = { ...message, text, ...placesOf(mentioned), version, edited_at: server.time(version) };
  return publishMessage(server, found.conversation, edited);
}

/** @param {ModelServer} server @param {number} user @param {number} id @param {number} seq */
export function deleteMessage(server, user, id, seq) {
  const found = findChangeable(server, user, id, seq);
  if (!found || (found.message.sender !== user && server.row(found.conversation, user).role === 'member')) return null;
  return removeForAll(server, id, seq);
}

/** Deletes a message for everyone, unless it is deleted. @param {ModelServer} server @param {number} id @param {number} seq */
export function removeForAll(server, id, seq) {
  const conversation = server.data.conversations.get(id);
  const message = conversation?.messages[seq - 1];
  if (!conversation || !message || message.deleted || message.hidden || message.system) return null;
  const { id: made, sender, client_id, created_at } = message;
  return publishMessage(server, conversation, {
    id: made, conversation: id, seq, version: server.next(), sender, client_id, text: '', deleted: true, created_at,
  });
}

/** Returns a message if a user is in its conversation and sees it. @param {ModelServer} server @param {number} user
 * @param {number} id @param {number} seq @returns {Message|null} */
export function seenBy(server, user, id, seq) {
  const conversation = server.data.conversations.get(id);
  const row = conversation?.members.get(user);
  const message = conversation?.messages[seq - 1];
  if (!conversation || !row || row.left || !message || seq < historyStart(server, conversation, user)) return null;
  return server.hasHidden(user, message) ? null : message;
}

/** @param {ModelServer} server @param {number} user @param {number} id @param {number} seq @param {string} emoji
 * @param {boolean} on */
export function react(server, user, id, seq, emoji, on) {
  const found = findChangeable(server, user, id, seq);
  if (!found || isBlocked(server, found.conversation)) return null;
  const { reactions: _, ...message } = found.message;
  const others = (found.message.reactions ?? []).map((one) => (one.emoji === emoji
    ? { emoji, users: one.users.filter((who) => who !== user) }
    : one));
  if (on && !others.some((one) => one.emoji === emoji)) others.push({ emoji, users: [] });
  const reactions = others.map((one) => (on && one.emoji === emoji ? { emoji, users: [...one.users, user] } : one))
    .filter((one) => one.users.length > 0);
  const version = server.next();
  const changed = { ...message, version, ...(reactions.length > 0 ? { reactions } : {}) };
  return publishMessage(server, found.conversation, changed);
}

/** @param {ModelServer} server @param {number} user @param {number} id @param {number} seq */
export function hide(server, user, id, seq) {
  const conversation = server.find(id, user);
  const message = conversation.messages[seq - 1];
  if (!message || seq < historyStart(server, conversation, user) || server.hasHidden(user, message)) return null;
  server.data.hidden.push({ user, conversation: id, seq, version: server.next() });
  server.data.unhidden = server.data.unhidden.filter((one) => !isAt(one, user, id, seq));
  return server.publishToUser(user, (place) =>
    ({ type: 'message.hidden', ...place, seq, ...server.marker(conversation, user) }));
}

/** The host shows a user a message again that they had hidden. @param {ModelServer} server @param {number} user
 * @param {number} pick */
export function unhide(server, user, pick) {
  const hidden = server.data.hidden.filter((one) => one.user === user);
  const place = hidden[pick % Math.max(1, hidden.length)];
  if (!place) return;
  const { conversation, seq } = place;
  server.data.hidden = server.data.hidden.filter((one) => one !== place);
  const version = server.next();
  server.data.unhidden.push({ user, conversation, seq, version });
  server.data.scopes.set(user, version);
  server.deliver({ to: user, event: { type: 'scope.changed', scope: `user:${user}`, version } });
}

/** The host removes a message: nothing is left of it but its place. @param {ModelServer} server @param {number} id
 * @param {number} seq */
export function removeMessage(server, id, seq) {
  const conversation = server.data.conversations.get(id);
  const message = conversation?.messages[seq - 1];
  if (!conversation || !message || message.deleted || message.hidden || message.system) return;
  const { id: made, sender, client_id, created_at } = message;
  publishMessage(server, conversation, {
    id: made, conversation: id, seq, version: server.next(), sender, client_id, text: '', hidden: true, created_at,
  });
}

/** @param {{user: number, conversation: number, seq: number}} place @param {number} user @param {number} id
 * @param {number} seq @returns {boolean} */
function isAt(place, user, id, seq) {
  return place.user === user && place.conversation === id && place.seq === seq;
}

/** @param {ModelServer} server @param {number} user @param {number} id
 * @param {{title?: string, picture?: string}} to */
export function updateGroup(server, user, id, to) {
  const conversation = server.find(id, user);
  if (conversation.kind !== 'group') return;
  server.next();
  Object.assign(conversation, to);
  const { title, picture, context } = conversation;
  const message = server.addSystemMessage(conversation, user,
    to.title === undefined ? { type: 'picture_changed' } : { type: 'renamed', title: to.title });
  server.publish(conversation, (place) =>
    ({ type: 'conversation.updated', ...place, title, picture, context, members: [], message }));
}

/** @param {ModelServer} server @param {number} by @param {number} id @param {number} user @param {Role} role */
export function changeRole(server, by, id, user, role) {
  const conversation = server.find(id, by);
  const row = conversation.members.get(user);
  if (conversation.kind !== 'group' || !row || row.left) return;
  Object.assign(row, { role, version: server.next() });
  const message = server.addSystemMessage(conversation, by, { type: 'role_changed', user, role });
  server.publishMembers(conversation, [user], { message });
}

/** Switches a user's read receipts on or off. @param {ModelServer} server @param {number} user @param {boolean} on */
export function switchReceipts(server, user, on) {
  const { receiptsOff } = server.data;
  if (receiptsOff.has(user) !== on) return;
  if (on) receiptsOff.delete(user);
  else receiptsOff.add(user);
  server.next();
  server.publishToUser(user, (place) => ({ type: 'me.updated', ...place, me: server.ownUser(user) }));
  for (const conversation of server.conversationsOf(user)) {
    const version = server.next();
    const row = conversation.members.get(user);
    if (row) row.version = version;
    if (isBlocked(server, conversation)) {
      publishBlocked(server, conversation);
      continue;
    }
    const prev = conversation.version;
    conversation.version = version;
    const scope = `conversation:${conversation.id}`;
    for (const to of server.activeMembers(conversation)) {
      server.deliver({
        to,
        event: to === user
          ? { type: 'scope.changed', scope, version }
          : {
              type: 'member.updated', scope, version, prev, members: [server.row(conversation, user, to)],
              member_count: server.activeMembers(conversation).length, unread: null,
            },
      });
    }
  }
}
