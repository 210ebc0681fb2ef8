/**
 * Which scopes of a state are stale and have to be fetched. Pure, and for drafts only.
 *
 * @import {State, StaleScope} from './state.js'
 */

/** Settles a scope up to the `version` for which it was fetched, whatever the version of the answer.
 * @param {State} draft @param {string} scope @param {number|undefined} version */
export function scopeLoaded(draft, scope, version) {
  const want = draft.stale.get(scope);
  if (want && !want.wholeSince && version !== undefined && want.version <= version) draft.stale.delete(scope);
}

/** Settles a scope whose complete copy was requested after it was last needed. @param {State} draft
 * @param {string} scope @param {number} requestedAt */
export function wholeLoaded(draft, scope, requestedAt) {
  const wanted = draft.stale.get(scope);
  if (wanted && wanted.wholeSince <= requestedAt) draft.stale.set(scope, { ...wanted, wholeSince: 0 });
}

/** @param {State} draft @param {string} scope @param {StaleScope} more */
export function markStale(draft, scope, { version, urgent: hurry, wholeSince: whole }) {
  const before = draft.stale.get(scope);
  draft.stale.set(scope, {
    version: Math.max(version, before?.version ?? 0),
    urgent: hurry || (before?.urgent ?? false),
    wholeSince: Math.max(whole, before?.wholeSince ?? 0),
  });
}

/** Marks a conversation as needing a complete copy, whatever its version. @param {State} draft @param {number} id */
export function markWholeStale(draft, id) {
  const version = draft.conversations.get(id)?.version ?? 0;
  markStale(draft, `conversation:${id}`, { version, urgent: true, wholeSince: draft.turn });
}

/** @param {State} draft @param {number} id @returns {boolean} */
export function isWholeStale(draft, id) {
  return (draft.stale.get(`conversation:${id}`)?.wholeSince ?? 0) > 0;
}

/** Returns the version up to which heads or a first page are complete. A conversation that was created by then and is
 * not loaded is further down the list, or the user is no longer in it. @param {State} state @returns {number} */
export function knownVersion({ cursor, pending }) {
  return Math.max(versionIn(cursor), versionIn(pending?.cursor ?? null));
}

/** Returns the version in a cursor, which is `epoch.version`. @param {string|null} cursor @returns {number} */
export function versionIn(cursor) {
  return Number(cursor?.split('.')[1] ?? 0);
}
