/**
 * Drafts in the model of the server.
 *
 * @import {Draft} from '../../src/sdk/wire.js'
 * @import {ModelServer} from './model-server.js'
 */
import { isEmptyDraft } from '../../src/sdk/state/drafts.js';

/** @type {Draft} */
const NONE = { text: '', version: 0 };

/** @param {ModelServer} server @param {number} user @param {number} id @returns {Draft} */
export function draftOf(server, user, id) {
  return server.data.drafts.get(`${user} ${id}`) ?? NONE;
}

/** @param {ModelServer} server @param {number} user @param {number} id @param {Omit<Draft, 'version'> & {since: number}} update */
export function saveDraft(server, user, id, { since, ...content }) {
  server.find(id, user);
  const { version: at, ...before } = draftOf(server, user, id);
  const isSame = JSON.stringify(before) === JSON.stringify(content);
  const isCurrent = since === at || (since === 0 && isEmptyDraft(before));
  const { version } = server.data;
  if (isSame || !isCurrent) return { saved: isSame, draft: draftOf(server, user, id), version, prev: version };
  server.next();
  const changed = putDraft(server, user, id, content);
  return { saved: true, draft: draftOf(server, user, id), ...changed };
}

/** Deletes a draft that the user leaves, or that they have sent at this version. @param {ModelServer} server
 * @param {number} user @param {number} id @param {number} [sent] */
export function deleteDraft(server, user, id, sent) {
  const draft = draftOf(server, user, id);
  if (!isEmptyDraft(draft) && draft.version === (sent ?? draft.version)) putDraft(server, user, id, { text: '' });
}

/** @param {ModelServer} server @param {number} user @param {number} id @param {Omit<Draft, 'version'>} content */
function putDraft(server, user, id, content) {
  const draft = { ...content, version: server.data.version };
  server.data.drafts.set(`${user} ${id}`, draft);
  return server.publishToUser(user, (place) => ({ type: 'draft.updated', ...place, conversation: id, draft }));
}

/** Returns what `me.get` lists. @param {ModelServer} server @param {number} user @param {number} [since] */
export function listedDrafts(server, user, since) {
  const own = [...server.data.drafts].map(([key, draft]) => ({ key: key.split(' ').map(Number), draft }))
    .filter(({ key }) => key[0] === user).map(({ key, draft }) => ({ conversation: key[1], ...draft }));
  const drafts = own.filter((one) => (since === undefined ? !isEmptyDraft(one) : one.version > since));
  return drafts.length > 0 ? { drafts } : {};
}
