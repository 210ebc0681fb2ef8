/**
 * A list of codes, live by a socket. It is opened again five times, after 2, 4, 8, 16 and 32 seconds; after that the
 * page polls every five seconds.
 */
'use strict';

(() => {
  const TRIES = 5;
  const FIRST_PAUSE_MS = 2000;
  const POLL_MS = 5000;
  const PING_MS = 30000;
  const table = document.getElementById('codes');
  const form = document.getElementById('add');
  let tries = 0;

  function show(code) {
    if (table.querySelector(`tr[data-id="${code.id}"]`)) return;
    const row = table.tBodies[0].insertRow();
    row.dataset.id = code.id;
    row.insertCell().textContent = code.code;
    row.insertCell().textContent = code.name;
  }

  async function poll() {
    const answer = await fetch(table.dataset.list);
    (await answer.json()).codes.forEach(show);
  }

  function open() {
    const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
    const socket = new WebSocket(`${scheme}://${location.host}/ws/${table.dataset.kind}-codes/`);
    const ping = setInterval(() => {
      if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ type: 'ping' }));
    }, PING_MS);
    socket.onopen = () => {
      tries = 0;
    };
    socket.onmessage = (event) => {
      const frame = JSON.parse(event.data);
      if (frame.type === `${table.dataset.kind}_code_created`) show(frame.code);
    };
    socket.onclose = () => {
      clearInterval(ping);
      if (tries >= TRIES) {
        setInterval(poll, POLL_MS);
        return;
      }
      setTimeout(open, FIRST_PAUSE_MS * 2 ** tries);
      tries += 1;
    };
  }

  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const answer = await (await fetch(table.dataset.add, { method: 'POST', body: new FormData(form) })).json();
    document.getElementById('failure').textContent = answer.status === 'success' ? '' : answer.message;
    if (answer.status !== 'success') return;
    show(answer.code);
    form.reset();
  });

  open();
})();
