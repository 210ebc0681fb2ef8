/**
 * Pages of lists. A request asks for as many rows as are wanted, but never for more than the server allows: the server
 * refuses a larger `limit`, and names its own.
 *
 * @import {Command, Reactions, Session, Sessions} from './wire.js'
 */
import { Problem } from './problem.js';

/** @param {(command: Command) => Promise<any>} request @returns {(command: Command) => Promise<any>} */
export function withinPageLimit(request) {
  let rowsMax = Infinity;
  return async (command) => {
    try {
      return await request(capped(command, rowsMax));
    } catch (error) {
      const most = error instanceof Problem && error.code === 'invalid_field' ? error.limit : undefined;
      if (!most || !('limit' in command) || Math.min(command.limit ?? 0, rowsMax) <= most) throw error;
      rowsMax = most;
      return request(capped(command, rowsMax));
    }
  };
}

/** @param {Command} command @param {number} most @returns {Command} */
function capped(command, most) {
  return 'limit' in command && command.limit !== undefined && command.limit > most
    ? { ...command, limit: most }
    : command;
}

/** Loads everybody who reacted, page by page. @param {(after?: string) => Promise<Reactions>} ask
 * @returns {Promise<Reactions['reactions']>} */
export async function loadAllReactions(ask) {
  /** @type {Reactions['reactions']} */
  const all = [];
  let page = await ask();
  for (;;) {
    for (const { emoji, users } of page.reactions) {
      const known = all.find((one) => one.emoji === emoji);
      if (known) known.users.push(...users);
      else all.push({ emoji, users: [...users] });
    }
    if (!page.next) return all;
    page = await ask(page.next);
  }
}

/** Loads all sessions, page by page. @param {(after?: string) => Promise<Sessions>} ask
 * @returns {Promise<Session[]>} */
export async function loadAllSessions(ask) {
  let page = await ask();
  const all = [...page.sessions];
  while (page.next) {
    page = await ask(page.next);
    all.push(...page.sessions);
  }
  return all;
}
