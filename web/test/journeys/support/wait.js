/**
 * Waiting for a condition.
 */
import assert from 'node:assert/strict';

/** Polls until a condition holds. @template T @param {() => Promise<T>|T} read @param {(value: T) => boolean} isDone
 * @param {string} description @param {number} [timeoutMs] @returns {Promise<T>} */
export async function until(read, isDone, description, timeoutMs = 20_000) {
  const end = Date.now() + timeoutMs;
  for (;;) {
    const value = await read();
    if (isDone(value)) return value;
    assert.ok(Date.now() < end, `${description}; the last value was ${JSON.stringify(value)}`);
    await new Promise((resolve) => {
      setTimeout(resolve, 50); // waits for: the next check
    });
  }
}
