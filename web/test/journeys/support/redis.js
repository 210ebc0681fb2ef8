/**
 * A Redis server for one journey.
 *
 * @import {AddressInfo} from 'node:net'
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { until } from './wait.js';

/** @returns {Promise<number>} */
async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = /** @type {AddressInfo} */ (server.address());
  server.close();
  await once(server, 'close');
  return port;
}

/** @param {number} port @returns {Promise<boolean>} */
function answers(port) {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}

/** Runs something with the URL of a Redis server that stores nothing. @param {(url: string) => Promise<void>} work */
export async function withRedis(work) {
  const port = await freePort();
  const flags = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
  const server = spawn('redis-server', flags, { stdio: 'ignore' });
  try {
    await until(() => answers(port), Boolean, 'Redis answers');
    await work(`redis://127.0.0.1:${port}`);
  } finally {
    server.kill();
  }
}
