/**
 * The built server: with its demo, or without users.
 *
 * @import {ChildProcess} from 'node:child_process'
 */
import { execFile, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import assert from 'node:assert/strict';

const here = fileURLToPath(new URL('.', import.meta.url));

/** @returns {string} the path of the server's binary */
export function binary() {
  const beside = ['debug', 'release'].map((kind) => join(here, '../../../../target', kind, 'parlor'));
  const found = [process.env.PARLOR_BIN, ...beside].find((path) => path && existsSync(path));
  assert.ok(found, 'there is no server: build it, or set PARLOR_BIN');
  return found;
}

/** Returns the environment without PARLOR_BIN, which is no setting of the server. @returns {NodeJS.ProcessEnv} */
function environment() {
  const { PARLOR_BIN: _, ...rest } = process.env;
  return rest;
}

/** The server, which can be killed and restarted with the same data and port. */
export class TestServer {
  data = mkdtempSync(join(tmpdir(), 'parlor-journey-'));
  port = 0;
  /** @type {Record<string, string>} */
  links = {};
  /** The links as printed: they open the first conversation of the demo. @type {Record<string, string>} */
  printedLinks = {};
  /** @type {ChildProcess|null} */
  #process = null;

  /** @param {Record<string, string>} [settings] */
  async start(settings = {}) {
    const output = await this.run('demo', settings, (text) => /Ada .*Ben .*Stop/su.test(text));
    for (const [, name, link] of output.matchAll(/Open as (\w+)\s+(http:\S+)\s/gu)) {
      // `links` open the list, and not the demo's first conversation.
      this.printedLinks[name.toLowerCase()] = link;
      [this.links[name.toLowerCase()]] = link.split('#');
    }
    this.port = Number(new URL(this.links.ada).port);
  }

  /** Starts a server without users. @param {Record<string, string>} settings */
  async serve(settings) {
    const output = await this.run('serve', settings, (text) => /on http:\S+/u.test(text));
    const link = /on (http:\S+)/u.exec(output)?.[1] ?? '';
    this.links.signIn = link;
    this.port = Number(new URL(link).port);
  }

  /** @param {string} command @param {Record<string, string>} settings @param {(text: string) => boolean} isReady
   * @returns {Promise<string>} its output until it was ready */
  async run(command, settings, isReady) {
    const flags = [command, '--listen', `127.0.0.1:${this.port}`, '--data', this.data];
    const child = spawn(binary(), flags, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...environment(), ...settings } });
    this.#process = child;
    let output = '';
    return new Promise((resolve, reject) => {
      child.once('exit', (code) => reject(new Error(`the server ended with ${code}: ${output}`)));
      // waits for: a server that never says that it is ready
      setTimeout(() => reject(new Error(`the server is not ready: ${output}`)), 120_000).unref();
      const collect = (/** @type {Buffer} */ chunk) => {
        output += chunk;
        if (isReady(output)) resolve(output);
      };
      child.stderr?.on('data', collect);
      child.stdout?.on('data', collect);
    });
  }

  /** Runs an operator command beside the running server. @param {...string} words */
  runCommand(...words) {
    return promisify(execFile)(binary(), [...words, '--data', this.data], { env: environment() });
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
