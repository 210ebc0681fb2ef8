/**
 * The parts of a thread: days, the unread line, how it began, and runs of bubbles.
 *
 * Tells: `parlor-retry {clientId}`, `parlor-discard {clientId}`, `parlor-readers {seq}`.
 *
 * @import {Block, Meta, Run, Said} from './runs.js'
 * @import {Updatable} from './dom.js'
 */
import { emit, h, keyed, set } from './dom.js';
import { face, faceKey } from './face.js';
import { fullTime, isLarge } from './format.js';
import { icon } from './icons.js';
import { say } from './strings.js';

const tickIcons = { sending: 'clock', sent: 'check', delivered: 'checks', read: 'read' };

/** @param {Block} block @returns {Updatable<Block>} */
export function makeBlock(block) {
  return /** @type {Updatable<Block>} */ (block.type === 'run' ? new ParlorRun() : new ParlorLine());
}

/** A day, the unread line, or how the conversation began. */
class ParlorLine extends HTMLElement {
  #drawn = '';

  /** @param {Exclude<Block, Run>} block */
  update(block) {
    const drawn = JSON.stringify(block);
    if (drawn === this.#drawn) return;
    this.#drawn = drawn;
    this.className = { day: 'day', unread: 'unread-from', opening: 'line' }[block.type];
    set(this, 'role', block.type === 'opening' ? null : 'separator');
    if (block.type !== 'opening') {
      // A separator's content is not read out; its name is.
      set(this, 'aria-label', block.text);
      this.replaceChildren(h('span', {}, block.text));
      return;
    }
    const [before, who, between, what, after] = block.parts;
    const firm = (/** @type {string} */ text) => text && h('b', { dir: 'auto' }, text);
    this.replaceChildren(before, firm(who), between, firm(what), after);
  }
}

/** What one person said within a minute. */
class ParlorRun extends HTMLElement {
  #face = h('span', { class: 'face-place' });
  #name = h('span', { class: 'name', dir: 'auto' });
  #said = h('div', { class: 'said' });
  #meta = h('div', { class: 'meta' });
  #drawnMeta = '';
  #drawnFace = '';

  connectedCallback() {
    if (!this.firstChild) this.append(this.#face, this.#name, this.#said, this.#meta);
  }

  /** @param {Run} run */
  update(run) {
    this.className = ['run', run.own && 'own', run.sender && 'named', run.joined && 'same'].filter(Boolean).join(' ');
    const { sender } = run;
    const key = sender ? faceKey([sender]) : '';
    if (key !== this.#drawnFace) {
      this.#drawnFace = key;
      this.#face.replaceChildren(...(sender ? [face([sender], { size: 28 })] : []));
      this.#name.textContent = sender?.name ?? '';
    }
    this.#face.hidden = this.#name.hidden = !sender;
    keyed(this.#said, run.said, (said) => said.key, () => new ParlorSaid());
    for (const [index, said] of [...this.#said.children].entries()) {
      // In a group the name is there to be seen.
      const ears = index === 0 && !sender ? run.speaker : '';
      /** @type {ParlorSaid} */ (said).dress({ unsent: run.unsent, ears });
    }
    this.#drawMeta(run.meta);
  }

  /** @param {Meta} meta */
  #drawMeta(meta) {
    const drawn = JSON.stringify(meta);
    if (drawn === this.#drawnMeta) return;
    this.#drawnMeta = drawn;
    const tick = meta.kind === 'tick' ? meta.tick : '';
    this.#meta.className = `meta ${meta.kind === 'failed' ? 'warn' : meta.kind === 'waits' ? 'sending' : tick}`;
    this.#meta.replaceChildren(...this.#metaParts(meta));
  }

  /** @param {Meta} meta @returns {Node[]} */
  #metaParts(meta) {
    if (meta.kind === 'none') return [];
    if (meta.kind === 'failed') {
      const { clientId } = meta;
      const button = (/** @type {string} */ words, /** @type {string} */ name) =>
        h('button', { type: 'button', onclick: () => emit(this, name, { clientId }) }, words);
      return [
        icon('alert'), h('span', {}, meta.words),
        button(say.retry, 'parlor-retry'), button(say.discard, 'parlor-discard'),
      ];
    }
    const time = h('time', { datetime: new Date(meta.at).toISOString(), title: fullTime(meta.at) }, meta.time);
    if (meta.kind === 'time') return [time];
    if (meta.kind === 'waits') return [time, icon('clock'), h('span', {}, say.waitsAbove)];
    const words = meta.readers
      ? h('button', {
          type: 'button', onclick: () => emit(this, 'parlor-readers', { seq: this.#lastSeq() }),
        }, meta.words)
      : h('span', { class: meta.wordless ? 'for-ears' : null }, meta.words);
    return [time, icon(tickIcons[meta.tick]), words];
  }

  #lastSeq() {
    return /** @type {ParlorSaid|null} */ (this.#said.lastElementChild)?.seq ?? 0;
  }
}

/** One message. */
class ParlorSaid extends HTMLElement {
  #text = '';
  #ears = '';
  #bubble = h('div', { class: 'bubble', dir: 'auto' });
  seq = 0;

  connectedCallback() {
    if (this.firstChild) return;
    this.className = 'msg';
    this.append(this.#bubble);
  }

  /** @param {Said} said */
  update(said) {
    this.seq = said.seq;
    if (said.text === this.#text) return;
    this.#text = said.text;
    this.#bubble.removeAttribute('data-fits');
    this.#bubble.classList.toggle('large', isLarge(said.text));
    this.#ears = '';
    this.#bubble.replaceChildren(h('span', { class: 'words' }, said.text));
  }

  /** @param {{unsent: boolean, ears: string}} how */
  dress({ unsent, ears }) {
    this.#bubble.classList.toggle('unsent', unsent);
    if (ears === this.#ears) return;
    this.#ears = ears;
    this.#bubble.querySelector('.for-ears')?.remove();
    if (ears) this.#bubble.prepend(h('span', { class: 'for-ears' }, `${ears}: `));
  }
}

customElements.define('parlor-line', ParlorLine);
customElements.define('parlor-run', ParlorRun);
customElements.define('parlor-said', ParlorSaid);
