/**
 * The end of a sign-in: nothing of it is left in the browser when somebody else may begin.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as rules from '../src/inbox/state.js';
import { gapAfter, quoteMissing } from '../src/inbox/threads.js';
import { Client } from '../src/sdk/client.js';
import { memoryShelf } from '../src/sdk/storage.js';
import { noVault } from '../src/sdk/vault.js';
import { handClock, turn } from './support/clock.js';

test('one is signed out when the bytes of files are erased, too', async () => {
  const shelf = memoryShelf();
  /** @type {(done: void) => void} */
  let erased = () => {};
  /** @type {string[]} */
  const erasing = [];
  const client = new Client({
    user: 7, shelf, clock: handClock(), model: { ...rules, gapAfter, quoteMissing }, ended: () => {},
    fetch: async () => new Response(null, { status: 204 }),
    socket: () => assert.fail('there is no socket'), carry: () => assert.fail('nothing is carried'),
    vault: {
      ...noVault,
      erase: (whose) => {
        erasing.push(whose);
        return new Promise((resolve) => {
          erased = resolve;
        });
      },
    },
  });
  client.keep.set('draft:3:a', { text: 'words', at: 1 });
  let out = false;
  const leaving = client.signOut().then(() => {
    out = true;
  });
  await turn();
  assert.deepEqual([erasing, shelf.length, out], [['mine'], 0, false]);
  erased();
  await leaving;
});
