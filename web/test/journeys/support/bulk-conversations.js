/**
 * Creates many conversations over HTTP.
 *
 * @import {UserPage} from './user-page.js'
 */

/** The server settings that this needs. */
export const SETTINGS = {
  PARLOR_LIMITS_CONVERSATIONS_MAX: '10000',
  PARLOR_LIMITS_OPENINGS_PER_HOUR_MAX: '10000',
  PARLOR_LIMITS_REQUESTS_PER_SECOND_MAX: '100000',
  PARLOR_LIMITS_FRAMES_PER_SECOND_MAX: '100000',
};

/** The number of requests in flight. */
const IN_FLIGHT = 6;

/** Creates groups called `Group 1` and so on, each with one message.
 * @param {UserPage} person @param {number} other a member of all of them @param {number} count
 * @returns {Promise<number>} the first of them */
export function createGroups(person, other, count) {
  return person.page.evaluate(async ([user, all, flight]) => {
    const post = async (/** @type {string} */ path, /** @type {unknown} */ body) => {
      const answer = await fetch(path, {
        method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body),
      });
      if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
      return answer.json();
    };
    let next = 0;
    let first = 0;
    const work = async () => {
      while (next < all) {
        next += 1;
        const number = next;
        const { conversation } = await post('/v1/conversations',
          { client_id: crypto.randomUUID(), group: { title: `Group ${number}`, users: [user] } });
        await post(`/v1/conversations/${conversation.id}/messages`,
          { client_id: crypto.randomUUID(), text: `Something is said in group ${number}.` });
        if (number === 1) first = conversation.id;
      }
    };
    await Promise.all(Array.from({ length: flight }, work));
    return first;
  }, /** @type {const} */ ([other, count, IN_FLIGHT]));
}
