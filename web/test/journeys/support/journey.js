/**
 * The environment of a journey: the built server, a proxy to it, and a browser.
 *
 * @import {Browser} from 'playwright-core'
 */
import { openBrowser } from './browser.js';
import { NetworkProxy } from './network-proxy.js';
import { TestServer } from './test-server.js';

/** Runs a journey with a server, a proxy and a browser, and closes them.
 * @param {(place: {server: TestServer, proxy: NetworkProxy, browser: Browser}) => Promise<void>} journey
 * @param {Record<string, string>} [settings] @param {'demo'|'serve'} [what] the demo, or a server without users */
export async function runJourney(journey, settings = {}, what = 'demo') {
  const server = new TestServer();
  const proxy = new NetworkProxy(server);
  /** @type {Browser|undefined} */
  let browser;
  try {
    await (what === 'serve' ? server.serve(settings) : server.start(settings));
    await proxy.open();
    browser = await openBrowser();
    await journey({ server, proxy, browser });
  } finally {
    await browser?.close();
    proxy.end();
    await server.end();
  }
}
