/**
 * What the journeys stand on: the built server with its demo, a way to it that can be closed, two browsers, and axe.
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

/** @returns {string} the server to try */
function binary() {
  const beside = ['debug', 'release'].map((kind) => join(here, '../../../target', kind, 'parlor'));
  const found = [process.env.PARLOR_BIN, ...beside].find((path) => path && existsSync(path));
  assert.ok(found, 'there is no server to try: build it, or name it in PARLOR_BIN');
  return found;
}

/** The environment, without what only journeys know. @returns {NodeJS.ProcessEnv} */
function surroundings() {
  const { PARLOR_BIN: _, ...rest } = process.env;
  return rest;
}

/** @returns {string} a Chromium */
function browserPath() {
  const places = [
    process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome',
    '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  ];
  const found = places.find((path) => path && existsSync(path));
  assert.ok(found, 'there is no Chromium: install it, or name it in CHROMIUM');
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

/** A browser whose profile outlives it, so that it can be closed or killed and opened again. */
export class Profile {
  folder = mkdtempSync(join(tmpdir(), 'parlor-profile-'));
  /** @type {ChildProcess|null} */
  #process = null;
  /** @type {Browser|null} */
  #browser = null;

  /** Opens it. @returns {Promise<Person>} somebody at an empty page */
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

  /** Ends it in good order. */
  async close() {
    const ended = this.#ended();
    const session = await this.#browser?.newBrowserCDPSession();
    await session?.send('Browser.close');
    await ended;
  }

  /** Ends it as a crash does. */
  async kill() {
    const ended = this.#ended();
    this.#process?.kill('SIGKILL');
    await ended;
  }

  async end() {
    await this.kill();
    // Its helpers may still write for a moment.
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

/** The demo, which can be killed and started again on the same data and port. */
export class Demo {
  data = mkdtempSync(join(tmpdir(), 'parlor-journey-'));
  port = 0;
  /** @type {Record<string, string>} */
  links = {};
  /** The same as they are printed: they lead to the first conversation of the story. @type {Record<string, string>} */
  firsts = {};
  /** @type {ChildProcess|null} */
  #process = null;

  /** @param {Record<string, string>} [settings] */
  async start(settings = {}) {
    const said = await this.run('demo', settings, (text) => /Ada .*Ben .*stop/su.test(text));
    for (const [, name, link] of said.matchAll(/Open as (\w+)\s+(http:\S+)\s/gu)) {
      // A person of these opens with the list, and not with the story's first conversation.
      this.firsts[name.toLowerCase()] = link;
      [this.links[name.toLowerCase()]] = link.split('#');
    }
    this.port = Number(new URL(this.links.ada).port);
  }

  /** The real thing, with nobody in it. @param {Record<string, string>} settings */
  async serve(settings) {
    const said = await this.run('serve', settings, (text) => /on http:\S+/u.test(text));
    const link = /on (http:\S+)/u.exec(said)?.[1] ?? '';
    this.links.door = link;
    this.port = Number(new URL(link).port);
  }

  /** @param {string} command @param {Record<string, string>} settings @param {(text: string) => boolean} isReady
   * @returns {Promise<string>} what it said until it was ready */
  async run(command, settings, isReady) {
    // What names the server is not a setting of it.
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

  /** What the operator does beside the running server. @param {...string} words */
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

/** The way to the server: it can be closed for sockets, or for everything. */
export class Way {
  /** @type {'open'|'no sockets'|'short requests only'|'closed'} */
  state = 'open';
  /** WebSockets that are open through it. @type {Set<import('node:net').Socket>} */
  sockets = new Set();
  /** How many bytes of an upload pass before it is cut off, or held until it is let on. */
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

  /** The same link through this way. @param {string} link @returns {string} */
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

  /** Lets uploads pass from now on, those that are held too. */
  letOn() {
    this.uploads.pass = Infinity;
    for (const go of this.#held) go();
    this.#held.clear();
  }

  end() {
    this.become('closed');
    this.server.close();
  }

  /** Whether this much of an upload may pass; else it is cut off or held.
   * @param {import('node:net').Socket} client @param {number} bytes @param {() => void} pass */
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
    /** Of the upload that this connection carries, if it does. */
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

/** A person at a browser. */
export class Person {
  /** What the page complained of. @type {string[]} */
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

  /** @param {string} name what a row says */
  async choose(name) {
    await this.page.locator('parlor-row', { hasText: name }).first().click();
    await this.page.locator('parlor-run').first().waitFor();
  }

  /** @param {string} text */
  async say(text) {
    const field = this.page.getByRole('textbox', { name: 'Message' });
    await field.fill(text);
    // Where one writes with a finger, Enter begins a line.
    const fingers = await this.page.evaluate(() => matchMedia('(pointer: coarse)').matches);
    if (fingers) await this.page.getByRole('button', { name: 'Send', exact: true }).tap();
    else await field.press('Enter');
  }

  /** Sends without showing it, to have something to read. @param {number} conversation @param {string[]} texts
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

  /** What the browser keeps for anybody. @returns {Promise<string[]>} */
  kept() {
    return this.page.evaluate(() => Object.keys(localStorage).filter((key) => key.startsWith('parlor:')));
  }

  /** The open conversation. @returns {number} */
  conversation() {
    return Number(/#\/c\/(\d+)/u.exec(this.page.url())?.[1]);
  }

  /** @param {string} text */
  bubble(text) {
    return this.page.locator('parlor-said', { has: this.page.getByText(text, { exact: true }) });
  }

  /** All that is said in the open conversation, in order. @returns {Promise<string[]>} */
  async said() {
    return this.page.locator('.bubble .words').allTextContents();
  }

  /** How far the end of the messages is from being seen, in pixels. @returns {Promise<number>} */
  async fromEnd() {
    return this.page.locator('.talk').evaluate((talk) => talk.scrollHeight - talk.scrollTop - talk.clientHeight);
  }

  /** Nothing can be scrolled sideways. */
  async assertNoSideways() {
    const wide = await this.page.evaluate(() => [...document.querySelectorAll('*')]
      .filter((one) => one.scrollWidth > one.clientWidth + 1 && one.clientWidth > 1
        && /auto|scroll/u.test(getComputedStyle(one).overflowX))
      .map((one) => one.className));
    assert.deepEqual(wide, []);
    assert.equal(await this.page.evaluate(() => document.documentElement.scrollWidth > innerWidth), false);
  }

  /** axe finds nothing. @param {string} screen */
  async check(screen) {
    await this.page.evaluate(axeSource);
    const { violations } = await this.page.evaluate(async () => {
      // A dialog that fades in has no contrast yet.
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

  /** Keeps a picture where one is wanted. @param {string} name */
  async shoot(name) {
    if (!shots) return;
    mkdirSync(shots, { recursive: true });
    await this.page.screenshot({ path: join(shots, `${name.replaceAll(' ', '-')}.png`) });
  }
}

/** Waits for a condition, looking again and again.
 * @template T @param {() => Promise<T>|T} look @param {(value: T) => boolean} holds @param {string} what
 * @param {number} [patience] @returns {Promise<T>} */
export async function until(look, holds, what, patience = 20_000) {
  const end = Date.now() + patience;
  for (;;) {
    const value = await look();
    if (holds(value)) return value;
    assert.ok(Date.now() < end, `${what}; the last look gave ${JSON.stringify(value)}`);
    await new Promise((resolve) => {
      setTimeout(resolve, 50); // waits for: the next look
    });
  }
}

/** A server, a way to it and a browser, and the end of all of them.
 * @param {(place: {demo: Demo, way: Way, browser: Browser}) => Promise<void>} journey
 * @param {Record<string, string>} [settings]
 * @param {'demo'|'serve'} [what] the demo, or the real thing with nobody in it */
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
