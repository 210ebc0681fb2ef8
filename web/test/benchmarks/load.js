/**
 * Measures the first and the second load of the inbox over a connection of 100 ms and 10 Mbit/s: `npm run load`, best
 * with a server built with --release. Prints requests, bytes and times; asserts nothing. `RUNS` sets the number of
 * loads, of which the median is printed; `LATENCY` (ms) and `KBIT` set another connection.
 *
 * @import {Load} from '../journeys/support/page-load.js'
 */
import { assets, bytes, laterAssets, load, openSignedIn } from '../journeys/support/page-load.js';
import { runJourney } from '../journeys/support/journey.js';

const RUNS = Number(process.env.RUNS ?? 5);
const NETWORK = { latency: Number(process.env.LATENCY ?? 100), kbit: Number(process.env.KBIT ?? 10_000) };

await runJourney(async ({ server, browser }) => {
  for (const width of [1280, 390]) {
    /** @type {Record<string, Load[]>} */
    const loads = { cold: [], warm: [] };
    for (let run = 0; run < RUNS; run += 1) {
      const context = await openSignedIn(browser, server.links.ada, { viewport: { width, height: 800 } });
      const url = new URL('/', server.links.ada).href;
      loads.cold.push(await load(context, url, NETWORK));
      loads.warm.push(await load(context, url, NETWORK));
      await context.close();
    }
    for (const [kind, all] of Object.entries(loads)) printLoads(`${kind}, ${width} px wide`, all);
    if (width === 1280) printRequests(loads.cold[0]);
  }
});
process.exit(0);

/** @param {string} what @param {Load[]} all */
function printLoads(what, all) {
  const median = (/** @type {(one: Load) => number} */ of) => all.map(of).sort((a, b) => a - b)[Math.floor(all.length / 2)];
  const network = (/** @type {Load} */ one) => one.requests.filter(({ cached }) => !cached).length;
  const later = (/** @type {Load} */ one) => laterAssets(one).reduce((sum, script) => sum + script.bytes, 0);
  print(`${what}: ${median(network)} requests, ${(median(bytes) / 1_000).toFixed(1)} kB, and `
    + `${(median(later) / 1_000).toFixed(1)} kB when idle; of assets `
    + `${median((one) => assets(one).filter(({ cached }) => !cached).length)}; first paint `
    + `${Math.round(median((one) => one.paint.first))} ms, list ${Math.round(median((one) => one.paint.list))} ms, `
    + `largest paint ${Math.round(median((one) => one.paint.largest))} ms, shift `
    + `${median((one) => one.paint.shift).toFixed(4)} (the most: `
    + `${Math.max(...all.map((one) => one.paint.shift)).toFixed(4)})`);
  for (const mover of new Set(all.flatMap((one) => one.paint.shifted))) print(`  moved: ${mover}`);
}

/** @param {Load} one */
function printRequests(one) {
  for (const { url, bytes: size, encoding, status } of one.requests) {
    print(`  ${String(size).padStart(7)} ${status} ${encoding.padEnd(5)} ${new URL(url).pathname}`);
  }
}

/** @param {string} line */
function print(line) {
  process.stdout.write(`${line}\n`);
}
