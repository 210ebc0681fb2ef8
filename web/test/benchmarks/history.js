/**
 * Measures opening and jumping in a conversation of 100,000 messages: `npm run figures`, with a server built with
 * --release. Prints medians and worst cases; asserts only that it measures the right thing.
 *
 * Measured in the page, from the click (or key) to the first frame after the messages are there. `MESSAGES` sets
 * another number, `RUNS` the number of measurements. The messages are first sent over sockets, which takes a minute or
 * two. The page's own work is the time of its main thread, without the time that other processes take.
 *
 * @import {Page} from 'playwright-core'
 */
import assert from 'node:assert/strict';
import { fillConversation, SETTINGS } from '../journeys/support/bulk-messages.js';
import { ITEM } from '../journeys/support/fixtures.js';
import { runJourney } from '../journeys/support/journey.js';
import { UserPage } from '../journeys/support/user-page.js';
import { until } from '../journeys/support/wait.js';

const MESSAGES = Number(process.env.MESSAGES ?? 100_000);
const RUNS = Number(process.env.RUNS ?? 15);

await runJourney(async ({ server, browser }) => {
  const ada = await UserPage.open(browser, server.links.ada);
  const ben = await UserPage.open(browser, server.links.ben);
  await ada.openConversation(ITEM);
  const conversation = ada.conversationId();
  const began = Date.now();
  await fillConversation([ada, ben], conversation, MESSAGES, 200);
  print(`${MESSAGES} messages sent in ${Math.round((Date.now() - began) / 1000)} s`);
  await ben.page.close();
  const session = await ada.page.context().newCDPSession(ada.page);
  await session.send('Performance.enable', { timeDomain: 'threadTicks' });
  const worked = async () => {
    const { metrics } = await session.send('Performance.getMetrics');
    return 1_000 * (metrics.find((one) => one.name === 'TaskDuration')?.value ?? 0);
  };
  const [opens, jumps, openWork, jumpWork] = /** @type {number[][]} */ ([[], [], [], []]);
  for (let run = 0; run < RUNS; run += 1) {
    await unloadThread(ada.page);
    const before = await worked();
    opens.push(await openConversation(ada.page));
    const between = await worked();
    jumps.push(await jumpToStart(ada.page));
    openWork.push(between - before);
    jumpWork.push(await worked() - between);
  }
  printTimes('open at its end, from click to painted', opens, 200);
  printTimes('  the page\'s own work', openWork);
  printTimes('jump to its first message', jumps, 300);
  printTimes('  the page\'s own work', jumpWork);
  await unloadThread(ada.page);
  await openConversation(ada.page);
  const before = await worked();
  const { tasks, frames, rows } = await scrollUp(ada.page, 600);
  print(`the page's own work in a frame while scrolling up: ${((await worked() - before) / 600).toFixed(1)} ms`);
  printTimes('frame while scrolling up', frames);
  print(`tasks over 50 ms while scrolling up ${frames.length} frames: ${tasks.length} ${tasks.join(' ')}`);
  print(`rows at the most: ${rows}`);
  const heap = await ada.page.evaluate(() => /** @type {any} */ (performance).memory?.usedJSHeapSize ?? 0);
  print(`heap after it: ${Math.round(heap / 2 ** 20)} MiB`);
  assert.deepEqual(ada.errors, []);
}, SETTINGS);
process.exit(0);

/** @param {string} line */
function print(line) {
  process.stdout.write(`${line}\n`);
}

/** @param {string} what @param {number[]} times @param {number} [goal] */
function printTimes(what, times, goal) {
  const sorted = [...times].sort((a, b) => a - b);
  const at = (/** @type {number} */ part) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))];
  const words = `median ${at(0.5).toFixed(0)} ms, p95 ${at(0.95).toFixed(0)} ms, worst ${sorted.at(-1)?.toFixed(0)} ms`;
  print(`${what}: ${words}${goal ? ` (wanted: under ${goal} ms)` : ''}`);
}

/** Reloads a page without a thread, so that nothing of the thread is loaded. @param {Page} page */
async function unloadThread(page) {
  await page.evaluate(() => {
    location.hash = '#/settings';
  });
  await page.reload();
  await page.locator('parlor-row', { hasText: ITEM }).first().waitFor();
  await until(() => page.evaluate(() => document.querySelectorAll('parlor-message').length), (count) => count === 0,
    'no thread is shown');
}

/** @param {Page} page @returns {Promise<number>} */
function openConversation(page) {
  return page.evaluate(async ([title, last]) => {
    const row = [...document.querySelectorAll('parlor-row')].find((one) => one.textContent?.includes(title));
    const began = performance.now();
    /** @type {HTMLElement} */ (row).click();
    const there = () => /** @type {any} */ ([...document.querySelectorAll('parlor-message')].at(-1))?.seq >= last;
    while (!there()) await new Promise((resolve) => setTimeout(resolve, 0)); // waits for: the next task
    // The frame that paints the messages has ended when the next one begins.
    await new Promise(requestAnimationFrame);
    await new Promise((resolve) => setTimeout(resolve, 0)); // waits for: the next task
    return performance.now() - began;
  }, /** @type {const} */ ([ITEM, MESSAGES]));
}

/** @param {Page} page @returns {Promise<number>} */
function jumpToStart(page) {
  return page.evaluate(async () => {
    const log = /** @type {HTMLElement} */ (document.querySelector('.message-log'));
    log.focus();
    const began = performance.now();
    log.dispatchEvent(new KeyboardEvent('keydown', { key: 'Home', bubbles: true, cancelable: true }));
    const there = () => /** @type {any} */ (document.querySelector('parlor-message'))?.seq === 1;
    while (!there()) await new Promise((resolve) => setTimeout(resolve, 0)); // waits for: the next task
    await new Promise(requestAnimationFrame);
    await new Promise((resolve) => setTimeout(resolve, 0)); // waits for: the next task
    return performance.now() - began;
  });
}

/** Scrolls up as fast as a mouse wheel. @param {Page} page @param {number} count
 * @returns {Promise<{tasks: number[], frames: number[], rows: number}>} */
function scrollUp(page, count) {
  return page.locator('.message-log').evaluate(async (log, frames) => {
    /** @type {number[]} */
    const tasks = [];
    const observer = new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) tasks.push(Math.round(entry.duration));
    });
    observer.observe({ type: 'longtask' });
    const times = [];
    let rows = 0;
    let before = performance.now();
    for (let frame = 0; frame < frames; frame += 1) {
      log.scrollTop -= 120;
      await new Promise(requestAnimationFrame);
      const now = performance.now();
      times.push(now - before);
      before = now;
      rows = Math.max(rows, log.querySelectorAll('parlor-message').length);
    }
    observer.disconnect();
    return { tasks, frames: times, rows };
  }, count);
}
