/**
 * The attachments of one message: pictures in a grid, then players, then other files as rows.
 *
 * Invariants: every element has its size before its bytes are loaded, so that nothing moves; buttons are no Tab stops
 * until their message has the focus (`message-controls.js`).
 *
 * @import {AttachmentView} from '../view/attachments.js'
 */
import { objectUrlOf } from '../../sdk/object-urls.js';
import { decodeBlurHash } from '../view/blurhash.js';
import { h, setAttribute, setText } from '../ui/dom.js';
import { splitFileName, describe, frameOf, gridOf, kindOf, progressOf } from '../view/attachments.js';
import { icon } from '../ui/icons.js';
import { formatNumber, say } from '../view/strings.js';
import { emit } from '../ui/events.js';
import { addressOf } from '../ui/root.js';

const BLUR_PX = 24;
/** A larger animated picture stands still until it is opened. */
const MOVING_BYTES = 3 * 1024 * 1024;

export class ParlorAttachments extends HTMLElement {
  #drawn = '';
  #seq = 0;
  /** Pictures keep their elements when the server's copy replaces the local one. @type {HTMLElement[]} */
  #pictures = [];

  /** @param {{seq: number, files: AttachmentView[]}} view */
  update({ seq, files }) {
    this.#seq = seq;
    this.hidden = files.length === 0;
    const drawn = JSON.stringify(files.map(({ local, sent: _, ...rest }) => [rest, local !== null]));
    if (drawn !== this.#drawn) {
      this.#drawn = drawn;
      this.#draw(files);
    }
    this.#progress(files.filter((one) => one.underWay));
  }

  /** @param {AttachmentView[]} files */
  #draw(files) {
    const pictures = files.filter((one) => kindOf(one) === 'picture');
    const rest = files.filter((one) => kindOf(one) !== 'picture');
    const parts = pictures.length > 0 ? [this.#grid(pictures)] : [];
    this.replaceChildren(...parts, ...rest.map((one) => (one.url ? playerOf(one) : null) ?? fileRow(one)));
    for (const one of rest.filter((file) => file.underWay)) {
      this.querySelector(`.file[data-file="${CSS.escape(one.key)}"]`)?.append(this.#stop(one));
    }
  }

  /** @param {AttachmentView[]} pictures @returns {HTMLElement} */
  #grid(pictures) {
    const { shape, drawn, rest } = gridOf(pictures.length);
    const frames = pictures.slice(0, drawn).map((one, index) => this.#picture(one, index, pictures.length));
    this.#pictures = frames;
    if (rest > 0) {
      const last = frames[drawn - 1];
      last.append(h('span', { class: 'rest', dir: 'ltr', 'aria-hidden': 'true' }, `+${formatNumber(rest)}`));
      setAttribute(last, 'aria-label', `${last.getAttribute('aria-label')} ${say.moreOf(rest)}`);
    }
    const grid = h('div', {
      class: `pictures ${shape}`, role: pictures.length > 1 ? 'group' : null,
      'aria-label': pictures.length > 1 ? say.pictures(pictures.length) : null,
    }, ...frames);
    if (shape === 'one') {
      const { width, ratio } = frameOf(pictures[0]);
      grid.style.setProperty('--width', `${width}px`);
      grid.style.setProperty('--ratio', String(ratio));
    }
    return grid;
  }

  /** @param {AttachmentView} file @param {number} index @param {number} all @returns {HTMLElement} */
  #picture(file, index, all) {
    const source = sourceOf(file);
    const old = this.#pictures[index];
    const kept = old?.querySelector('img')?.getAttribute('src') === source ? old.querySelector('img') : null;
    const name = say.pictureOf(index + 1, all, file.name);
    const frame = file.id === 0
      ? h('div', { class: 'picture', role: 'group', 'aria-label': name, 'data-file': file.key })
      : h('button', {
          class: 'picture', type: 'button', 'aria-label': name, 'data-file': file.key, tabindex: -1,
          onclick: () => emit(this, 'parlor-open-picture', { seq: this.#seq, file: file.id }),
        });
    if (file.blur && !kept) frame.append(...blurred(file.blur));
    frame.append(kept ?? pictureOf(source, file));
    if (file.underWay) frame.append(progressBar(file), this.#stop(file));
    return frame;
  }

  /** Cancels a running upload. @param {AttachmentView} file @returns {HTMLElement} */
  #stop(file) {
    const label = say.cancelFile(file.name);
    return h('button', {
      class: 'stop', type: 'button', 'aria-label': label, title: label, tabindex: -1,
      onclick: () => emit(this, 'parlor-cancel-upload', { upload: file.key }),
    }, icon('close', { small: true }));
  }

  /** @param {AttachmentView[]} files */
  #progress(files) {
    for (const file of files) {
      const line = this.querySelector(`[data-file="${CSS.escape(file.key)}"] .bar`);
      if (line) updateProgressBar(line, file);
      const size = this.querySelector(`[data-file="${CSS.escape(file.key)}"] .size`);
      if (size) setText(size, progressOf(file.sent, file.bytes));
    }
  }
}

/** Small animations play unless the user prefers less motion; the preview stands still. @param {AttachmentView} file
 * @returns {string} */
function sourceOf(file) {
  const moves = file.media_type === 'image/gif';
  const still = moves && (matchMedia('(prefers-reduced-motion: reduce)').matches || file.bytes > MOVING_BYTES);
  if (still && file.preview) return addressOf(file.preview);
  if (file.local) return objectUrlOf(file.local);
  return addressOf((moves && !still ? file.url : file.preview) ?? file.url ?? '');
}

/** @param {string} source @param {AttachmentView} file @returns {HTMLImageElement} */
function pictureOf(source, file) {
  const picture = h('img', {
    src: source, alt: '', decoding: 'async', draggable: 'false', width: file.width, height: file.height,
  });
  picture.addEventListener('error', () => {
    picture.replaceWith(h('span', { class: 'lost' }, icon('picture'), h('span', { class: 'one-line' }, file.name)));
  }, { once: true });
  return picture;
}

/** Draws a blurred preview of a picture. @param {string} hash @returns {HTMLCanvasElement[]} */
function blurred(hash) {
  const pixels = decodeBlurHash(hash, BLUR_PX, BLUR_PX);
  if (!pixels) return [];
  const canvas = h('canvas', { class: 'blur', width: BLUR_PX, height: BLUR_PX, 'aria-hidden': 'true' });
  canvas.getContext('2d')?.putImageData(new ImageData(pixels, BLUR_PX, BLUR_PX), 0, 0);
  return [canvas];
}

/** Draws what the browser can play, in a frame of known size. @param {AttachmentView} file
 * @returns {HTMLElement|null} */
function playerOf(file) {
  const kind = kindOf(file);
  if (kind !== 'video' && kind !== 'audio') return null;
  const player = h(kind, {
    controls: true, preload: 'none', src: addressOf(file.url ?? ''), 'aria-label': file.name, tabindex: -1,
  });
  const row = fileRow(file);
  const box = h('div', { class: `plays ${kind}` }, player, row);
  // If it cannot be played, it can still be saved.
  player.addEventListener('error', () => player.remove(), { once: true });
  return box;
}

/** @param {AttachmentView} file @returns {HTMLElement} */
function fileRow(file) {
  const parts = [
    h('span', { class: 'kind', 'aria-hidden': 'true' }, icon('file')),
    h('span', { class: 'about-file' },
      h('span', { class: 'visually-hidden' }, file.url ? say.downloadFile(file.name) : file.name), nameOf(file.name),
      h('span', { class: 'size' }, file.underWay ? progressOf(file.sent, file.bytes) : describe(file)),
      file.underWay && progressBar(file)),
  ];
  if (!file.url) return h('div', { class: 'bubble file', 'data-file': file.key }, ...parts);
  return h('a', {
    class: 'bubble file', href: addressOf(file.url), download: file.name, 'data-file': file.key, tabindex: -1,
  }, ...parts, h('span', { class: 'get', 'aria-hidden': 'true' }, icon('save')));
}

/** Returns a file name whose middle may be cut; screen readers get the whole name beside it. @param {string} name
 * @returns {HTMLElement} */
export function nameOf(name) {
  const [head, tail] = splitFileName(name);
  return h('bdi', { class: 'file-name', title: name, 'aria-hidden': 'true' },
    h('span', { class: 'one-line' }, head), h('span', {}, tail));
}

/** Returns the progress bar of a file. @param {{name: string, sent: number, bytes: number}} file
 * @returns {HTMLElement} */
export function progressBar(file) {
  const line = h('span', { class: 'bar', role: 'progressbar', 'aria-label': file.name, 'aria-valuemin': 0,
    'aria-valuemax': 100 }, h('i'));
  updateProgressBar(line, file);
  return line;
}

/** @param {Element} line @param {{sent: number, bytes: number}} file */
export function updateProgressBar(line, { sent, bytes }) {
  const part = bytes === 0 ? 0 : Math.floor((100 * sent) / bytes);
  setAttribute(line, 'aria-valuenow', part);
  /** @type {HTMLElement} */ (line.firstElementChild).style.inlineSize = `${part}%`;
}

customElements.define('parlor-attachments', ParlorAttachments);
