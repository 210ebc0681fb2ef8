/**
 * Loads the inbox and records the load: the requests with their bytes on the wire, the paint times, and the layout
 * shifts.
 *
 * @import {Browser, BrowserContext, BrowserContextOptions, Page} from 'playwright-core'
 */
import assert from 'node:assert/strict';
import { until } from './wait.js';

/**
 * @typedef {{url: string, type: string, bytes: number, cached: boolean, status: number, encoding: string}} LoadedRequest
 * @typedef {{first: number, largest: number, list: number, shift: number, shifted: string[]}} Paint in milliseconds
 *   since the load began; `shift` is the sum of the layout shifts
 * @typedef {{requests: LoadedRequest[], paint: Paint}} Load
 * @typedef {{latency: number, kbit: number}} Network the round trip in milliseconds, and kbit/s
 */

/** Opens a browser context that is signed in and has not loaded the page yet. @param {Browser} browser
 * @param {string} link @param {BrowserContextOptions} [options] @returns {Promise<BrowserContext>} */
export async function openSignedIn(browser, link, options = {}) {
  const context = await browser.newContext({ locale: 'en-GB', viewport: { width: 1280, height: 800 }, ...options });
  await signIn(context, link);
  return context;
}

/** Signs in without loading the page. @param {BrowserContext} context @param {string} link */
export async function signIn(context, link) {
  const page = await context.newPage();
  await page.goto(new URL('/livez', link).href);
  await page.evaluate((path) => fetch(path, { redirect: 'manual' }), new URL(link).pathname + new URL(link).search);
  assert.ok((await context.cookies(link)).some((one) => one.name.includes('session')), 'the session cookie is set');
  await page.close();
}

/** Loads a page until its list is there and all requests have ended. @param {BrowserContext} context
 * @param {string} url @param {Network|null} [line] @returns {Promise<Load>} */
export async function load(context, url, line = null) {
  const page = await context.newPage();
  const session = await context.newCDPSession(page);
  await session.send('Network.enable');
  if (line) {
    await session.send('Network.emulateNetworkConditions', {
      offline: false, latency: line.latency, downloadThroughput: line.kbit * 125, uploadThroughput: line.kbit * 125,
    });
  }
  /** @type {Map<string, LoadedRequest>} */
  const requests = new Map();
  let last = Date.now();
  const open = new Set();
  session.on('Network.requestWillBeSent', ({ requestId, request, type }) => {
    if (request.url.startsWith('blob:') || request.url.startsWith('data:')) return;
    open.add(requestId);
    requests.set(requestId,
      { url: request.url, type: type ?? '', bytes: 0, cached: false, status: 0, encoding: '' });
    last = Date.now();
  });
  session.on('Network.requestServedFromCache', ({ requestId }) => {
    const one = requests.get(requestId);
    if (one) one.cached = true;
  });
  session.on('Network.responseReceived', ({ requestId, response }) => {
    const one = requests.get(requestId);
    if (!one) return;
    one.status = response.status;
    one.cached ||= response.fromDiskCache ?? false;
    one.encoding = response.headers['content-encoding'] ?? response.headers['Content-Encoding'] ?? '';
  });
  const ended = (/** @type {{requestId: string, encodedDataLength?: number}} */ { requestId, encodedDataLength = 0 }) => {
    const one = requests.get(requestId);
    if (one) one.bytes = one.cached ? 0 : encodedDataLength;
    open.delete(requestId);
    last = Date.now();
  };
  session.on('Network.loadingFinished', ended);
  session.on('Network.loadingFailed', ended);
  await page.addInitScript(observePaints);
  await page.goto(url);
  await page.locator('parlor-row, parlor-sign-in form').first().waitFor({ state: 'attached' });
  await until(() => open.size === 0 && Date.now() - last > 500, Boolean, 'all requests have ended');
  const paint = await page.evaluate(() => /** @type {any} */ (window).paint());
  await page.close();
  return { requests: [...requests.values()], paint };
}

/** Observes paints and layout shifts; runs in the page before any of its scripts. */
function observePaints() {
  const paint = { first: 0, largest: 0, list: 0, shift: 0, shifted: /** @type {string[]} */ ([]) };
  const observe = (/** @type {string} */ type, /** @type {(entry: any) => void} */ take) =>
    new PerformanceObserver((list) => list.getEntries().forEach(take)).observe({ type, buffered: true });
  observe('paint', (entry) => {
    if (entry.name === 'first-contentful-paint') paint.first = entry.startTime;
  });
  observe('largest-contentful-paint', (entry) => { paint.largest = entry.startTime; });
  observe('layout-shift', (entry) => {
    if (entry.hadRecentInput) return;
    paint.shift += entry.value;
    for (const { node } of entry.sources) paint.shifted.push(`${node?.nodeName}.${node?.className} ${entry.value}`);
  });
  new MutationObserver((_, observer) => {
    if (!document.querySelector('parlor-row')) return;
    paint.list = performance.now();
    observer.disconnect();
  }).observe(document, { childList: true, subtree: true });
  Object.assign(window, { paint: () => paint });
}

/** The script that is loaded when the browser has nothing else to do. */
const LATER = /^\/web\/later-/u;

/** Returns the scripts, style sheets and other parts of the page, without the script for later. @param {Load} one
 * @returns {LoadedRequest[]} */
export function assets({ requests }) {
  return requests.filter(({ url }) => /^\/(?:web\/|theme)/u.test(pathOf(url)) && !LATER.test(pathOf(url)));
}

/** Returns the requests of the script for later. @param {Load} one @returns {LoadedRequest[]} */
export function laterAssets({ requests }) {
  return requests.filter(({ url }) => LATER.test(pathOf(url)));
}

/** Returns the bytes on the wire, without the script for later, sockets and profile pictures, whose number depends on
 * the demo. @param {Load} one @returns {number} */
export function bytes({ requests }) {
  const own = requests.filter(({ url }) => !/^\/v1\/pictures\//u.test(pathOf(url)) && !LATER.test(pathOf(url)));
  return own.reduce((sum, one) => sum + one.bytes, 0);
}

/** @param {string} url @returns {string} */
function pathOf(url) {
  return new URL(url).pathname;
}
