/**
 * Drives the system's Firefox with WebDriver BiDi over a WebSocket: only the parts of both that the layout checks need.
 * Playwright drives only its own build of Firefox.
 */
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import assert from 'node:assert/strict';

/** @import {ChildProcess} from 'node:child_process' */
/** @import {Duplex} from 'node:stream' */

const PREFERENCES = {
  'browser.shell.checkDefaultBrowser': false, 'browser.startup.page': 0, 'browser.aboutwelcome.enabled': false,
  'datareporting.policy.dataSubmissionEnabled': false, 'datareporting.policy.firstRunURL': '',
  'app.update.disabledForTesting': true, 'browser.safebrowsing.update.enabled': false,
  'extensions.update.enabled': false, 'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false, 'toolkit.telemetry.reportingpolicy.firstRun': false,
  'services.settings.server': 'data:,', 'browser.region.update.enabled': false, 'remote.active-protocols': 1,
  'network.dns.localDomains': '', 'network.trr.mode': 5, 'ui.prefersReducedMotion': 1,
  'intl.accept_languages': 'en-GB',
};

/** @returns {string} a Firefox */
function firefoxPath() {
  const places = [
    process.env.FIREFOX, '/usr/bin/firefox-esr', '/usr/bin/firefox', '/Applications/Firefox.app/Contents/MacOS/firefox',
  ];
  const found = places.find((path) => path && existsSync(path));
  assert.ok(found, 'there is no Firefox: install it, or set FIREFOX');
  return found;
}

/** A client WebSocket for text messages. */
class TextSocket {
  /** @type {(text: string) => void} */
  onText = () => {};
  #buffer = Buffer.alloc(0);
  /** @type {Buffer[]} */
  #fragments = [];

  /** @param {Duplex} socket @param {Buffer} head */
  constructor(socket, head) {
    this.socket = socket;
    socket.on('data', (chunk) => this.#read(chunk));
    socket.on('error', () => {});
    this.#read(head);
  }

  /** @param {string} address @returns {Promise<TextSocket>} */
  static open(address) {
    const key = randomBytes(16).toString('base64');
    const url = new URL(address);
    return new Promise((resolve, reject) => {
      const upgrade = request({
        host: url.hostname, port: url.port, path: url.pathname,
        headers: {
          connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-key': key, 'sec-websocket-version': '13',
        },
      });
      upgrade.on('upgrade', (answer, socket, head) => {
        const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
        if (answer.headers['sec-websocket-accept'] === accept) resolve(new TextSocket(socket, head));
        else reject(new Error('no WebSocket'));
      });
      upgrade.on('response', (answer) => reject(new Error(`no WebSocket: ${answer.statusCode}`)));
      upgrade.on('error', reject);
      upgrade.end();
    });
  }

  /** @param {string} text */
  send(text) {
    const body = Buffer.from(text);
    const { length } = body;
    const size = length < 126 ? 0 : length < 65_536 ? 2 : 8;
    const head = Buffer.alloc(2 + size + 4);
    head[0] = 0x81;
    head[1] = 0x80 | (size === 0 ? length : size === 2 ? 126 : 127);
    if (size === 2) head.writeUInt16BE(length, 2);
    if (size === 8) head.writeBigUInt64BE(BigInt(length), 2);
    const mask = randomBytes(4);
    mask.copy(head, 2 + size);
    for (let at = 0; at < length; at += 1) body[at] ^= mask[at & 3];
    this.socket.write(Buffer.concat([head, body]));
  }

  /** @param {Buffer} chunk */
  #read(chunk) {
    this.#buffer = Buffer.concat([this.#buffer, chunk]);
    for (;;) {
      if (this.#buffer.length < 2) return;
      const short = this.#buffer[1] & 0x7f;
      const begin = short < 126 ? 2 : short === 126 ? 4 : 10;
      if (this.#buffer.length < begin) return;
      const length = short < 126 ? short
        : short === 126 ? this.#buffer.readUInt16BE(2) : Number(this.#buffer.readBigUInt64BE(2));
      if (this.#buffer.length < begin + length) return;
      const [first, body] = [this.#buffer[0], this.#buffer.subarray(begin, begin + length)];
      this.#buffer = this.#buffer.subarray(begin + length);
      // Control frames do not matter here.
      if ((first & 0x0f) > 2) continue;
      this.#fragments.push(body);
      if ((first & 0x80) === 0) continue;
      this.onText(Buffer.concat(this.#fragments).toString());
      this.#fragments = [];
    }
  }
}

/** One Firefox with one window. */
export class Firefox {
  profile = mkdtempSync(join(tmpdir(), 'parlor-firefox-'));
  /** The errors of the page. @type {string[]} */
  errors = [];
  /** @type {ChildProcess|null} */
  #process = null;
  /** @type {TextSocket|null} */
  #socket = null;
  /** @type {Map<number, {resolve: (value: any) => void, reject: (error: Error) => void}>} */
  #pending = new Map();
  #last = 0;
  /** While one page replaces another. */
  #isLeaving = false;
  context = '';

  /** @returns {Promise<Firefox>} */
  static async open() {
    const firefox = new Firefox();
    try {
      await firefox.#start();
      return firefox;
    } catch (error) {
      await firefox.close();
      throw error;
    }
  }

  async #start() {
    const lines = Object.entries(PREFERENCES).map(([name, value]) => `user_pref("${name}", ${JSON.stringify(value)});`);
    writeFileSync(join(this.profile, 'user.js'), lines.join('\n'));
    const flags = ['--headless', '--no-remote', '--profile', this.profile, '--remote-debugging-port', '0', 'about:blank'];
    // A home folder of its own keeps the user's settings out.
    const env = { ...process.env, HOME: this.profile, MOZ_CRASHREPORTER_DISABLE: '1' };
    const child = spawn(firefoxPath(), flags, { stdio: ['ignore', 'ignore', 'pipe'], env });
    this.#process = child;
    const address = await new Promise((resolve, reject) => {
      let output = '';
      child.once('exit', (code) => reject(new Error(`Firefox ended with ${code}: ${output}`)));
      child.once('error', reject);
      child.stderr?.on('data', (chunk) => {
        output += chunk;
        const found = /WebDriver BiDi listening on (ws:\S+)/u.exec(output);
        if (found) resolve(found[1]);
      });
    });
    this.#socket = await TextSocket.open(`${address}/session`);
    this.#socket.onText = (text) => this.#receive(JSON.parse(text));
    await this.command('session.new', { capabilities: {} });
    await this.command('session.subscribe', { events: ['log.entryAdded'] });
    const { context } = await this.command('browsingContext.create', { type: 'tab' });
    this.context = context;
  }

  /** @param {any} frame */
  #receive(frame) {
    if (frame.type === 'event') {
      const { level, text, type } = frame.params;
      const network = /WebSocket|NetworkError|can’t establish a connection|The connection to wss?:/u.test(text ?? '');
      // A page that is left cancels what it loads; Firefox calls that an error of the service worker.
      const cancelled = this.#isLeaving && /ServiceWorker intercepted the request/u.test(text ?? '');
      if (level === 'error' && type === 'javascript' && !network && !cancelled) this.errors.push(text);
      return;
    }
    const command = this.#pending.get(frame.id);
    this.#pending.delete(frame.id);
    if (frame.type === 'success') command?.resolve(frame.result);
    else command?.reject(new Error(`${frame.error}: ${frame.message}`));
  }

  /** @param {string} method @param {object} params @returns {Promise<any>} */
  command(method, params) {
    this.#last += 1;
    const id = this.#last;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject });
      this.#socket?.send(JSON.stringify({ id, method, params }));
    });
  }

  /** @param {string} url */
  async goTo(url) {
    this.#isLeaving = true;
    try {
      await this.command('browsingContext.navigate', { context: this.context, url, wait: 'complete' });
    } finally {
      this.#isLeaving = false;
    }
  }

  /** @param {number} width @param {number} height */
  size(width, height) {
    return this.command('browsingContext.setViewport', { context: this.context, viewport: { width, height } });
  }

  /** Evaluates an expression in the page. @param {string} code an expression, which may be a promise
   * @returns {Promise<any>} */
  async run(code) {
    const expression = `(async () => JSON.stringify((await (${code})) ?? null))()`;
    const answer = await this.command('script.evaluate', {
      expression, target: { context: this.context }, awaitPromise: true, userActivation: true,
    });
    if (answer.type === 'exception') throw new Error(answer.exceptionDetails.text);
    return JSON.parse(answer.result.value);
  }

  /** @returns {Promise<Buffer>} a screenshot */
  async takeScreenshot() {
    const { data } = await this.command('browsingContext.captureScreenshot', { context: this.context });
    return Buffer.from(data, 'base64');
  }

  /** Does what a user does with mouse and keyboard. @param {object[]} actions as in WebDriver */
  act(actions) {
    return this.command('input.performActions', { context: this.context, actions });
  }

  /** Presses a key, as a user does. @param {string} key */
  press(key) {
    return this.act([{ type: 'key', id: 'keys', actions: [{ type: 'keyDown', value: key }, { type: 'keyUp', value: key }] }]);
  }

  async close() {
    const child = this.#process;
    this.#process = null;
    if (child && child.exitCode === null) {
      child.removeAllListeners('exit');
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await ended;
    }
    rmSync(this.profile, { recursive: true, force: true, maxRetries: 5 });
  }
}
