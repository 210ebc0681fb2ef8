/**
 * The environment of a journey: the built server, a proxy to it, and a browser.
 *
 * @import {Browser} from 'playwright-core'
 */
import { openBrowser } from './browser.js';
import { Way } from './network-proxy.js';
import { Demo } from './test-server.js';

/** Runs a journey with a server, a proxy and a browser, and closes them.
 * @param {(place: {demo: Demo, way: Way, browser: Browser}) => Promise<void>} journey
 * @param {Record<string, string>} [settings] @param {'demo'|'serve'} [what] the demo, or a server without users */
export async function travel(journey, settings = {}, what = 'demo') {
  const demo = new Demo();
  const way = new Way(demo);
  /** @type {Browser|undefined} */
  let browser;
  try {
    await (what === 'serve' ? demo.serve(settings) : demo.start(settings));
    await way.open();
    browser = await openBrowser();
    await journey({ demo, way, browser });
  } finally {
    await browser?.close();
    way.end();
    await demo.end();
  }
}
