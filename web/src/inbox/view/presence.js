/**
 * Texts and dots for presence and typing. Pure.
 *
 * @import {Conversation, Presence, User} from '../../sdk/wire.js'
 * @import {State} from '../../sdk/state/state.js'
 */
import { relativeTime, shortName, shortTime } from './format.js';
import { say } from './strings.js';
import { latestUser, otherMembers } from './users.js';

/**
 * @typedef {'online'|'idle'|''} Dot
 * @typedef {{typing: (conversation: number) => number[], presence: (user: number) => Presence|null}} PresenceSource
 */

/** The number of members of a group whose presence is watched. */
const GROUP_WATCHED_MAX = 60;
/** The number of rows of the list whose presence is watched. */
const ROWS_WATCHED_MAX = 40;
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** Returns the dot at an avatar. @param {Presence|null} presence @returns {Dot} */
export function dotOf(presence) {
  return presence?.status === 'online' || presence?.status === 'idle' ? presence.status : '';
}

/** Returns "Online", "Idle" or "Last seen 5 min ago"; empty when presence is not shared.
 * @param {Presence|null} presence @param {number} now @returns {string} */
export function presenceText(presence, now) {
  switch (presence?.status) {
    case 'online':
      return say.online;
    case 'idle':
      return say.idle;
    case 'offline':
      return presence.seen_at ? say.seenAgo(ago(Date.parse(presence.seen_at), now)) : '';
    default:
      return '';
  }
}

/** @param {number} at @param {number} now @returns {string} */
function ago(at, now) {
  const since = Math.max(0, now - at);
  if (since < MINUTE_MS) return say.justNow;
  if (since < HOUR_MS) return relativeTime(-Math.floor(since / MINUTE_MS), 'minute');
  if (since < 12 * HOUR_MS) return relativeTime(-Math.floor(since / HOUR_MS), 'hour');
  return shortTime(at, now);
}

/** Returns "Ada is typing", two names, or "Several people are typing". @param {User[]} users @returns {string} */
export function typingText(users) {
  const [first, second] = users.map((user) => shortName(user.name));
  if (users.length === 0) return '';
  if (users.length === 1) return say.isTyping(first);
  return users.length === 2 ? say.areTyping(first, second) : say.severalTyping;
}

/** Returns the same text for a row of the list. @param {User[]} users @param {Conversation['kind']} kind
 * @returns {string} */
export function shortTypingText(users, kind) {
  if (users.length === 0) return '';
  if (kind === 'direct') return say.typing;
  return users.length === 1 ? say.typingWho(shortName(users[0].name)) : typingText(users);
}

/** Returns the members of a conversation who are typing. @param {State} state @param {Conversation} conversation
 * @param {PresenceSource} presenceSource @returns {User[]} */
export function typingUsers(state, conversation, presenceSource) {
  /** @type {User[]} */
  const found = [];
  for (const id of presenceSource.typing(conversation.id)) {
    const member = conversation.members.find((one) => one.user.id === id);
    const user = member ? latestUser(state, member.user) : state.users.get(id);
    if (user && id !== state.user) found.push(user);
  }
  return found;
}

/** Returns the line under the name in a thread's header. @param {State} state @param {Conversation} conversation
 * @param {PresenceSource} presenceSource @param {number} now @returns {{words: string, dot: Dot}} */
export function presenceLine(state, conversation, presenceSource, now) {
  const rest = otherMembers(state, conversation);
  if (conversation.kind === 'direct') {
    const presence = rest[0] ? presenceSource.presence(rest[0].id) : null;
    return { words: presenceText(presence, now), dot: dotOf(presence) };
  }
  const online = rest.filter((one) => presenceSource.presence(one.id)?.status === 'online').length;
  const people = say.people(conversation.member_count);
  return online > 0 ? { words: say.peopleOnline(people, online), dot: 'online' } : { words: people, dot: '' };
}

/** Returns the users to watch: members of the open conversation first, then the users of the first rows.
 * @param {State} state @param {Conversation[]} rows @param {Conversation|undefined} open @returns {number[]} */
export function watchedUsers(state, rows, open) {
  /** @type {Set<number>} */
  const users = new Set();
  if (open) for (const user of otherMembers(state, open).slice(0, GROUP_WATCHED_MAX)) users.add(user.id);
  for (const row of rows.slice(0, ROWS_WATCHED_MAX)) {
    if (row.kind === 'direct') for (const user of otherMembers(state, row)) users.add(user.id);
  }
  return [...users];
}
