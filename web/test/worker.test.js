/**
 * The service worker, in a sandbox: what it keeps, in which order, and what it answers.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import vm from 'node:vm';

const source = readFileSync(new URL('../src/worker.js', import.meta.url), 'utf8');
const [PAGE, SCRIPT] = ['/in/web/index.html', '/in/web/main-0123456789abcdef.js'];

/** Starts a worker. @param {Record<string, string>} answers the files of the server, by path */
function startWorker(answers) {
  /** @type {Record<string, (event: any) => void>} */
  const listeners = {};
  /** @type {Map<string, Map<string, Response>>} */
  const kept = new Map();
  /** @type {string[]} */
  const log = [];
  const open = async (/** @type {string} */ name) => {
    const files = kept.get(name) ?? new Map();
    kept.set(name, files);
    return { put: async (/** @type {string} */ path, /** @type {Response} */ response) => void files.set(path, response) };
  };
  const caches = {
    open, keys: async () => [...kept.keys()], delete: async (/** @type {string} */ name) => kept.delete(name),
    match: async (/** @type {string} */ path, /** @type {{cacheName?: string}} */ { cacheName }) =>
      [...kept].flatMap(([name, files]) => (cacheName === undefined || name === cacheName ? files.get(path) ?? [] : []))[0],
  };
  vm.runInNewContext(source, {
    parlorFiles: { version: 'v2', root: '/in', page: PAGE, files: [SCRIPT] },
    caches, Response, URL, setTimeout, location: { origin: 'https://chat.example' },
    skipWaiting: async () => {}, clients: { claim: async () => {} },
    addEventListener: (/** @type {string} */ type, /** @type {(event: any) => void} */ act) => { listeners[type] = act; },
    fetch: async (/** @type {string|Request} */ what) => {
      const path = typeof what === 'string' ? what : new URL(what.url).pathname;
      log.push(typeof what === 'string' ? what : what.url);
      return new Response(answers[path] ?? '', { status: path in answers ? 200 : 404 });
    },
  });
  const run = (/** @type {string} */ type) => {
    /** @type {Promise<unknown>|undefined} */
    let done;
    listeners[type]({ waitUntil: (/** @type {Promise<unknown>} */ promise) => { done = promise; } });
    return done;
  };
  const visit = async (/** @type {string} */ url) => {
    /** @type {Promise<Response>|undefined} */
    let answer;
    listeners.fetch({
      request: { method: 'GET', mode: 'navigate', url }, respondWith: (/** @type {Promise<Response>} */ promise) => { answer = promise; },
    });
    return (await answer)?.text();
  };
  return { kept, log, run, visit };
}

test('a page of another version is not kept, nor any file beside it', async () => {
  const worker = startWorker({ [PAGE]: '<script src="/in/web/main-fedcba9876543210.js">', [SCRIPT]: 'script' });
  await assert.rejects(async () => worker.run('install'), /another version/u);
  assert.deepEqual([...worker.kept.values()].flatMap((files) => [...files.keys()]), []);
});

test('the page is kept last, when all its files are', async () => {
  const page = `<script src="${SCRIPT}">`;
  const incomplete = startWorker({ [PAGE]: page });
  await assert.rejects(async () => incomplete.run('install'), /404/u);
  assert.ok(![...incomplete.kept.values()].some((files) => files.has(PAGE)));
  const worker = startWorker({ [PAGE]: page, [SCRIPT]: 'script' });
  await worker.run('install');
  assert.deepEqual([...worker.kept].map(([name, files]) => [name, ...files.keys()]), [['parlor-files:/in:v2', SCRIPT, PAGE]]);
});

test('what another application shares opens the kept page, and the server does not see it', async () => {
  const worker = startWorker({ [PAGE]: `<script src="${SCRIPT}">`, [SCRIPT]: 'script', '/in/': 'the page of the server' });
  await worker.run('install');
  assert.equal(await worker.visit('https://chat.example/in/'), 'the page of the server');
  worker.log.length = 0;
  assert.equal(await worker.visit('https://chat.example/in/?share-text=a+secret'), `<script src="${SCRIPT}">`);
  assert.deepEqual(worker.log, []);
});
