/**
 * What a state wants to be asked for, by scope. Pure, and only for drafts.
 *
 * @import {State, StaleScope} from './state.js'
 */

/** An answer that was asked for when `version` was wanted has told it, whatever its own version is.
 * @param {State} draft @param {string} scope @param {number|undefined} version */
export function scopeLoaded(draft, scope, version) {
  const want = draft.stale.get(scope);
  if (want && !want.wholeSince && version !== undefined && want.version <= version) draft.stale.delete(scope);
}

/** A whole copy was taken that was asked for after it was last wanted. @param {State} draft @param {string} scope
 * @param {number} asked */
export function wholeLoaded(draft, scope, asked) {
  const wanted = draft.stale.get(scope);
  if (wanted && wanted.wholeSince <= asked) draft.stale.set(scope, { ...wanted, wholeSince: 0 });
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

/** A whole copy is wanted, whatever the version. @param {State} draft @param {number} id */
export function markWholeStale(draft, id) {
  const version = draft.conversations.get(id)?.version ?? 0;
  markStale(draft, `conversation:${id}`, { version, urgent: true, wholeSince: draft.turn });
}

/** @param {State} draft @param {number} id @returns {boolean} */
export function isWholeStale(draft, id) {
  return (draft.stale.get(`conversation:${id}`)?.wholeSince ?? 0) > 0;
}

/** The version up to which heads or a first page have told everything. A conversation that is not held and was opened
 * by then is in the list, or I am not in it any more. @param {State} state @returns {number} */
export function knownVersion({ cursor, pending }) {
  return Math.max(versionIn(cursor), versionIn(pending?.cursor ?? null));
}

/** The version in a cursor, which is `epoch.version`. @param {string|null} cursor @returns {number} */
export function versionIn(cursor) {
  return Number(cursor?.split('.')[1] ?? 0);
}
