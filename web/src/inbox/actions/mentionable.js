/**
 * Finds the members of a group whom the user can mention.
 *
 * @import {Client} from '../../sdk/client.js'
 * @import {Member, User} from '../../sdk/wire.js'
 */
import { Groups } from '../../sdk/groups.js';
import { latestUser } from '../view/users.js';

/** For how long the members of a large group are not asked for again, unless their number changes. */
const KEPT_MS = 60_000;
const PAGE_MEMBERS = 200;

/** The large group whose members were asked for last. @type {{id: number, count: number, at: number, members: Promise<Member[]>}|null} */
let large = null;

/** @param {Client} client @param {number} id @returns {Promise<User[]>} none in a direct conversation; those that are loaded
 * if the others cannot be */
export async function mentionable(client, id) {
  const conversation = client.state.conversations.get(id);
  if (conversation?.kind !== 'group') return [];
  const { members, member_count: count } = conversation;
  const all = count > members.length ? await membersOf(client, id, count).catch(() => members) : members;
  return all.map((one) => latestUser(client.state, one.user)).filter((one) => one.id !== client.user);
}

/** @param {Client} client @param {number} id @param {number} count @returns {Promise<Member[]>} */
async function membersOf(client, id, count) {
  const now = client.clock.now();
  if (large?.id !== id || large.count !== count || Math.abs(now - large.at) > KEPT_MS) {
    large = { id, count, at: now, members: allMembers(new Groups(client), id) };
  }
  const asked = large;
  return asked.members.catch((error) => {
    if (large === asked) large = null;
    throw error;
  });
}

/** @param {Groups} groups @param {number} id @returns {Promise<Member[]>} */
async function allMembers(groups, id) {
  let page = await groups.listMembers(id, undefined, PAGE_MEMBERS);
  const all = [...page.members];
  while (page.next !== null) {
    page = await groups.listMembers(id, page.next, PAGE_MEMBERS);
    all.push(...page.members);
  }
  return all;
}
