/**
 * Measures scrolling in a list of 5,000 conversations, and a message into the last of them: `npm run list`, with a
 * server built with --release. Prints figures; asserts nothing. `CONVERSATIONS` sets another number.
 *
 * @import {Page} from 'playwright-core'
 */
import { SETTINGS, createGroups } from '../journeys/support/bulk-conversations.js';
import { runJourney } from '../journeys/support/journey.js';
import { UserPage } from '../journeys/support/user-page.js';
import { until } from '../journeys/support/wait.js';

const CONVERSATIONS = Number(process.env.CONVERSATIONS ?? 5_000);

await runJourney(async ({ server, browser }) => {
  const ada = await UserPage.open(browser, server.links.ada);
  const ben = await UserPage.open(browser, server.links.ben);
  const user = await ada.page.evaluate(async () => (await (await fetch('/v1/me')).json()).id);
  const first = await createGroups(ben, user, CONVERSATIONS);
  await until(() => ada.page.evaluate(() => {
    const scroll = /** @type {HTMLElement} */ (document.querySelector('parlor-list .scroll'));
    scroll.scrollTop = scroll.scrollHeight;
    return Number([...document.querySelectorAll('parlor-row')].at(-1)?.getAttribute('aria-setsize'));
  }), (size) => size >= CONVERSATIONS, 'all pages are loaded', 600_000);
  const { frames, tasks, rows } = await scrollUp(ada.page, 600);
  const sorted = frames.sort((a, b) => a - b);
  print(`frames while scrolling up: median ${percentile(sorted, 0.5)} ms, p95 ${percentile(sorted, 0.95)} ms, worst ${percentile(sorted, 1)} ms`);
  print(`tasks over 50 ms meanwhile: ${tasks.length} ${tasks.join(' ')}`);
  print(`rows at the most: ${rows}`);
  const longTasks = recordTasks(ada.page);
  await ben.sendMessages(first, ['One message into the last conversation.']);
  await ada.page.locator('parlor-row', { hasText: 'One message into the last' }).waitFor();
  print(`tasks over 50 ms for one message into the last: ${(await longTasks()).join(' ') || 'none'}`);
}, SETTINGS);
process.exit(0);

/** @param {string} line */
function print(line) {
  process.stdout.write(`${line}\n`);
}

/** @param {number[]} sorted @param {number} part @returns {string} */
function percentile(sorted, part) {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))].toFixed(0);
}

/** Records long tasks from now on. @param {Page} page @returns {() => Promise<number[]>} */
function recordTasks(page) {
  const tasks = page.evaluateHandle(() => {
    /** @type {number[]} */
    const all = [];
    new PerformanceObserver((list) => all.push(...list.getEntries().map((one) => Math.round(one.duration))))
      .observe({ type: 'longtask' });
    return all;
  });
  return async () => (await tasks).jsonValue();
}

/** Scrolls up as fast as a mouse wheel. @param {Page} page @param {number} count
 * @returns {Promise<{tasks: number[], frames: number[], rows: number}>} */
async function scrollUp(page, count) {
  const longTasks = recordTasks(page);
  const { frames, rows } = await page.evaluate(async (all) => {
    const list = /** @type {HTMLElement} */ (document.querySelector('parlor-list .scroll'));
    const times = [];
    let most = 0;
    let before = performance.now();
    for (let frame = 0; frame < all; frame += 1) {
      list.scrollTop -= 240;
      await new Promise(requestAnimationFrame);
      const now = performance.now();
      times.push(now - before);
      before = now;
      most = Math.max(most, document.querySelectorAll('parlor-row').length);
    }
    return { frames: times, rows: most };
  }, count);
  return { frames, rows, tasks: await longTasks() };
}
