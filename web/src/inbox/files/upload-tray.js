/**
 * The files of a draft: their names, progress, and why some were refused.
 *
 * @import {FileView} from '../../sdk/upload.js'
 */
import { objectUrlOf } from '../../sdk/object-urls.js';
import { progressBar, updateProgressBar, nameOf } from './attachments.js';
import { h, updateKeyed, setAttribute, setText } from '../ui/dom.js';
import { kindOf, canRetry, progressOf, refusalText, cleanFileName, sizeOf } from '../view/attachments.js';
import { icon } from '../ui/icons.js';
import { say } from '../view/strings.js';
import { emit } from '../ui/events.js';

export class ParlorUploadTray extends HTMLElement {
  #list = h('div', { class: 'tray', role: 'list', 'aria-label': say.attached });
  #ears = h('div', { class: 'visually-hidden', role: 'alert' });
  /** @type {Set<string>} */
  #announced = new Set();

  connectedCallback() {
    if (!this.firstChild) this.append(this.#list, this.#ears);
  }

  /** @param {FileView[]} files */
  update(files) {
    this.hidden = files.length === 0;
    const at = [...this.#list.children].findIndex((one) => one.contains(document.activeElement));
    const before = this.#list.children.length;
    updateKeyed(this.#list, files, (one) => one.client_id, () => new ParlorTrayFile());
    if (files.length > before) this.#list.scrollTop = this.#list.scrollHeight;
    if (at >= 0 && !this.#list.contains(document.activeElement)) {
      const next = this.#list.children[Math.min(at, files.length - 1)]?.querySelector('button');
      if (next) next.focus();
      else emit(this, 'parlor-tray-emptied');
    }
    this.#announce(files);
  }

  /** Announces each refusal once. @param {FileView[]} files */
  #announce(files) {
    const refused = files.filter((one) => one.state === 'refused');
    const fresh = refused.filter((one) => !this.#announced.has(one.client_id));
    this.#announced = new Set(refused.map((one) => one.client_id));
    if (fresh.length === 0) return;
    setText(this.#ears, fresh.map((one) => say.notAttached(cleanFileName(one.name), wordsOf(one))).join(' '));
  }
}

class ParlorTrayFile extends HTMLElement {
  #drawn = '';

  connectedCallback() {
    setAttribute(this, 'role', 'listitem');
  }

  /** @param {FileView} file */
  update(file) {
    const drawn = JSON.stringify([file.state, file.problem, file.name, kindOf(file)]);
    if (drawn !== this.#drawn) {
      const focused = this.contains(document.activeElement);
      this.#drawn = drawn;
      this.className = file.state === 'refused' ? 'upload refused' : 'upload';
      this.replaceChildren(thumb(file), about(file), h('span', { class: 'tools' }, ...this.#tools(file)));
      if (focused) this.querySelector('button')?.focus();
    }
    const line = this.querySelector('.bar');
    if (line) updateProgressBar(line, file);
    setText(/** @type {Element} */ (this.querySelector('.size')), wordsOf(file));
  }

  /** @param {FileView} file @returns {HTMLElement[]} */
  #tools(file) {
    const shown = cleanFileName(file.name);
    /** @param {string} label @param {string} sign @param {'parlor-remove-upload'|'parlor-retry-upload'} name */
    const tool = (label, sign, name) => h('button', {
      class: 'tool', type: 'button', 'aria-label': label, title: label,
      onclick: () => emit(this, name, { clientId: file.client_id }),
    }, icon(sign, { small: true }));
    const over = file.state === 'done' || file.state === 'refused';
    const again = file.state === 'cut' || (file.problem && canRetry(file.problem));
    return [
      ...(again ? [tool(say.retryFile(shown), 'again', 'parlor-retry-upload')] : []),
      tool(over ? say.removeFile(shown) : say.cancelFile(shown), 'close', 'parlor-remove-upload'),
    ];
  }
}

/** @param {FileView} file @returns {HTMLElement} */
function thumb(file) {
  const box = h('span', { class: 'thumb', 'aria-hidden': 'true' });
  const shows = file.file && file.state !== 'refused' && kindOf(file) === 'picture';
  if (shows && file.file) box.append(h('img', { src: objectUrlOf(file.file), alt: '', decoding: 'async' }));
  else box.append(icon(file.state === 'refused' ? 'alert' : 'file'));
  return box;
}

/** @param {FileView} file @returns {HTMLElement} */
function about(file) {
  const name = cleanFileName(file.name);
  const under = file.state === 'sending' || file.state === 'cut' || file.state === 'looking';
  return h('span', { class: 'about-file' },
    h('span', { class: 'visually-hidden' }, name), nameOf(name), h('span', { class: 'size' }), under && progressBar(file));
}

/** @param {FileView} file @returns {string} */
function wordsOf(file) {
  const progress = progressOf(file.sent, file.bytes);
  switch (file.state) {
    case 'refused':
      return refusalText(file.problem ?? { code: '', title: '' }, file.bytes);
    case 'done':
      return say.fileReady(sizeOf(file.bytes));
    case 'cut':
      return say.fileCut(progress);
    case 'waiting':
      return say.fileWaits(sizeOf(file.bytes));
    default:
      return file.sent >= file.bytes ? say.fileLooked : progress;
  }
}

customElements.define('parlor-tray-file', ParlorTrayFile);
customElements.define('parlor-upload-tray', ParlorUploadTray);
