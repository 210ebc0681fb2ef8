/**
 * Rates the sign-in page and the inbox with Lighthouse, as on a phone and as on a desktop: `npm run lighthouse`. Prints
 * the median of each category; asserts nothing. `RUNS` sets the number of loads, `PAGES` and `DEVICES` choose
 * (`PAGES=inbox DEVICES=mobile`), and `REPORTS` names a folder for what Lighthouse found.
 *
 * Lighthouse has some two hundred packages, so it is installed on first use, into `target/lighthouse`, and is not among
 * those of `package.json`.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { chromium } from 'playwright-core';
import { Profile } from '../journeys/support/browser.js';
import { signIn } from '../journeys/support/page-load.js';
import { TestServer } from '../journeys/support/test-server.js';

/** The last version for Node.js 20. */
const LIGHTHOUSE = 'lighthouse@12.8.2';
const ATTEMPTS = 3;
const RUNS = Number(process.env.RUNS ?? 5);
const DEVICES = ['mobile', 'desktop'].filter((one) => (process.env.DEVICES ?? one).includes(one));
const PAGES = ['sign-in', 'inbox'].filter((one) => (process.env.PAGES ?? one).includes(one));
const CATEGORIES = ['performance', 'accessibility', 'best-practices', 'seo'];
const METRICS = {
  'first-contentful-paint': 'first paint', 'largest-contentful-paint': 'largest paint',
  'total-blocking-time': 'blocked', 'speed-index': 'speed index',
};

const tool = await install();
const server = new TestServer();
try {
  await server.start();
  for (const device of DEVICES) {
    for (const page of PAGES) await rate(device, page);
  }
} finally {
  await server.end();
}
process.exit(0);

/** @returns {Promise<any>} the module of Lighthouse */
async function install() {
  const folder = join(fileURLToPath(new URL('../../../', import.meta.url)), 'target/lighthouse');
  const root = join(folder, 'node_modules/lighthouse');
  if (!existsSync(root)) {
    mkdirSync(folder, { recursive: true });
    const flags = ['install', '--prefix', folder, '--no-save', '--ignore-scripts', '--no-audit', '--no-fund'];
    execFileSync('npm', [...flags, LIGHTHOUSE], { stdio: ['ignore', 'ignore', 'inherit'] });
  }
  const { main } = createRequire(import.meta.url)(join(root, 'package.json'));
  return import(pathToFileURL(join(root, main)).href);
}

/** @param {string} device @param {string} page */
async function rate(device, page) {
  /** @type {any[]} */
  const results = [];
  /** @type {number[]} */
  const powers = [];
  for (let run = 0; run < RUNS; run += 1) {
    // How fast the processor is, is known after a load; the first is thrown away.
    if (powers.length === 0) powers.push((await loadAgain(device, page, 1)).environment.benchmarkIndex);
    const result = await loadAgain(device, page, slowdown(median(powers)));
    powers.push(result.environment.benchmarkIndex);
    results.push(result);
  }
  const scores = CATEGORIES.map((name) => `${name} ${Math.round(100 * median(results.map((one) => one.categories[name].score)))}`);
  const times = Object.entries(METRICS).map(([id, name]) => `${name} ${Math.round(median(results.map((one) => one.audits[id].numericValue)))} ms`);
  const shift = median(results.map((one) => one.audits['cumulative-layout-shift'].numericValue));
  const performance = results.map((one) => Math.round(100 * one.categories.performance.score)).sort((a, b) => a - b);
  print(`${page}, ${device}: ${scores.join(', ')}; ${times.join(', ')}, shift ${shift.toFixed(3)}; performance from `
    + `${performance[0]} to ${performance.at(-1)}, BenchmarkIndex ${Math.round(median(powers))}, slowdown `
    + `${device === 'mobile' ? slowdown(median(powers)) : 1}, load average ${loadavg()[0].toFixed(1)}`);
  printFindings(results[0]);
  if (process.env.REPORTS) {
    mkdirSync(process.env.REPORTS, { recursive: true });
    results.forEach((one, run) => writeFileSync(join(process.env.REPORTS ?? '', `${page}-${device}-${run}.json`), JSON.stringify(one)));
  }
}

/** Prints what is less than perfect outside of performance. @param {any} result */
function printFindings({ categories, audits }) {
  for (const name of CATEGORIES.slice(1)) {
    for (const { id, weight } of categories[name].auditRefs) {
      const { score, title } = audits[id];
      if (weight > 0 && score !== null && score < 1) print(`  ${name}: ${id}: ${title}`);
    }
  }
}

/**
 * How many times slower a mid-range phone is than this machine. Lighthouse's own factor is 4, for a desktop with a
 * `BenchmarkIndex` of 1,500 (docs/throttling.md there); a slow or busy machine needs less.
 * @param {number} power the `BenchmarkIndex` @returns {number}
 */
function slowdown(power) {
  return Math.min(4, Math.max(1, Math.round(10 * power / 375) / 10));
}

/** Loads a page, again if the browser recorded nothing of use, as Lighthouse asks for.
 * @param {string} device @param {string} page @param {number} multiplier @returns {Promise<any>} */
async function loadAgain(device, page, multiplier) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await load(device, page, multiplier);
    } catch (error) {
      if (attempt === ATTEMPTS) throw error;
      print(`  again: ${error}`);
    }
  }
}

/** Loads a page in a browser that was never there. @param {string} device @param {string} page
 * @param {number} cpuSlowdownMultiplier of a phone @returns {Promise<any>} */
async function load(device, page, cpuSlowdownMultiplier) {
  const profile = new Profile();
  try {
    const port = await profile.open();
    if (page === 'inbox') {
      const browser = await chromium.connectOverCDP(`http://127.0.0.1:${port}`);
      await signIn(browser.contexts()[0], server.links.ada);
      await browser.close();
    }
    const config = device === 'desktop' ? tool.desktopConfig
      : { extends: 'lighthouse:default', settings: { throttling: { cpuSlowdownMultiplier } } };
    const flags = { port: Number(port), logLevel: 'error', onlyCategories: CATEGORIES };
    const { lhr } = await tool.default(new URL('/', server.links.ada).href, flags, config);
    if (lhr.runtimeError) throw new Error(lhr.runtimeError.message);
    return lhr;
  } finally {
    await profile.end();
  }
}

/** @param {number[]} all @returns {number} */
function median(all) {
  return [...all].sort((a, b) => a - b)[Math.floor(all.length / 2)];
}

/** @param {string} line */
function print(line) {
  process.stdout.write(`${line}\n`);
}
