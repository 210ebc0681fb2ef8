/**
 * Blocking users.
 *
 * @import {Client} from './client.js'
 * @import {Changed, User, Users} from './wire.js'
 */

/** Blocks a user, or ends that. @param {Client} client @param {number} user @param {boolean} on @returns {Promise<void>} */
export async function setBlocked(client, user, on) {
  /** @type {Changed} */
  const { version } = await client.requestWithRetry({ type: on ? 'user.block' : 'user.unblock', user });
  client.sync.applyEvent({ type: 'scope.changed', scope: `user:${client.user}`, version });
}

/** Loads a page of the users whom the user has blocked. @param {Client} client @param {string} [after]
 * @returns {Promise<{users: User[], next: string|null}>} */
export async function loadBlocked(client, after) {
  /** @type {Users} */
  const page = await client.request({ type: 'user.blocks', after, limit: 50 });
  client.sync.applyInput({ kind: 'users', users: page.users });
  return page;
}
