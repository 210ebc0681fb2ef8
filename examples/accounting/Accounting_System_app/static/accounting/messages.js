/**
 * The message page: the lists by polling every five seconds, whatever the socket does, and new messages by the socket.
 * Messages are known by the number of their row, and shown in the order of `created_at`, which has minutes.
 */
'use strict';

(() => {
  const POLL_MS = 5000;
  const board = document.getElementById('board');
  const me = Number(board.dataset.me);
  const people = JSON.parse(document.getElementById('people-data').textContent);
  const composer = document.getElementById('composer');
  /** The messages by id. */
  let messages = new Map();
  /** The id of the person whose thread is open, 0 for a new message to several, or null. */
  let opened = null;

  const other = (message) => (message.type === 'sent' ? message.recipient_id : message.sender_id);

  function make(tag, text, className) {
    const element = document.createElement(tag);
    if (text !== undefined) element.textContent = text;
    if (className) element.className = className;
    return element;
  }

  function takeLists(lists) {
    const all = [...lists.received, ...lists.sent, ...lists.archive];
    messages = new Map(all.map((message) => [Number(message.id), message]));
    draw();
  }

  function showUnread(count) {
    const badge = document.getElementById('unread');
    badge.textContent = count;
    badge.hidden = count === 0;
  }

  function drawPeople() {
    const known = new Map(people.map((person) => [person.id, person.name]));
    for (const message of messages.values()) {
      const name = message.type === 'sent' ? message.recipient : message.sender;
      if (!known.has(other(message))) known.set(other(message), name);
    }
    document.getElementById('people').replaceChildren(...[...known].map(([id, name]) => {
      const button = make('button', name, 'person');
      const count = [...messages.values()].filter((one) =>
        one.type === 'received' && one.sender_id === id && !one.is_read).length;
      if (count) button.append(make('span', count, 'badge'));
      button.setAttribute('aria-current', String(id === opened));
      button.addEventListener('click', () => open(id));
      const item = make('li');
      item.append(button);
      return item;
    }));
    return known;
  }

  function drawMessage(message) {
    const bubble = make('article', undefined, message.type === 'sent' ? 'message own' : 'message');
    bubble.dataset.id = message.id;
    bubble.append(make('strong', message.subject), make('p', message.content));
    for (const attachment of message.attachments) {
      const link = make('a', attachment.filename, 'file');
      link.href = attachment.download_url;
      link.append(make('span', ` ${attachment.file_size} bytes`, 'hint'));
      bubble.append(link);
    }
    const remove = make('button', 'Delete', 'quiet');
    remove.addEventListener('click', () => removeMessage(message.id));
    const foot = make('footer');
    foot.append(make('time', message.created_at), remove);
    bubble.append(foot);
    return bubble;
  }

  function draw() {
    const names = drawPeople();
    board.classList.toggle('open', opened !== null);
    composer.hidden = opened === null;
    document.getElementById('recipients').hidden = opened !== 0;
    document.getElementById('title').textContent =
      opened === null ? 'Choose a person' : opened === 0 ? 'New message' : names.get(opened);
    const thread = [...messages.values()].filter((message) => other(message) === opened);
    thread.sort((one, two) => (one.created_at < two.created_at ? -1 : one.created_at > two.created_at ? 1 : 0));
    const log = document.getElementById('messages');
    log.replaceChildren(...thread.map(drawMessage));
    log.scrollTop = log.scrollHeight;
  }

  function open(id) {
    opened = id;
    draw();
  }

  async function json(url, options) {
    const answer = await fetch(url, { headers: { 'X-Requested-With': 'XMLHttpRequest' }, ...options });
    return answer.json();
  }

  async function poll() {
    try {
      takeLists(await json(board.dataset.get));
      showUnread((await json(board.dataset.unread)).unread_count);
    } catch {
      // The next poll may get through.
    }
  }

  async function removeMessage(id) {
    const headers = { 'X-CSRFToken': composer.elements.csrfmiddlewaretoken.value };
    await json(board.dataset.delete.replace('/0/', `/${id}/`), { method: 'POST', headers });
    messages.delete(Number(id));
    draw();
  }

  const socket = new MessageSocket((frame) => {
    if (frame.type === 'unread_count') showUnread(frame.unread_count);
    if (frame.type !== 'new_message') return;
    const { data } = frame;
    const is_read = data.sender_id === opened;
    messages.set(Number(data.message_id), { ...data, id: data.message_id, recipient_id: me, type: 'received', is_read });
    showUnread(Number(document.getElementById('unread').textContent || 0) + 1);
    draw();
    if (is_read) {
      socket.send({ type: 'mark_as_read', message_id: data.message_id });
      socket.send({ type: 'get_unread_count' });
    }
  });

  composer.addEventListener('submit', async (event) => {
    event.preventDefault();
    const form = new FormData(composer);
    if (opened !== 0) form.set('recipients', String(opened));
    const answer = await json(board.dataset.send, { method: 'POST', body: form });
    document.getElementById('failure').textContent = answer.status === 'success' ? '' : answer.message;
    if (answer.status !== 'success') return;
    composer.reset();
    await poll();
  });

  document.getElementById('new').addEventListener('click', () => open(0));
  document.getElementById('back').addEventListener('click', () => open(null));
  takeLists(JSON.parse(document.getElementById('lists-data').textContent));
  setInterval(poll, POLL_MS);
})();
