/**
 * Sends many messages quickly: over a socket of each page, by two users in turn.
 *
 * @import {UserPage} from './user-page.js'
 */

/** The server settings that this needs. */
export const SETTINGS = { PARLOR_LIMITS_FRAMES_PER_SECOND_MAX: '100000' };

/** The number of messages in flight. */
const IN_FLIGHT = 24;

/** Opens a socket in the page, through which `window.pour` sends messages. @param {UserPage} user
 * @returns {Promise<void>} */
function openSocket(user) {
  return user.page.evaluate(async (flight) => {
    const address = new URL('/v1/socket', location.href);
    address.protocol = address.protocol === 'https:' ? 'wss:' : 'ws:';
    const me = await (await fetch('/v1/me')).json();
    const socket = new WebSocket(address, 'parlor.v1');
    await new Promise((resolve, reject) => {
      socket.onopen = resolve;
      socket.onerror = reject;
    });
    let id = 0;
    /** @param {number} conversation @param {string[]} texts */
    const pour = (conversation, texts) => new Promise((resolve, reject) => {
      let [next, done] = [0, 0];
      const send = () => {
        if (next === texts.length) return;
        const text = texts[next];
        next += 1;
        id += 1;
        const client_id = crypto.randomUUID();
        socket.send(JSON.stringify({ id, type: 'message.send', conversation, client_id, text }));
      };
      socket.onclose = (close) => reject(new Error(`closed: ${close.code} ${close.reason}`));
      socket.onmessage = ({ data }) => {
        if (data === '{}') socket.send('{}');
        const frame = JSON.parse(data);
        if (frame.error) reject(new Error(frame.error.code));
        if (frame.re === undefined || frame.re === 0) return;
        done += 1;
        if (done === texts.length) resolve(null);
        else send();
      };
      for (let first = 0; first < flight; first += 1) send();
    });
    socket.send(JSON.stringify({ id: 0, type: 'session.resume', user: me.id }));
    Object.assign(window, { pour });
  }, IN_FLIGHT);
}

/** Fills a conversation, which no page shows meanwhile, with `count` numbered messages: `step` from one user, then
 * `step` from the other. @param {[UserPage, UserPage]} users @param {number} conversation @param {number} count
 * @param {number} [step] */
export async function fillConversation(users, conversation, count, step = 20) {
  for (const { page } of users) {
    await page.evaluate(() => {
      location.hash = '#/settings';
    });
  }
  for (const user of users) await openSocket(user);
  for (let from = 1; from <= count; from += step) {
    const texts = Array.from({ length: Math.min(step, count - from + 1) }, (_, index) =>
      `message ${from + index} of ${count}${', and a little more'.repeat((from + index) % 7)}`);
    await users[Math.floor(from / step) % 2].page.evaluate(
      ([id, all]) => /** @type {any} */ (window).pour(id, all), /** @type {const} */ ([conversation, texts]));
  }
  for (const { page } of users) {
    await page.evaluate((id) => {
      location.hash = `#/c/${id}`;
    }, conversation);
  }
}
