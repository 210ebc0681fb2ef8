/**
 * Shows the state of the connection.
 *
 * @import {BannerView} from '../view/connection-status.js'
 */
import { h, setAttribute, replaceChildren } from './dom.js';
import { icon } from './icons.js';
import { say } from '../view/strings.js';
import { ConnectionStatus } from '../view/connection-status.js';
import { emit } from './events.js';

export class ParlorBanner extends HTMLElement {
  #drawn = '';
  #status = new ConnectionStatus();

  connectedCallback() {
    setAttribute(this, 'role', 'status');
  }

  /** @param {BannerView} view @returns {number|null} milliseconds until the next check */
  update(view) {
    const { kind, text, recheckMs } = this.#status.update(view);
    const drawn = `${kind} ${text}`;
    if (drawn !== this.#drawn) {
      this.#drawn = drawn;
      this.className = kind === 'none' ? '' : `banner ${kind}`;
      const signs = { none: '', offline: 'offline', limited: 'clock', good: 'check' };
      replaceChildren(this, kind === 'none' ? [] : [
        icon(signs[kind], { small: true }), h('span', {}, text),
        ...(kind === 'offline'
          ? [h('button', { type: 'button', onclick: () => emit(this, 'parlor-reconnect') }, say.tryNow)]
          : []),
      ], () => emit(this, 'parlor-focus-lost'));
    }
    return recheckMs;
  }
}

customElements.define('parlor-banner', ParlorBanner);
