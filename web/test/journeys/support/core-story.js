/**
 * The core story in any browser that WebDriver drives: a user in it and another in Chromium write to each other, with
 * mouse and keyboard as their user would.
 *
 * @import {Browser} from 'playwright-core'
 * @import {NetworkProxy} from './network-proxy.js'
 * @import {TestServer} from './test-server.js'
 */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findLayoutIssues } from '../../layout/checks.js';
import { REVERSING_TEXT } from '../../layout/scene.js';
import { ITEM } from './fixtures.js';
import { UserPage } from './user-page.js';
import { until } from './wait.js';

/**
 * @typedef {{
 *   goTo: (url: string) => Promise<unknown>, size: (width: number, height: number) => Promise<unknown>,
 *   run: (code: string) => Promise<any>, act: (actions: object[]) => Promise<unknown>,
 *   takeScreenshot: () => Promise<Buffer>,
 * }} Engine `act` does actions as in WebDriver
 */

/** Keys as WebDriver names them. */
const KEYS = { enter: '\uE007', escape: '\uE00C', up: '\uE013', down: '\uE015', control: '\uE009' };

/** A user at a browser. */
class EngineUser {
  /** @param {string} name of the browser @param {Engine} engine */
  constructor(name, engine) {
    this.name = name;
    this.engine = engine;
  }

  /** @param {string} url */
  async open(url) {
    await this.engine.goTo(url);
    await this.#run(() => {
      const all = /** @type {any} */ (window).errors = /** @type {string[]} */ ([]);
      window.addEventListener('error', ({ message }) => all.push(message));
      window.addEventListener('unhandledrejection', ({ reason }) => all.push(String(reason?.stack ?? reason)));
    });
  }

  /** @template Arg @param {(arg: Arg) => unknown} what @param {Arg} [arg] */
  #run(what, arg) {
    return this.engine.run(`(${what})(${JSON.stringify(arg)})`);
  }

  /** Waits for a visible element that stays in its place, and returns its centre. @param {string} selector
   * @param {string} [text] in it */
  see(selector, text = '') {
    let before = '';
    return until(() => this.#run(({ css, words }) => {
      const one = [...document.querySelectorAll(css)].findLast((each) => each.checkVisibility()
        && `${each.textContent} ${each.getAttribute('aria-label') ?? ''}`.includes(words));
      if (!one) return null;
      one.scrollIntoView({ block: 'nearest' });
      const { x, y, width, height } = one.getBoundingClientRect();
      return { x: Math.round(x + width / 2), y: Math.round(y + height / 2) };
    }, { css: selector, words: text }), (place) => {
      const isSame = place !== null && JSON.stringify(place) === before;
      before = JSON.stringify(place);
      return isSame;
    }, `${this.name} shows ${selector} “${text}”`);
  }

  /** @param {string} selector @param {string} [text] */
  gone(selector, text = '') {
    return until(() => this.#run(({ css, words }) => [...document.querySelectorAll(css)]
      .some((each) => each.checkVisibility() && each.textContent?.includes(words)), { css: selector, words: text }),
    (isThere) => isThere === false, `${this.name} no longer shows ${selector} “${text}”`);
  }

  /** @param {object[]} actions of the mouse */
  #useMouse(actions) {
    return this.engine.act([{ type: 'pointer', id: 'mouse', parameters: { pointerType: 'mouse' }, actions }]);
  }

  /** @param {string} selector @param {string} [text] */
  async click(selector, text) {
    const place = await this.see(selector, text);
    await this.#useMouse([
      { type: 'pointerMove', ...place }, { type: 'pointerDown', button: 0 }, { type: 'pointerUp', button: 0 },
    ]);
  }

  /** Presses the right button as long as a hand does. @param {string} selector @param {string} [text] */
  async rightClick(selector, text) {
    const place = await this.see(selector, text);
    await this.#useMouse([
      { type: 'pointerMove', ...place }, { type: 'pointerDown', button: 2 }, { type: 'pause', duration: 300 },
      { type: 'pointerUp', button: 2 },
    ]);
  }

  /** @param {string} selector @param {string} [text] */
  async pointAt(selector, text) {
    await this.#useMouse([{ type: 'pointerMove', ...await this.see(selector, text) }]);
  }

  /** @param {string} text */
  async type(text) {
    const actions = [...text].flatMap((value) => [{ type: 'keyDown', value }, { type: 'keyUp', value }]);
    await this.engine.act([{ type: 'key', id: 'keys', actions }]);
  }

  /** @param {keyof typeof KEYS} key */
  press(key) {
    return this.type(KEYS[key]);
  }

  /** Sends a message. @param {string} text */
  async send(text) {
    await this.click('.composer textarea');
    await this.type(text);
    await this.press('enter');
  }

  /** @param {string} state */
  async checkLayout(state) {
    assert.deepEqual(await this.#run(findLayoutIssues, { isTouch: false, reversingText: REVERSING_TEXT }), [], `${this.name}, ${state}`);
    await this.takeScreenshot(state);
  }

  /** Takes a screenshot if SCREENSHOTS is set. @param {string} state */
  async takeScreenshot(state) {
    const folder = process.env.SCREENSHOTS;
    if (!folder) return;
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, `${this.name}-${state}.png`.replaceAll(' ', '-')), await this.engine.takeScreenshot());
  }

  /** @param {string} text @returns {Promise<number>} how many messages have it */
  count(text) {
    return this.#run((words) => [...document.querySelectorAll('parlor-message .text')].filter((one) => one.textContent === words).length, text);
  }

  /** @returns {Promise<string[]>} */
  errors() {
    return this.#run(() => /** @type {any} */ (window).errors);
  }
}

/** @param {{server: TestServer, proxy: NetworkProxy, browser: Browser}} place @param {string} name @param {Engine} engine */
export async function tellCoreStory({ server, proxy, browser }, name, engine) {
  const ada = new EngineUser(name, engine);
  const ben = await UserPage.open(browser, server.links.ben);
  try {
    await tell({ ada, ben, server, proxy });
  } catch (error) {
    await ada.takeScreenshot('failure');
    throw error;
  }
}

/** @param {{ada: EngineUser, ben: UserPage, server: TestServer, proxy: NetworkProxy}} place */
async function tell({ ada, ben, server, proxy }) {
  const { engine } = ada;
  await engine.size(1280, 800);
  await ada.open(proxy.link(server.links.ada));
  await ada.see('parlor-row', ITEM);
  await ada.checkLayout('list');
  await writeToEachOther(ada, ben);
  await useMenus(ada);
  await search(ada);
  await loseConnection(ada, ben, proxy);
  await engine.size(390, 800);
  await ada.see('.composer textarea');
  await ada.checkLayout('conversation 390');
  await engine.size(1280, 800);
  await signOut(ada);
  assert.deepEqual([...await ada.errors(), ...ben.errors], []);
}

/** @param {EngineUser} ada @param {UserPage} ben */
async function writeToEachOther(ada, ben) {
  await ben.openConversation(ITEM);
  await ada.click('parlor-row', ITEM);
  await ada.see('parlor-message-group');
  await ada.send('from here');
  await ben.bubble('from here').waitFor();
  await ada.see('.meta', 'Read');
  const field = ben.page.getByRole('textbox', { name: 'Message' });
  await field.pressSequentially('answ');
  await ada.see('parlor-row', 'typing');
  await field.fill('');
  await ben.send('an answer');
  await ada.see('parlor-message', 'an answer');
  await ada.checkLayout('conversation');
}

/** The menus of a message and of a row. @param {EngineUser} ada */
async function useMenus(ada) {
  await ada.rightClick('parlor-message .bubble', 'an answer');
  await ada.see('.menu .item', 'Reply');
  await ada.press('escape');
  await ada.gone('.menu .item', 'Reply');
  await openMessageMenu(ada);
  await ada.checkLayout('menu');
  await ada.click('.menu .item', 'Reply');
  await ada.see('.composer', 'an answer');
  await ada.type('a quote');
  await ada.press('enter');
  await ada.see('parlor-message .quote', 'an answer');
  await openMessageMenu(ada);
  await ada.click('.menu .quick button', '👍');
  await ada.see('parlor-message .reaction', '👍');
  await chooseFromRow(ada, 'Pin');
  await ada.see('parlor-row [aria-label="Pinned"]');
  await chooseFromRow(ada, 'Archive');
  await ada.gone('parlor-row', 'Tomás Ferreira');
  await ada.click('.toast .undo');
  await ada.see('parlor-row', 'Tomás Ferreira');
}

/** @param {EngineUser} ada */
async function openMessageMenu(ada) {
  await ada.pointAt('parlor-message .bubble', 'an answer');
  await ada.click('.message-controls button', 'More');
  await ada.see('.menu .item', 'Reply');
}

/** @param {EngineUser} ada @param {string} item */
async function chooseFromRow(ada, item) {
  await ada.rightClick('parlor-row', 'Tomás Ferreira');
  await ada.click('.menu .item', item);
}

/** @param {EngineUser} ada */
async function search(ada) {
  await ada.click('.search input');
  await ada.type('quote');
  await ada.see('parlor-results mark', 'quote');
  await ada.checkLayout('search');
  await ada.press('escape');
  await ada.press('escape');
  await ada.see('parlor-row', ITEM);
}

/** What is no network is sent once. @param {EngineUser} ada @param {UserPage} ben
 * @param {NetworkProxy} proxy */
async function loseConnection(ada, ben, proxy) {
  proxy.setState('closed');
  await ada.send('no network');
  await ada.see('parlor-message', 'no network');
  proxy.setState('open');
  await ben.bubble('no network').waitFor({ timeout: 40_000 });
  assert.equal(await ada.count('no network'), 1);
}

/** @param {EngineUser} ada */
async function signOut(ada) {
  await ada.click('.list-head button', 'settings');
  // The sessions arrive later, and push the button down.
  await ada.see('parlor-settings *', 'This device');
  await ada.click('button', 'Sign out');
  await ada.see('parlor-sign-in form');
  await ada.checkLayout('sign in');
}
