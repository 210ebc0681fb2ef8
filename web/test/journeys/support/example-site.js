/**
 * An example of examples/: its Django site, Parlor and nginx on one origin, and pages of its people.
 *
 * @import {Browser, BrowserContext, Page} from 'playwright-core'
 * @import {ChildProcess} from 'node:child_process'
 */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import assert from 'node:assert/strict';
import { openBrowser } from './browser.js';
import { binary } from './test-server.js';
import { UserPage } from './user-page.js';
import { until } from './wait.js';

const root = fileURLToPath(new URL('../../../../', import.meta.url));

/** @returns {string} the Python of the examples' virtual environment */
function python() {
  const path = process.env.EXAMPLES_PYTHON ?? join(root, 'target/examples/bin/python');
  assert.ok(existsSync(path), 'there is no virtual environment: run `cargo xtask test`');
  return path;
}

/** A running example, whose parts are started again when they are killed. */
export class ExampleSite {
  /** @type {Record<string, string>} */
  links = {};
  /** The process ids of django, nginx and parlor. @type {Record<string, number>} */
  pids = {};
  port = 0;
  /** Where its data and logs are. */
  folder = '';
  /** @type {ChildProcess|null} */
  #process = null;

  /** @param {'findit'|'accounting'} name @param {'parlor'|'channels'} [realtime] @param {string[]} [more] flags
   * @returns {Promise<void>} */
  start(name, realtime = 'parlor', more = []) {
    const parlor = realtime === 'parlor' ? ['--parlor', binary()] : [];
    const flags = [join(root, 'examples/start.py'), name, '--json', '--realtime', realtime, ...parlor, ...more];
    const child = spawn(python(), flags, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#process = child;
    let errors = '';
    child.stderr.on('data', (chunk) => {
      errors += chunk;
    });
    return new Promise((resolve, reject) => {
      child.once('exit', (code) => reject(new Error(`the example ended with ${code}: ${errors}`)));
      createInterface(child.stdout).on('line', (line) => {
        const event = JSON.parse(line);
        if (event.restarted) this.pids[event.restarted] = event.pid;
        else resolve(void Object.assign(this, event));
      });
    });
  }

  /** Kills a part with its workers, and waits until it has been started again and answers.
   * @param {'django'|'parlor'} part */
  async kill(part) {
    const before = this.pids[part];
    process.kill(-before, 'SIGKILL');
    await until(() => this.pids[part], (pid) => pid !== before, `${part} is started again`);
    const address = `http://127.0.0.1:${this.port}${part === 'django' ? '/login/' : '/theme.css'}`;
    await until(() => fetch(address).then(({ ok }) => ok, () => false), Boolean, `${part} answers`);
  }

  /** Begins to restart Parlor in place. @returns {() => Promise<unknown>} waits until it serves again */
  restartParlor() {
    const starts = () => readFileSync(join(this.folder, 'logs/parlor.log'), 'utf8').split('Parlor serves on').length;
    const before = starts();
    process.kill(/** @type {number} */ (this.pids.parlor), 'SIGUSR2');
    return () => until(starts, (now) => now > before, 'Parlor serves again');
  }

  /** Signs a person in, in a browser context of their own. @param {Browser} browser @param {string} person
   * @returns {Promise<VisitorPage>} */
  async signIn(browser, person) {
    const context = await browser.newContext({ locale: 'en-GB', viewport: { width: 1280, height: 800 }, timezoneId: 'UTC' });
    await context.addInitScript(keepSockets);
    const visitor = new VisitorPage(context, await context.newPage(), `http://${person}.localhost:${this.port}`);
    await visitor.page.goto(this.links[person] ?? `${visitor.origin}/sign-in-as/${person}/`);
    return visitor;
  }

  async end() {
    const child = this.#process;
    if (!child || child.exitCode !== null) return;
    child.removeAllListeners('exit');
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    await ended;
  }
}

/** Keeps the sockets of a page in `window.sockets`. */
function keepSockets() {
  const all = Object.assign(window, { sockets: /** @type {WebSocket[]} */ ([]) }).sockets;
  window.WebSocket = class extends WebSocket {
    /** @param {string|URL} url @param {string|string[]} [protocols] */
    constructor(url, protocols) {
      super(url, protocols);
      all.push(this);
    }
  };
}

/** A person at a page of the site. */
export class VisitorPage {
  /** The errors of the page. @type {string[]} */
  errors = [];

  /** @param {BrowserContext} context @param {Page} page @param {string} origin */
  constructor(context, page, origin) {
    this.context = context;
    this.page = page;
    this.origin = origin;
    page.on('pageerror', (error) => this.errors.push(String(error.stack ?? error)));
  }

  /** Waits until the page's last socket is open. @returns {Promise<unknown>} */
  socketIsOpen() {
    return this.page.waitForFunction(() => /** @type {any} */ (window).sockets.at(-1)?.readyState === 1);
  }

  /** Opens Parlor's inbox beside, with the session of this page. @returns {Promise<UserPage>} */
  async openInbox() {
    const user = new UserPage(this.context, await this.context.newPage());
    await user.page.goto(`${this.origin}/parlor/`);
    await user.page.locator('parlor-row').first().waitFor();
    return user;
  }
}

/** Runs a journey with an example and a browser, and closes them.
 * @param {'findit'|'accounting'} name @param {(place: {site: ExampleSite, browser: Browser}) => Promise<void>} journey
 * @param {'parlor'|'channels'} [realtime] @param {string[]} [more] flags of examples/start.py */
export async function runExample(name, journey, realtime = 'parlor', more = []) {
  const site = new ExampleSite();
  /** @type {Browser|undefined} */
  let browser;
  try {
    await site.start(name, realtime, more);
    browser = await openBrowser();
    await journey({ site, browser });
  } finally {
    await browser?.close();
    await site.end();
  }
}
