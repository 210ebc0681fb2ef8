/**
 * The environment of the journeys: the built server with its demo, a proxy that can be closed, browsers, and axe.
 *
 * @import {Browser, BrowserContext, BrowserContextOptions, Page} from 'playwright-core'
 * @import {ChildProcess} from 'node:child_process'
 */
import { execFile, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';

const here = fileURLToPath(new URL('.', import.meta.url));
const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const shots = process.env.SCREENSHOTS;

/** @returns {string} the path of the server's binary */
function binary() {
  const beside = ['debug', 'release'].map((kind) => join(here, '../../../../target', kind, 'parlor'));
  const found = [process.env.PARLOR_BIN, ...beside].find((path) => path && existsSync(path));
  assert.ok(found, 'there is no server: build it, or set PARLOR_BIN');
  return found;
}

/** Returns the environment without the variables of the journeys. @returns {NodeJS.ProcessEnv} */
function surroundings() {
  const { PARLOR_BIN: _, ...rest } = process.env;
  return rest;
}

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
  '--no-first-run', '--host-resolver-rules=MAP *.localhost 127.0.0.1',
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

  /** Opens it. @returns {Promise<Person>} a user at an empty page */
  async person() {
    for (const name of ['DevToolsActivePort', 'SingletonLock', 'SingletonSocket', 'SingletonCookie']) {
      rmSync(join(this.folder, name), { force: true });
    }
    const flags = ['--headless=new', '--remote-debugging-port=0', `--user-data-dir=${this.folder}`, 'about:blank'];
    this.#process = spawn(browserPath(), [...FLAGS, ...flags], { stdio: 'ignore' });
    const told = join(this.folder, 'DevToolsActivePort');
    const port = await until(() => (existsSync(told) ? readFileSync(told, 'utf8').split('\n')[0] : ''), Boolean,
      'the browser is open');
    this.#browser = await chromium.connectOverCDP(`http://127.0.0.1:${port}`);
    const [context] = this.#browser.contexts();
    return new Person(context, await context.newPage());
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

/** The server, which can be killed and restarted with the same data and port. */
export class Demo {
  data = mkdtempSync(join(tmpdir(), 'parlor-journey-'));
  port = 0;
  /** @type {Record<string, string>} */
  links = {};
  /** The links as printed: they open the first conversation of the demo. @type {Record<string, string>} */
  firsts = {};
  /** @type {ChildProcess|null} */
  #process = null;

  /** @param {Record<string, string>} [settings] */
  async start(settings = {}) {
    const said = await this.run('demo', settings, (text) => /Ada .*Ben .*stop/su.test(text));
    for (const [, name, link] of said.matchAll(/Open as (\w+)\s+(http:\S+)\s/gu)) {
      // `links` open the list, and not the demo's first conversation.
      this.firsts[name.toLowerCase()] = link;
      [this.links[name.toLowerCase()]] = link.split('#');
    }
    this.port = Number(new URL(this.links.ada).port);
  }

  /** Starts a server without users. @param {Record<string, string>} settings */
  async serve(settings) {
    const said = await this.run('serve', settings, (text) => /on http:\S+/u.test(text));
    const link = /on (http:\S+)/u.exec(said)?.[1] ?? '';
    this.links.door = link;
    this.port = Number(new URL(link).port);
  }

  /** @param {string} command @param {Record<string, string>} settings @param {(text: string) => boolean} isReady
   * @returns {Promise<string>} its output until it was ready */
  async run(command, settings, isReady) {
    // PARLOR_BIN is no setting of the server.
    const { PARLOR_BIN: _, ...around } = process.env;
    const flags = [command, '--listen', `127.0.0.1:${this.port}`, '--data', this.data];
    const child = spawn(binary(), flags, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...around, ...settings } });
    this.#process = child;
    let said = '';
    return new Promise((resolve, reject) => {
      child.once('exit', (code) => reject(new Error(`the server ended with ${code}: ${said}`)));
      const hear = (/** @type {Buffer} */ chunk) => {
        said += chunk;
        if (isReady(said)) resolve(said);
      };
      child.stderr?.on('data', hear);
      child.stdout?.on('data', hear);
    });
  }

  /** Runs an operator command beside the running server. @param {...string} words */
  operate(...words) {
    return promisify(execFile)(binary(), [...words, '--data', this.data], { env: surroundings() });
  }

  /** @param {'SIGKILL'|'SIGTERM'} signal */
  async stop(signal = 'SIGKILL') {
    const child = this.#process;
    this.#process = null;
    if (!child || child.exitCode !== null) return;
    child.removeAllListeners('exit');
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await ended;
  }

  async end() {
    await this.stop();
    rmSync(this.data, { recursive: true, force: true });
  }
}

/** A proxy to the server, which can block sockets or everything. */
export class Way {
  /** @type {'open'|'no sockets'|'short requests only'|'closed'} */
  state = 'open';
  /** The open WebSockets. @type {Set<import('node:net').Socket>} */
  sockets = new Set();
  /** The bytes of an upload that pass before it is cut off, or held until `releaseUploads`. */
  uploads = { pass: Infinity, then: /** @type {'cut'|'hold'} */ ('cut') };
  /** @type {Set<() => void>} */
  #held = new Set();
  /** @type {Set<import('node:net').Socket>} */
  #all = new Set();

  /** @param {Demo} demo */
  constructor(demo) {
    this.server = createServer((client) => this.#carry(client, demo.port));
  }

  /** @returns {Promise<void>} */
  open() {
    return new Promise((resolve) => {
      this.server.listen(0, '127.0.0.1', resolve);
    });
  }

  /** Returns the same link through this proxy. @param {string} link @returns {string} */
  link(link) {
    const url = new URL(link);
    url.port = String(/** @type {import('node:net').AddressInfo} */ (this.server.address()).port);
    return url.href;
  }

  /** @param {Way['state']} state */
  become(state) {
    this.state = state;
    const cut = state === 'open' ? [] : state === 'no sockets' ? this.sockets : this.#all;
    for (const socket of [...cut]) socket.destroy();
  }

  /** Lets all uploads pass from now on, including those that are held. */
  releaseUploads() {
    this.uploads.pass = Infinity;
    for (const go of this.#held) go();
    this.#held.clear();
  }

  end() {
    this.become('closed');
    this.server.close();
  }

  /** Passes a chunk of an upload, cuts the upload off or holds the chunk. @param {import('node:net').Socket} client
   * @param {number} bytes @param {() => void} pass */
  #passes(client, bytes, pass) {
    if (bytes <= this.uploads.pass) {
      pass();
    } else if (this.uploads.then === 'cut') {
      client.destroy();
    } else {
      client.pause();
      this.#held.add(() => {
        pass();
        client.resume();
      });
    }
  }

  /** @param {import('node:net').Socket} client @param {number} port */
  #carry(client, port) {
    this.#all.add(client);
    client.on('error', () => {});
    client.on('close', () => {
      this.#all.delete(client);
      this.sockets.delete(client);
      onward?.destroy();
    });
    /** @type {import('node:net').Socket|null} */
    let onward = null;
    /** The bytes of the current upload of this connection; -1 outside an upload. */
    let carried = -1;
    client.on('data', (chunk) => {
      const head = /^([A-Z]+) (\S+) HTTP/u.exec(chunk.toString('latin1', 0, 2_048));
      if (head) carried = /^(?:POST|PATCH) \/v1\/uploads/u.test(`${head[1]} ${head[2]}`) ? 0 : -1;
      const upgrade = /^GET [^\r]*\r\n(?:[^\r]+\r\n)*upgrade: websocket/iu.test(chunk.toString('latin1'));
      const long = /^GET [^\r]*wait=25/u.test(chunk.toString('latin1'));
      const short = this.state === 'short requests only';
      if (this.state === 'closed' || (upgrade && this.state !== 'open') || (long && short)) {
        client.destroy();
        return;
      }
      if (upgrade) this.sockets.add(client);
      if (!onward) {
        onward = connect(port, '127.0.0.1');
        onward.on('error', () => client.destroy());
        onward.on('close', () => client.destroy());
        onward.on('data', (answer) => client.write(answer));
      }
      const way = onward;
      if (carried >= 0) this.#passes(client, (carried += chunk.length), () => way.write(chunk));
      else way.write(chunk);
    });
  }
}

/** A user at a browser page. */
export class Person {
  /** The errors of the page. @type {string[]} */
  complaints = [];

  /** @param {BrowserContext} context @param {Page} page */
  constructor(context, page) {
    this.context = context;
    this.page = page;
    page.on('pageerror', (error) => this.complaints.push(String(error.stack ?? error)));
    page.on('console', (message) => {
      const text = message.text();
      const network = /Failed to load resource|WebSocket connection|net::ERR/u.test(text);
      if (message.type() === 'error' && !network) this.complaints.push(text);
    });
  }

  /** @param {Browser} browser @param {string} link @param {BrowserContextOptions} [options] */
  static async open(browser, link, options = {}) {
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
    const person = new Person(context, await context.newPage());
    await person.page.goto(link);
    await person.page.locator('parlor-row, parlor-door form').first().waitFor();
    return person;
  }

  /** @param {string} name a text in the row */
  async choose(name) {
    await this.page.locator('parlor-row', { hasText: name }).first().click();
    await this.page.locator('parlor-run').first().waitFor();
  }

  /** @param {string} text */
  async say(text) {
    const field = this.page.getByRole('textbox', { name: 'Message' });
    await field.fill(text);
    // On a touch screen Enter starts a new line.
    const fingers = await this.page.evaluate(() => matchMedia('(pointer: coarse)').matches);
    if (fingers) await this.page.getByRole('button', { name: 'Send', exact: true }).tap();
    else await field.press('Enter');
  }

  /** Sends messages through the API, without the page. @param {number} conversation @param {string[]} texts
   * @param {{subject?: string, reply_to?: number}} [more] of each */
  async fill(conversation, texts, more = {}) {
    const statuses = await this.page.evaluate(async ([id, all, rest]) => {
      const answers = [];
      for (const text of /** @type {string[]} */ (all)) {
        const answer = await fetch(`/v1/conversations/${id}/messages`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ client_id: crypto.randomUUID(), text, ...rest }),
        });
        answers.push(answer.status);
      }
      return answers;
    }, /** @type {const} */ ([conversation, texts, more]));
    assert.deepEqual(statuses.filter((one) => one !== 200 && one !== 201), []);
  }

  /** Returns the keys that the browser stores for any user. @returns {Promise<string[]>} */
  kept() {
    return this.page.evaluate(() => Object.keys(localStorage).filter((key) => key.startsWith('parlor:')));
  }

  /** Returns the id of the open conversation. @returns {number} */
  conversation() {
    return Number(/#\/c\/(\d+)/u.exec(this.page.url())?.[1]);
  }

  /** @param {string} text */
  bubble(text) {
    return this.page.locator('parlor-said', { has: this.page.getByText(text, { exact: true }) });
  }

  /** Returns the texts of the open conversation, in order. @returns {Promise<string[]>} */
  async said() {
    return this.page.locator('.bubble .words').allTextContents();
  }

  /** Returns the distance to the end of the messages, in pixels. @returns {Promise<number>} */
  async fromEnd() {
    return this.page.locator('.talk').evaluate((talk) => talk.scrollHeight - talk.scrollTop - talk.clientHeight);
  }

  /** Checks that nothing can be scrolled sideways. */
  async assertNoSideways() {
    const wide = await this.page.evaluate(() => [...document.querySelectorAll('*')]
      .filter((one) => one.scrollWidth > one.clientWidth + 1 && one.clientWidth > 1
        && /auto|scroll/u.test(getComputedStyle(one).overflowX))
      .map((one) => one.className));
    assert.deepEqual(wide, []);
    assert.equal(await this.page.evaluate(() => document.documentElement.scrollWidth > innerWidth), false);
  }

  /** Checks that axe finds nothing. @param {string} screen */
  async check(screen) {
    await this.page.evaluate(axeSource);
    const { violations } = await this.page.evaluate(async () => {
      // A dialog that is still fading in has no contrast yet.
      await Promise.all(document.getAnimations().map((one) =>
        one.effect?.getComputedTiming().endTime === Infinity ? null : one.finished.catch(() => null)));
      return /** @type {any} */ (window).axe.run(document);
    });
    const place = (/** @type {any} */ node) => `${node.html.slice(0, 160)} ${node.any[0]?.message ?? ''}`;
    const found = violations.map((/** @type {any} */ one) =>
      `${one.id} (${one.impact}): ${one.nodes.map(place).join(' | ')}`);
    assert.deepEqual(found, [], `on ${screen}`);
    await this.shoot(screen);
  }

  /** Takes a screenshot if SCREENSHOTS is set. @param {string} name */
  async shoot(name) {
    if (!shots) return;
    mkdirSync(shots, { recursive: true });
    await this.page.screenshot({ path: join(shots, `${name.replaceAll(' ', '-')}.png`) });
  }
}

/** Polls until a condition holds. @template T @param {() => Promise<T>|T} look @param {(value: T) => boolean} holds
 * @param {string} what @param {number} [patience] @returns {Promise<T>} */
export async function until(look, holds, what, patience = 20_000) {
  const end = Date.now() + patience;
  for (;;) {
    const value = await look();
    if (holds(value)) return value;
    assert.ok(Date.now() < end, `${what}; the last value was ${JSON.stringify(value)}`);
    await new Promise((resolve) => {
      setTimeout(resolve, 50); // waits for: the next check
    });
  }
}

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
