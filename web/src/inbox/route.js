/**
 * The address of a place in the inbox: `#/`, `#/c/12`, `#/settings`, `#/reports`, `#/reports/12`, `#/open?type=item&id=5&role=owner`.
 * `?share-…` shows the list, and a picker (`share-target.js`).
 */

/**
 * @typedef {{at: 'list'} | {at: 'conversation', id: number} | {at: 'settings'} | {at: 'reports', report: number|null}
 *   | {at: 'open', context?: {type: string, id: string}, role?: string, user?: number}} Route
 */

/** How the parameters begin with which another application shares something. */
export const SHARE_PREFIX = 'share-';
/** Under which name what is shared waits in the tab until there is a list. */
export const SHARED = 'parlor-shared';

/** @param {string} hash @returns {Route} */
export function routeOf(hash) {
  const [path, query = ''] = hash.replace(/^#\/?/u, '').split('?');
  const conversation = /^c\/([1-9]\d{0,15})$/u.exec(path);
  if (conversation) return { at: 'conversation', id: Number(conversation[1]) };
  if (path === 'settings') return { at: 'settings' };
  const report = /^reports(?:\/([1-9]\d{0,15}))?$/u.exec(path);
  if (report) return { at: 'reports', report: report[1] ? Number(report[1]) : null };
  if (path !== 'open') return { at: 'list' };
  const values = new URLSearchParams(query);
  const [type, id, role, user] = ['type', 'id', 'role', 'user'].map((name) => values.get(name));
  return {
    at: 'open',
    ...(type && id ? { context: { type, id } } : {}),
    ...(role ? { role } : {}),
    ...(user && /^[1-9]\d{0,15}$/u.test(user) ? { user: Number(user) } : {}),
  };
}

/** @param {number} id @returns {string} */
export function hashOf(id) {
  return `#/c/${id}`;
}
