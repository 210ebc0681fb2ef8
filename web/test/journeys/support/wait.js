/**
 * Waiting for a condition.
 */
import assert from 'node:assert/strict';

/** Polls until a condition holds. @template T @param {() => Promise<T>|T} look @param {(value: T) => boolean} holds
 * @param {string} what @param {number} [patience] @returns {Promise<T>} */
export async function until(look, holds, what, patience = 20_000) {
  const end = Date.now() + patience;
  for (;;) {
    const value = await look();
    if (holds(value)) return value;
    assert.ok(Date.now() < end, `${what}; the last value was ${JSON.stringify(value)}`);
    await new Promise((resolve) => {
      setTimeout(resolve, 50); // waits for: the next check
    });
  }
}
