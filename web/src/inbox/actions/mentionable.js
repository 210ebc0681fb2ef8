/**
 * Finds the members of a group whom the user can mention.
 *
 * @import {Client} from '../../sdk/client.js'
 * @import {Member, User} from '../../sdk/wire.js'
 */
import { Groups } from '../../sdk/groups.js';
import { latestUser } from '../view/users.js';

/** The members of the large group that was asked for last, at its version.
 * @type {{id: number, version: number, members: Member[]}|null} */
let large = null;

/** @param {Client} client @param {number} id @returns {Promise<User[]>} none in a direct conversation; those that are loaded
 * if the others cannot be */
export async function mentionable(client, id) {
  const conversation = client.state.conversations.get(id);
  if (conversation?.kind !== 'group') return [];
  let { members } = conversation;
  if (conversation.member_count > members.length) {
    if (large?.id !== id || large.version !== conversation.version) {
      const all = await allMembers(new Groups(client), id).catch(() => null);
      if (all) large = { id, version: conversation.version, members: all };
    }
    if (large?.id === id) members = large.members;
  }
  return members.map((one) => latestUser(client.state, one.user)).filter((one) => one.id !== client.user);
}

/** @param {Groups} groups @param {number} id @returns {Promise<Member[]>} */
async function allMembers(groups, id) {
  let page = await groups.listMembers(id);
  const all = [...page.members];
  while (page.next !== null) {
    page = await groups.listMembers(id, page.next);
    all.push(...page.members);
  }
  return all;
}
