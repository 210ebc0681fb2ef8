/**
 * A proxy between the browser and the server, whose connections a journey can cut.
 *
 * @import {AddressInfo, Socket} from 'node:net'
 * @import {TestServer} from './test-server.js'
 */
import { connect, createServer } from 'node:net';

/** A proxy to the server, which can block sockets or everything. */
export class NetworkProxy {
  /** @type {'open'|'no sockets'|'short requests only'|'closed'} */
  state = 'open';
  /** The open WebSockets. @type {Set<Socket>} */
  sockets = new Set();
  /** The bytes of an upload that pass before it is cut off, or held until `releaseUploads`. */
  uploads = { pass: Infinity, then: /** @type {'cut'|'hold'} */ ('cut') };
  /** @type {Set<() => void>} */
  #held = new Set();
  /** @type {Set<Socket>} */
  #all = new Set();

  /** @param {TestServer} server */
  constructor(server) {
    this.server = createServer((client) => this.#carry(client, server.port));
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
    url.port = String(/** @type {AddressInfo} */ (this.server.address()).port);
    return url.href;
  }

  /** @param {NetworkProxy['state']} state */
  setState(state) {
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
    this.setState('closed');
    this.server.close();
  }

  /** Passes a chunk of an upload, cuts the upload off or holds the chunk. @param {Socket} client
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

  /** @param {Socket} client @param {number} port */
  #carry(client, port) {
    this.#all.add(client);
    client.on('error', () => {});
    client.on('close', () => {
      this.#all.delete(client);
      this.sockets.delete(client);
      onward?.destroy();
    });
    /** @type {Socket|null} */
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
      const target = onward;
      if (carried >= 0) this.#passes(client, (carried += chunk.length), () => target.write(chunk));
      else target.write(chunk);
    });
  }
}
