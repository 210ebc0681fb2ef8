/**
 * What the views of the list and of a thread are computed from: the state of a client, and what it alone knows.
 *
 * @import {Client} from '../../sdk/client.js'
 * @import {ViewInput} from '../view/conversations.js'
 */

/** @param {Client} client @param {Pick<ViewInput, 'selected'|'draft'>} shown what is on the screen, and being written
 * @returns {ViewInput} */
export function viewInputOf(client, { selected, draft }) {
  const { state, clock, outbox, readMarkers, ephemeral, uploads } = client;
  return {
    state,
    now: clock.now(),
    serverNow: client.serverNow(),
    selected,
    waiting: (id) => outbox.itemsIn(id),
    draft,
    readUpTo: (id) => readMarkers.readUpTo(id),
    presenceSource: ephemeral,
    files: {
      local: (id) => uploads.localFile(id),
      upload: (id) => uploads.get(id),
      draft: (id) => uploads.draftFiles(id),
    },
  };
}
