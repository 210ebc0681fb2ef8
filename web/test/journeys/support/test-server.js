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
