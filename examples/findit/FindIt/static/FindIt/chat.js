/**
 * The open conversation of FindIt's inbox. It assumes what the page has always assumed: every JSON frame that does not
 * carry one's own id is a message of the other; a socket that closes stays closed until the page is loaded again.
 */
'use strict';

(() => {
  const composer = document.getElementById('composer');
  const bubbles = document.getElementById('bubbles');
  const { me, other, item } = composer.dataset;
  const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
  const socket = new WebSocket(`${scheme}://${location.host}/ws/chat/${item}-${other}/`);

  function add(text, own) {
    const bubble = document.createElement('div');
    bubble.className = own ? 'bubble own' : 'bubble';
    const words = document.createElement('span');
    words.className = 'text';
    words.textContent = text ?? '';
    const time = document.createElement('time');
    time.textContent = new Date().toTimeString().slice(0, 5);
    bubble.append(words, time);
    bubbles.append(bubble);
    showEnd();
  }

  function showEnd() {
    bubbles.scrollTop = bubbles.scrollHeight;
  }

  socket.onmessage = (event) => {
    const frame = JSON.parse(event.data);
    if (frame.sender_id != me) add(frame.message, false);
  };

  composer.addEventListener('submit', (event) => {
    event.preventDefault();
    const field = composer.elements.message;
    const text = field.value.trim();
    if (!text) return;
    add(text, true);
    socket.send(JSON.stringify({ message: text, sender_id: me, recipient_id: other, item_id: item, image: null }));
    field.value = '';
  });

  for (const button of document.querySelectorAll('[data-action]')) {
    button.addEventListener('click', async () => {
      const answer = await fetch('/clear-conversation/', {
        method: 'POST',
        headers: {
          'Content-Type': 'application/json',
          'X-CSRFToken': composer.elements.csrfmiddlewaretoken.value,
        },
        body: JSON.stringify({ action: button.dataset.action, item_id: item, recipient_id: other }),
      });
      if (answer.ok) location.href = '/inbox/?view=list';
    });
  }

  showEnd();
})();
