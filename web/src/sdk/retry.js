/**
 * Retries of idempotent commands.
 *
 * @import {Clock} from './clock.js'
 * @import {Command} from './wire.js'
 */
import { canRetry } from './problem.js';

/** How often an idempotent command is tried. */
const ATTEMPTS_MAX = 3;
const RETRY_AFTER_MS = 1_000;

/** Returns a function that sends an idempotent command, several times if necessary. @param {Clock} clock
 * @param {(command: Command) => Promise<any>} request @returns {(command: Command) => Promise<any>} */
export function withRetry(clock, request) {
  return async (command) => {
    for (let tries = 1; ; tries += 1) {
      try {
        return await request(command);
      } catch (error) {
        if (!canRetry(error) || tries >= ATTEMPTS_MAX) throw error;
      }
      await new Promise((resolve) => {
        clock.after(RETRY_AFTER_MS * tries, () => resolve(null));
      });
    }
  };
}
