/**
 * Blocks in the model of the server: they hide the read markers of a direct conversation and refuse messages there.
 *
 * @import {Member} from '../../src/sdk/wire.js'
 * @import {ModelConversation, ModelServer} from './model-server.js'
 */

/** Returns whether one of the two members of a direct conversation has blocked the other. @param {ModelServer} server
 * @param {ModelConversation} conversation @returns {boolean} */
export function isBlocked({ data }, { kind, members }) {
  const [one, other] = [...members.keys()];
  return kind === 'direct' && (data.blocks.has(`${one} ${other}`) || data.blocks.has(`${other} ${one}`));
}

/** Returns what a viewer may not see of a member's markers. @param {ModelServer} server
 * @param {ModelConversation} conversation @param {number} user @param {number} viewer @returns {Partial<Member>} */
export function maskedMarkers(server, conversation, user, viewer) {
  if (user === viewer) return {};
  const isShared = server.sharesReceipts(user, viewer) && !isBlocked(server, conversation);
  return isShared ? {} : { read_seq: 0, read_at: null };
}

/** Tells the members of a direct conversation with a block that it has changed. @param {ModelServer} server
 * @param {ModelConversation} conversation */
export function publishBlocked(server, conversation) {
  const prev = conversation.version;
  conversation.version = server.data.version;
  const event = { type: /** @type {const} */ ('scope.changed'), scope: `conversation:${conversation.id}`, version: conversation.version };
  for (const to of server.activeMembers(conversation)) server.deliver({ to, event: { ...event } });
  return { version: conversation.version, prev };
}

/** @param {ModelServer} server @param {number} user @param {number} other @param {boolean} on */
export function setBlocked(server, user, other, on) {
  const { data } = server;
  const key = `${user} ${other}`;
  if (user === other || data.blocks.has(key) === on) return;
  const version = server.next();
  if (on) data.blocks.add(key);
  else data.blocks.delete(key);
  data.blocksChanged.set(user, version);
  server.publishToUser(user, (place) => ({ type: 'block.updated', ...place, user: other, blocked: on }));
  for (const conversation of server.conversationsOf(user)) {
    if (conversation.kind !== 'direct' || !conversation.members.has(other)) continue;
    server.next();
    for (const row of conversation.members.values()) row.version = server.data.version;
    publishBlocked(server, conversation);
  }
}

/** Returns whom a user has blocked. @param {ModelServer} server @param {number} user @returns {number[]} */
export function blocksOf({ data }, user) {
  const pairs = [...data.blocks].map((key) => key.split(' ').map(Number));
  return pairs.filter(([by]) => by === user).map(([, other]) => other).sort((a, b) => a - b);
}

/** Returns what `me.get` lists. @param {ModelServer} server @param {number} user @param {number} [since] */
export function listedBlocks(server, user, since) {
  const changed = server.data.blocksChanged.get(user) ?? 0;
  return since === undefined || changed > since ? { blocks: blocksOf(server, user) } : {};
}
