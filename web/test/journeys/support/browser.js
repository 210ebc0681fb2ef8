/**
 * Chromium: with a fresh context for each user, or with a lasting profile.
 *
 * @import {Browser} from 'playwright-core'
 * @import {ChildProcess} from 'node:child_process'
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';
import { UserPage } from './user-page.js';
import { until } from './wait.js';

/** @returns {string} the path of Chromium */
function browserPath() {
  const places = [
    process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome',
    '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  ];
  const found = places.find((path) => path && existsSync(path));
  assert.ok(found, 'there is no Chromium: install it, or set CHROMIUM');
  return found;
}

const FLAGS = [
  '--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update', '--disable-sync',
  '--no-first-run', '--lang=en-GB', '--host-resolver-rules=MAP *.localhost 127.0.0.1',
];

/** @returns {Promise<Browser>} */
export function openBrowser() {
  return chromium.launch({ executablePath: browserPath(), args: FLAGS });
}

/** A browser with a lasting profile, which can be closed or killed and opened again. */
export class Profile {
  folder = mkdtempSync(join(tmpdir(), 'parlor-profile-'));
  /** @type {ChildProcess|null} */
  #process = null;
  /** @type {Browser|null} */
  #browser = null;

  /** Opens it. @returns {Promise<UserPage>} a user at an empty page */
  async person() {
    this.#browser = await chromium.connectOverCDP(`http://127.0.0.1:${await this.open()}`);
    const [context] = this.#browser.contexts();
    return new UserPage(context, await context.newPage());
  }

  /** Opens it without a connection. @returns {Promise<string>} the port of its DevTools */
  async open() {
    for (const name of ['DevToolsActivePort', 'SingletonLock', 'SingletonSocket', 'SingletonCookie']) {
      rmSync(join(this.folder, name), { force: true });
    }
    const flags = ['--headless=new', '--remote-debugging-port=0', `--user-data-dir=${this.folder}`, 'about:blank'];
    this.#process = spawn(browserPath(), [...FLAGS, ...flags], { stdio: 'ignore' });
    const portFile = join(this.folder, 'DevToolsActivePort');
    return until(() => (existsSync(portFile) ? readFileSync(portFile, 'utf8').split('\n')[0] : ''), Boolean,
      'the browser is open');
  }

  /** Closes the browser normally. */
  async close() {
    const ended = this.#ended();
    const session = await this.#browser?.newBrowserCDPSession();
    await session?.send('Browser.close');
    await ended;
  }

  /** Kills the browser, as a crash does. */
  async kill() {
    const ended = this.#ended();
    this.#process?.kill('SIGKILL');
    await ended;
  }

  async end() {
    await this.kill();
    // Child processes may still write for a moment.
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }

  /** @returns {Promise<void>} */
  #ended() {
    const child = this.#process;
    if (!child || child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
    return new Promise((resolve) => {
      child.once('exit', () => resolve());
    });
  }
}
