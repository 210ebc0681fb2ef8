/**
 * Where one writes. Enter sends, Shift+Enter begins a line, and neither while signs are being composed.
 *
 * Tells: `parlor-send {text}`, `parlor-draft {text}`, `parlor-attach {files, folders}`, and what the tray tells.
 *
 * @import {FileView} from '../sdk/uploads.js'
 * @import {ParlorTray} from './tray.js'
 */
import './tray.js';
import { emit, h, set, setText } from './dom.js';
import { icon } from './icons.js';
import { say } from './strings.js';
import { chooseFiles, pastedFiles } from './taking.js';

/**
 * @typedef {{
 *   conversation: number, name: string, draft: string, closed: string|null, charsMax: number, attached: FileView[],
 * }} ComposerView
 */

/** How near the limit the rest is counted. */
const COUNT_FROM = 500;

export class ParlorComposer extends HTMLElement {
  #words = h('textarea', {
    class: 'words', rows: 1, 'aria-label': say.message, enterkeyhint: 'send', autocomplete: 'off',
    oninput: () => this.#changed(),
    onkeydown: (/** @type {KeyboardEvent} */ event) => this.#key(event),
    onpaste: (/** @type {ClipboardEvent} */ event) => this.#pasted(event),
  });
  #tray = /** @type {ParlorTray} */ (document.createElement('parlor-tray'));
  #attach = h('button', {
    class: 'tool attach', type: 'button', 'aria-label': say.attach, title: say.attachHint,
    onclick: () => this.chooseFiles(),
  }, icon('clip'));
  #send = h('button', { class: 'send', type: 'submit', 'aria-label': say.send, title: say.sendHint }, icon('send'));
  #count = h('p', { class: 'hint', hidden: true, role: 'status' });
  #note = h('p', { class: 'hint', hidden: true, role: 'status' });
  #form = h('form', { class: 'composer', onsubmit: (/** @type {Event} */ event) => this.#submit(event) },
    h('div', { class: 'box' }, this.#tray, this.#attach, this.#words, this.#send), this.#count, this.#note);
  #closed = h('p', { class: 'closed', hidden: true });
  /** @type {ComposerView|null} */
  #view = null;

  connectedCallback() {
    if (!this.firstChild) this.append(this.#form, this.#closed);
    this.#tray.addEventListener('parlor-tray-left', () => this.focusWords());
  }

  /** Says something under the words until one writes on. @param {string} words */
  note(words) {
    setText(this.#note, words);
    this.#note.hidden = words === '';
  }

  /** Whether anything can be written here. @returns {boolean} */
  get isOpen() {
    return !this.#form.hidden;
  }

  /** Opens the browser's chooser. */
  chooseFiles() {
    if (!this.#form.hidden) chooseFiles((files) => this.#take(files));
  }

  focusWords() {
    if (!this.#form.hidden) this.#words.focus({ preventScroll: true });
  }

  /** @param {ComposerView} view */
  update(view) {
    const fresh = view.conversation !== this.#view?.conversation;
    this.#view = view;
    this.#form.hidden = view.closed !== null;
    this.#closed.hidden = view.closed === null;
    if (view.closed !== null && this.#closed.textContent !== view.closed) {
      this.#closed.replaceChildren(icon('lock', { small: true }), h('span', {}, view.closed));
    }
    set(this.#words, 'placeholder', say.writeTo(view.name));
    if (fresh) {
      this.#words.value = view.draft;
      this.note('');
    }
    this.#tray.update(view.attached);
    this.#fit();
  }

  #changed() {
    this.note('');
    emit(this, 'parlor-draft', { text: this.#words.value });
    this.#fit();
  }

  /** Counts, and grows where the browser does not do it by itself. */
  #fit() {
    const most = this.#view?.charsMax ?? Infinity;
    const text = normal(this.#words.value);
    const length = text.length > most / 2 ? [...text].length : text.length;
    const left = most - length;
    this.#count.hidden = left > COUNT_FROM;
    if (!this.#count.hidden) {
      const number = new Intl.NumberFormat(say.locale).format(most);
      setText(this.#count, left >= 0 ? say.charactersLeft(left) : say.charactersOver(-left, number));
      this.#count.classList.toggle('over', left < 0);
    }
    const files = this.#view?.attached.some((one) => one.state !== 'refused') ?? false;
    this.#send.disabled = (text.trim() === '' && !files) || left < 0;
    if (!CSS.supports('field-sizing', 'content')) {
      this.#words.style.blockSize = 'auto';
      this.#words.style.blockSize = `${this.#words.scrollHeight}px`;
    }
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    // Code 229: some browsers end composing with the very key that they report.
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    event.preventDefault();
    this.#submit(event);
  }

  /** @param {ClipboardEvent} event */
  #pasted(event) {
    const files = pastedFiles(event, Date.now());
    if (files.length === 0) return;
    event.preventDefault();
    this.#take(files);
  }

  /** @param {File[]} files */
  #take(files) {
    if (files.length > 0) emit(this, 'parlor-attach', { files, folders: 0 });
    this.focusWords();
  }

  /** @param {Event} event */
  #submit(event) {
    event.preventDefault();
    this.#fit();
    if (this.#send.disabled) return;
    const text = normal(this.#words.value);
    this.#words.value = '';
    this.#changed();
    emit(this, 'parlor-send', { text: text.trim() === '' ? '' : text });
    this.#words.focus({ preventScroll: true });
  }
}

/** As the server keeps it: lines end in LF. @param {string} text @returns {string} */
function normal(text) {
  return text.replace(/\r\n?/gu, '\n');
}

customElements.define('parlor-composer', ParlorComposer);
