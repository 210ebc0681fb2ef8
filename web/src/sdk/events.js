/**
 * Events of newer servers: an event of unknown type is treated as a change of its scope, which is then fetched.
 *
 * @import {Event} from './wire.js'
 */

/** @type {Set<string>} */
const KNOWN_TYPES = new Set([
  'message.created', 'message.updated', 'message.hidden', 'conversation.created', 'conversation.updated',
  'member.updated', 'marker.updated', 'me.updated', 'settings.updated', 'block.updated', 'draft.updated', 'report.updated',
  'warning.created', 'warning.read', 'scope.advanced', 'scope.changed',
]);

/** @param {Event} event @returns {Event} */
export function knownEvent(event) {
  if (KNOWN_TYPES.has(event.type)) return event;
  return { type: 'scope.changed', scope: event.scope, version: event.version };
}
