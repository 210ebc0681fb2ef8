/**
 * What a state wants to be asked for, by scope. Pure, and only for drafts.
 *
 * @import {State, Want} from './state.js'
 */

/** An answer that was asked for when `version` was wanted has told it, whatever its own version is.
 * @param {State} draft @param {string} scope @param {number|undefined} version */
export function answered(draft, scope, version) {
  const want = draft.wanted.get(scope);
  if (want && !want.whole && version !== undefined && want.version <= version) draft.wanted.delete(scope);
}

/** A whole copy was taken that was asked for after it was last wanted. @param {State} draft @param {string} scope
 * @param {number} asked */
export function answeredWhole(draft, scope, asked) {
  const wanted = draft.wanted.get(scope);
  if (wanted && wanted.whole <= asked) draft.wanted.set(scope, { ...wanted, whole: 0 });
}

/** @param {State} draft @param {string} scope @param {Want} more */
export function want(draft, scope, { version, hurry, whole }) {
  const before = draft.wanted.get(scope);
  draft.wanted.set(scope, {
    version: Math.max(version, before?.version ?? 0),
    hurry: hurry || (before?.hurry ?? false),
    whole: Math.max(whole, before?.whole ?? 0),
  });
}

/** A whole copy is wanted, whatever the version. @param {State} draft @param {number} id */
export function wantWhole(draft, id) {
  const version = draft.conversations.get(id)?.version ?? 0;
  want(draft, `conversation:${id}`, { version, hurry: true, whole: draft.turn });
}

/** @param {State} draft @param {number} id @returns {boolean} */
export function isWholeWanted(draft, id) {
  return (draft.wanted.get(`conversation:${id}`)?.whole ?? 0) > 0;
}

/** The version up to which heads or a first page have told everything. A conversation that is not held and was opened
 * by then is in the list, or I am not in it any more. @param {State} state @returns {number} */
export function toldVersion({ cursor, pending }) {
  return Math.max(versionIn(cursor), versionIn(pending?.cursor ?? null));
}

/** The version in a cursor, which is `epoch.version`. @param {string|null} cursor @returns {number} */
export function versionIn(cursor) {
  return Number(cursor?.split('.')[1] ?? 0);
}
