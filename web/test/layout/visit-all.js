/**
 * Visits everything: the sign-in page, an empty inbox, every screen of a full one, and a lost connection.
 *
 * @import {NetworkProxy} from '../journeys/support/network-proxy.js'
 * @import {TestServer} from '../journeys/support/test-server.js'
 * @import {Conversations} from './scene.js'
 * @import {Size, View} from './browser-view.js'
 */
import { inBothThemes, visitScreens, load, signIn } from './visit.js';

/** @typedef {{view: View, size: Size, width: string}} Variant */

/** @param {{
 *   server: TestServer, proxy: NetworkProxy, conversations: Conversations, variants: Variant[], only?: string,
 *   visit: (variant: Variant, screen: string, theme: 'light'|'dark') => Promise<void>,
 * }} all */
export async function visitAllScreens({ server, proxy, conversations, variants, only = '', visit }) {
  for (const variant of variants) {
    const { view, size } = variant;
    const visitTheme = (/** @type {string} */ screen) => (/** @type {'light'|'dark'} */ theme) =>
      (screen.includes(only) ? visit(variant, screen, theme) : Promise.resolve());
    await view.size(size);
    await load(view, `http://127.0.0.1:${server.port}/`);
    await view.run(async () => {
      await driver.until(() => driver.has('parlor-sign-in form'), 'the sign-in page');
      await driver.settle();
    });
    await inBothThemes(view, visitTheme('sign in'));
    await view.run(async () => {
      await driver.press('.button.main');
      await driver.type('input[autocomplete="username"]', 'somebody');
      await driver.type('input[type="password"]', 'not the right one');
      await driver.press('.button.main');
      await driver.until(() => driver.has('.why', 'Wrong name or password. Check both and try again.'), 'the refusal');
    });
    await inBothThemes(view, visitTheme('sign in, refused'));
    await view.run(async () => {
      await driver.press('.button.plain');
      await driver.press('.button.main');
      await driver.until(() => driver.has('.why'), 'what is missing');
    });
    await inBothThemes(view, visitTheme('sign up'));
    await signIn(view, server, 'empty');
    await view.run(() => driver.until(() => driver.has('.nothing .button'), 'the empty inbox'));
    await inBothThemes(view, visitTheme('empty inbox'));
    await view.goTo(proxy.link(server.links.ada));
    await load(view, proxy.link(`${new URL(server.links.ada).origin}/#/`));
    await view.run(() => driver.until(() => driver.has('parlor-row'), 'rows'));
    await visitScreens(view, size, conversations, (screen, theme) => visitTheme(screen)(theme), only);
  }
  await visitLostConnection({ proxy, conversations, variants, only, visit });
}

/** Closes the connections of all views at once and visits what they show.
 * @param {{
 *   proxy: NetworkProxy, conversations: Conversations, variants: Variant[], only: string,
 *   visit: (variant: Variant, screen: string, theme: 'light'|'dark') => Promise<void>,
 * }} all */
async function visitLostConnection({ proxy, conversations, variants, only, visit }) {
  if (!['no connection', 'opened without a connection'].some((screen) => screen.includes(only))) return;
  const last = new Map(variants.map((one) => [one.view, one]));
  for (const view of last.keys()) await view.run((id) => driver.openThread(id), conversations.fresh);
  proxy.setState('closed');
  for (const view of last.keys()) {
    await view.run(async () => {
      for (const text of ['Written without a connection.', 'And another one\nof two lines.']) {
        await driver.type('.composer .text', text);
        await driver.press('.send');
      }
    });
  }
  for (const [view, variant] of last) {
    await view.run(async () => {
      await driver.until(() => driver.has('.banner'), 'the banner');
      await driver.settle();
    });
    for (const one of variants.filter((other) => other.view === view)) {
      await view.size(one.size);
      await view.run(() => driver.settle());
      await inBothThemes(view, (theme) => visit(one, 'no connection', theme));
      await view.run(showAsKept, Date.now() - 86_400_000);
      await inBothThemes(view, (theme) => visit(one, 'opened without a connection', theme));
      await view.run(showAsKept, null);
    }
    await view.size(variant.size);
  }
}

/** Shows the inbox as when it was kept on the device and opened without a connection. @param {number|null} savedAt */
async function showAsKept(savedAt) {
  const inbox = /** @type {import('../../src/inbox/inbox.js').ParlorInbox} */ (document.querySelector('parlor-inbox'));
  if (inbox.client) inbox.client.savedAt = savedAt;
  inbox.render();
  await driver.settle();
}

/* The steps run in the page, where `installDriver` has defined `driver`. */
/** @type {import('./screens.js').Driver} */
const driver = /** @type {any} */ (null);
