/**
 * Loads lists to their end, page by page.
 *
 * @import {Reactions, Session, Sessions} from './wire.js'
 */

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
