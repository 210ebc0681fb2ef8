/**
 * Changes to messages and groups of the model server.
 *
 * @import {Message, Role} from '../../src/sdk/wire.js'
 * @import {ModelServer, Room} from './model-server.js'
 */

/** @param {ModelServer} server @param {number} user @param {number} id @param {number} seq
 * @returns {{room: Room, message: Message}|null} a message that the user sees and that can be changed */
function changeable(server, user, id, seq) {
  const room = server.room(id, user);
  const message = room.messages[seq - 1];
  const sees = message && seq >= server.row(room, user).history_from && !server.hides(user, message);
  return sees && !message.deleted && !message.system ? { room, message } : null;
}

/** @param {ModelServer} server @param {Room} room @param {Message} message its new state */
function tellChanged(server, room, message) {
  room.messages[message.seq - 1] = message;
  const changed = server.tell(room, (place, to) =>
    (server.row(room, to).history_from > message.seq
      ? { type: 'scope.advanced', ...place }
      : { type: 'message.updated', ...place, message }));
  return { message, ...changed };
}

/** @param {ModelServer} server @param {number} user @param {number} id @param {number} seq @param {string} text */
export function edit(server, user, id, seq, text) {
  const found = changeable(server, user, id, seq);
  if (!found || found.message.sender !== user) return null;
  const version = server.next();
  return tellChanged(server, found.room, { ...found.message, text, version, edited_at: server.time(version) });
}

/** @param {ModelServer} server @param {number} user @param {number} id @param {number} seq */
export function erase(server, user, id, seq) {
  const found = changeable(server, user, id, seq);
  if (!found || (found.message.sender !== user && server.row(found.room, user).role === 'member')) return null;
  const { id: made, conversation, sender, client_id, created_at } = found.message;
  return tellChanged(server, found.room, {
    id: made, conversation, seq, version: server.next(), sender, client_id, text: '', deleted: true, created_at,
  });
}

/** @param {ModelServer} server @param {number} user @param {number} id @param {number} seq @param {string} emoji
 * @param {boolean} on */
export function react(server, user, id, seq, emoji, on) {
  const found = changeable(server, user, id, seq);
  if (!found) return null;
  const { reactions: _, ...message } = found.message;
  const others = (found.message.reactions ?? []).map((one) => (one.emoji === emoji
    ? { emoji, users: one.users.filter((who) => who !== user) }
    : one));
  if (on && !others.some((one) => one.emoji === emoji)) others.push({ emoji, users: [] });
  const reactions = others.map((one) => (on && one.emoji === emoji ? { emoji, users: [...one.users, user] } : one))
    .filter((one) => one.users.length > 0);
  const version = server.next();
  return tellChanged(server, found.room, { ...message, version, ...(reactions.length > 0 ? { reactions } : {}) });
}

/** @param {ModelServer} server @param {number} user @param {number} id @param {number} seq */
export function hide(server, user, id, seq) {
  const room = server.room(id, user);
  const message = room.messages[seq - 1];
  if (!message || seq < server.row(room, user).history_from || server.hides(user, message)) return null;
  server.data.hidden.push({ user, conversation: id, seq, version: server.next() });
  return server.tellOne(user, (place) =>
    ({ type: 'message.hidden', ...place, seq, ...server.marker(room, user) }));
}

/** @param {ModelServer} server @param {number} user @param {number} id
 * @param {{title?: string, picture?: string}} to */
export function dress(server, user, id, to) {
  const room = server.room(id, user);
  if (room.kind !== 'group') return;
  server.next();
  Object.assign(room, to);
  const { title, picture, context } = room;
  const message = server.line(room, user,
    to.title === undefined ? { type: 'picture_changed' } : { type: 'renamed', title: to.title });
  server.tell(room, (place) =>
    ({ type: 'conversation.updated', ...place, title, picture, context, members: [], message }));
}

/** @param {ModelServer} server @param {number} by @param {number} id @param {number} user @param {Role} role */
export function promote(server, by, id, user, role) {
  const room = server.room(id, by);
  const row = room.members.get(user);
  if (room.kind !== 'group' || !row || row.left) return;
  Object.assign(row, { role, version: server.next() });
  const message = server.line(room, by, { type: 'role_changed', user, role });
  server.tellMembers(room, [user], { message });
}

/** Switches a user's read receipts on or off. @param {ModelServer} server @param {number} user @param {boolean} on */
export function receipts(server, user, on) {
  const { secretive } = server.data;
  if (secretive.has(user) !== on) return;
  if (on) secretive.delete(user);
  else secretive.add(user);
  server.next();
  server.tellOne(user, (place) => ({ type: 'me.updated', ...place, me: server.person(user) }));
  for (const room of server.roomsOf(user)) {
    const version = server.next();
    const row = room.members.get(user);
    if (row) row.version = version;
    const prev = room.version;
    room.version = version;
    const scope = `conversation:${room.id}`;
    for (const to of server.present(room)) {
      server.deliver({
        to,
        event: to === user
          ? { type: 'scope.changed', scope, version }
          : {
              type: 'member.updated', scope, version, prev, members: [server.row(room, user, to)],
              member_count: server.present(room).length, unread: null,
            },
      });
    }
  }
}
