/**
 * When the state of the connection is announced, and how.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConnectionStatus } from '../src/inbox/view/connection-status.js';

/** @typedef {import('../src/inbox/view/connection-status.js').BannerView} BannerView */

/** @param {Partial<BannerView>} view @returns {BannerView} */
const view = (view) => ({ mode: 'live', lostAt: null, savedAt: null, now: 0, sent: 0, waiting: 0, safe: true, ...view });
const lost = { mode: /** @type {const} */ ('offline'), lostAt: 1_000 };

test('the number of sent messages is announced once, when nothing more can be sent', () => {
  const status = new ConnectionStatus();
  const text = (/** @type {Partial<BannerView>} */ more) => status.update(view(more)).text;
  assert.equal(text({ ...lost, now: 1_000, sent: 5, waiting: 3 }), '');
  assert.match(text({ ...lost, now: 6_000, sent: 5, waiting: 3 }), /^No connection/u);
  const said = [
    text({ now: 60_000, sent: 5, waiting: 3 }), text({ now: 60_100, sent: 6, waiting: 2 }),
    text({ now: 60_200, sent: 7, waiting: 1 }), text({ now: 60_300, sent: 7, waiting: 0 }),
    text({ now: 61_000, sent: 8, waiting: 0 }), text({ now: 70_000, sent: 8 }),
  ];
  assert.deepEqual(said, [
    ...Array(3).fill('Connected again.'), ...Array(2).fill('Connected again. 2 messages were sent.'), '',
  ]);
});

test('a discarded message is not announced as sent', () => {
  const status = new ConnectionStatus();
  status.update(view({ ...lost, now: 6_000, waiting: 1 }));
  status.update(view({ ...lost, now: 7_000, waiting: 0 }));
  assert.equal(status.update(view({ now: 8_000 })).text, 'Connected again.');
});

test('each outage starts a new count, and a long outage is not waited for', () => {
  const status = new ConnectionStatus();
  status.update(view({ ...lost, now: 6_000, waiting: 1 }));
  assert.equal(status.update(view({ now: 7_000, waiting: 1 })).recheckMs, 4_000);
  assert.equal(status.update(view({ now: 11_000, waiting: 1 })).kind, 'none');
  assert.equal(status.update(view({ now: 12_000, sent: 1 })).kind, 'none');
  status.update(view({ ...lost, lostAt: 20_000, now: 26_000, sent: 1, waiting: 1 }));
  assert.equal(status.update(view({ now: 27_000, sent: 2 })).text, 'Connected again. 1 message was sent.');
});

test('an inbox that was kept on the device says at once how old it is', () => {
  const status = new ConnectionStatus();
  const savedAt = Date.now() - 60_000;
  const { kind, text } = status.update(view({ ...lost, lostAt: savedAt + 60_000, now: savedAt + 60_000, savedAt }));
  assert.equal(kind, 'offline');
  assert.match(text, /^You are offline\. The inbox is shown as of/u);
  assert.equal(status.update(view({ now: savedAt + 61_000, sent: 1 })).text, 'Connected again. 1 message was sent.');
});
