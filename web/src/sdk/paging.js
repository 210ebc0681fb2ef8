/**
 * Pages of lists. A request asks for as many rows as are wanted, but never for more than the server allows: the server
 * refuses a larger `limit`, and names its own.
 *
 * @import {Command} from './wire.js'
 */
import { Problem } from './problem.js';

/** @param {(command: Command) => Promise<any>} request @returns {(command: Command) => Promise<any>} */
export function withinPageLimit(request) {
  let rowsMax = Infinity;
  return async (command) => {
    try {
      return await request(capped(command, rowsMax));
    } catch (error) {
      const most = error instanceof Problem && error.code === 'invalid_field' ? error.limit : undefined;
      if (!most || !('limit' in command) || Math.min(command.limit ?? 0, rowsMax) <= most) throw error;
      rowsMax = most;
      return request(capped(command, rowsMax));
    }
  };
}

/** @param {Command} command @param {number} most @returns {Command} */
function capped(command, most) {
  return 'limit' in command && command.limit !== undefined && command.limit > most
    ? { ...command, limit: most }
    : command;
}
