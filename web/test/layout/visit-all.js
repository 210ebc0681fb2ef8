/**
 * Visits everything: the sign-in page, an empty inbox, every screen of a full one, and a lost connection.
 *
 * @import {Way} from '../journeys/support/network-proxy.js'
 * @import {Demo} from '../journeys/support/test-server.js'
 * @import {Rooms} from './scene.js'
 * @import {Size, View} from './browser-view.js'
 */
import { both, goThrough, load, signIn } from './visit.js';

/** @typedef {{view: View, size: Size, width: string}} Look */

/** @param {{
 *   demo: Demo, way: Way, rooms: Rooms, looks: Look[], only?: string,
 *   look: (how: Look, screen: string, theme: 'light'|'dark') => Promise<void>,
 * }} all */
export async function screensOf({ demo, way, rooms, looks, only = '', look }) {
  for (const how of looks) {
    const { view, size } = how;
    const tell = (/** @type {string} */ screen) => (/** @type {'light'|'dark'} */ theme) =>
      (screen.includes(only) ? look(how, screen, theme) : Promise.resolve());
    await view.size(size);
    await load(view, `http://127.0.0.1:${demo.port}/`);
    await view.run(async () => {
      await hands.until(() => hands.has('parlor-door form'), 'the sign-in page');
      await hands.calm();
    });
    await both(view, tell('sign in'));
    await view.run(async () => {
      await hands.press('.button.main');
      await hands.type('input[autocomplete="username"]', 'somebody');
      await hands.type('input[type="password"]', 'not the right one');
      await hands.press('.button.main');
      await hands.until(() => hands.has('.why', 'not right'), 'the refusal');
    });
    await both(view, tell('sign in, refused'));
    await view.run(async () => {
      await hands.press('.button.plain');
      await hands.press('.button.main');
      await hands.until(() => hands.has('.why'), 'what is missing');
    });
    await both(view, tell('sign up'));
    await signIn(view, demo, 'empty');
    await view.run(() => hands.until(() => hands.has('.nothing .button'), 'the empty inbox'));
    await both(view, tell('empty inbox'));
    await view.goTo(way.link(demo.links.ada));
    await load(view, way.link(`${new URL(demo.links.ada).origin}/#/`));
    await view.run(() => hands.until(() => hands.has('parlor-row'), 'rows'));
    await goThrough(view, size, rooms, (screen, theme) => tell(screen)(theme), only);
  }
  await lost({ way, rooms, looks, only, look });
}

/** Closes the connections of all views at once and visits what they show.
 * @param {{
 *   way: Way, rooms: Rooms, looks: Look[], only: string,
 *   look: (how: Look, screen: string, theme: 'light'|'dark') => Promise<void>,
 * }} all */
async function lost({ way, rooms, looks, only, look }) {
  if (!'no connection'.includes(only)) return;
  const last = new Map(looks.map((one) => [one.view, one]));
  for (const view of last.keys()) await view.run((id) => hands.thread(id), rooms.fresh);
  way.become('closed');
  for (const view of last.keys()) {
    await view.run(async () => {
      for (const text of ['Written without a connection.', 'And another one\nof two lines.']) {
        await hands.type('.composer .words', text);
        await hands.press('.send');
      }
    });
  }
  for (const [view, how] of last) {
    await view.run(async () => {
      await hands.until(() => hands.has('.banner'), 'the banner');
      await hands.calm();
    });
    for (const one of looks.filter((other) => other.view === view)) {
      await view.size(one.size);
      await view.run(() => hands.calm());
      await both(view, (theme) => look(one, 'no connection', theme));
    }
    await view.size(how.size);
  }
}

/* The steps run in the page, where `installHands` has defined `hands`. */
/** @type {import('./screens.js').Hands} */
const hands = /** @type {any} */ (null);
