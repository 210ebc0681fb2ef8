/**
 * Messages and system messages as one line, for the list, quotes, dialogs and screen readers. Pure.
 *
 * @import {Message, SystemLine} from '../../sdk/wire.js'
 * @import {State} from '../../sdk/state/state.js'
 * @import {Phrase} from '../languages/tools.js'
 */
import { previewContent } from './attachments.js';
import { say, textOf } from './strings.js';

/** @param {Pick<State, 'users'>} state @param {number} user @returns {string} */
export function nameFor(state, user) {
  return state.users.get(user)?.name ?? say.somebody;
}

/** @typedef {{text: string, sign: 'picture'|'file'|'bin'|null}} MessagePreview */

/** Caches previews: a message stays the same object until it changes, and its preview is needed often.
 * @type {WeakMap<Message, MessagePreview>} */
const previews = new WeakMap();

/** @param {State} state @param {Message} message @returns {MessagePreview} */
export function previewMessage(state, message) {
  if (message.system) return { text: wordsOf(systemPhrase(state, message.sender, message.system)), sign: null };
  // It names nobody, because a moderator may have removed the message.
  if (message.deleted) return { text: say.wasDeleted, sign: 'bin' };
  let preview = previews.get(message);
  if (!preview) {
    preview = previewContent(message);
    previews.set(message, preview);
  }
  return preview;
}

/** Returns the phrase of a system message, with its names marked. @param {Pick<State, 'user'|'users'>} state
 * @param {number} sender
 * @param {SystemLine} line @returns {Phrase} */
export function systemPhrase(state, sender, line) {
  const who = sender === state.user ? null : nameFor(state, sender);
  /** @param {number} user */
  const whom = (user) => (user === state.user ? null : nameFor(state, user));
  switch (line.type) {
    case 'added':
      return say.lineAdded(who, mineFirst(state, line.users).map(whom));
    case 'removed':
      return say.lineRemoved(who, whom(line.user));
    case 'left':
      return line.heir === undefined ? say.lineLeft(who) : say.lineLeftTo(who, whom(line.heir));
    case 'role_changed':
      return say.lineRole(who, whom(line.user), textOf(say.roleNames, line.role) ?? line.role);
    case 'renamed':
      return say.lineRenamed(who, line.title);
    case 'picture_changed':
      return say.linePicture(who);
    default:
      // A system message that this version does not know.
      return say.lineOther(who);
  }
}

/** @param {Pick<State, 'user'>} state @param {number[]} users @returns {number[]} */
function mineFirst(state, users) {
  return users.includes(state.user) ? [state.user, ...users.filter((one) => one !== state.user)] : users;
}

/** @param {Phrase} phrase @returns {string} */
export function wordsOf(phrase) {
  return phrase.map((one) => (typeof one === 'string' ? one : one.firm)).join('');
}
