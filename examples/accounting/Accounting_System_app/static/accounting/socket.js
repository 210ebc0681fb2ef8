/**
 * The socket of the message page: it asks for the number of unread messages when it opens, and is opened again five
 * times, three seconds apart. After that it stays closed until the page is loaded again.
 */
'use strict';

class MessageSocket {
  static TRIES = 5;
  static PAUSE_MS = 3000;

  constructor(onFrame) {
    this.onFrame = onFrame;
    this.tries = 0;
    this.open();
  }

  open() {
    const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
    this.socket = new WebSocket(`${scheme}://${location.host}/ws/messages/`);
    this.socket.onopen = () => {
      this.tries = 0;
      this.send({ type: 'get_unread_count' });
    };
    this.socket.onmessage = (event) => this.onFrame(JSON.parse(event.data));
    this.socket.onclose = () => {
      if (this.tries >= MessageSocket.TRIES) return;
      this.tries += 1;
      setTimeout(() => this.open(), MessageSocket.PAUSE_MS);
    };
  }

  send(frame) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(frame));
  }
}
