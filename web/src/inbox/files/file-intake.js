/**
 * Receives files that are chosen, dropped or pasted, and passes them on.
 */
import { h, setText } from '../ui/dom.js';
import { kindOf, sizeOf } from '../view/attachments.js';
import { icon } from '../ui/icons.js';
import { parseHtml } from '../ui/inert-html.js';
import { say } from '../view/strings.js';

/** @typedef {(files: File[], folders: number) => void} ReceiveFiles */

/** Opens the browser's file chooser. @param {ReceiveFiles} take */
export function chooseFiles(take) {
  const input = h('input', { type: 'file', multiple: true });
  input.addEventListener('change', () => take([...(input.files ?? [])], 0));
  input.click();
}

/** Returns the pasted files, without the picture that office programs copy along with their text. Who copies a picture
 * of a page copies HTML without text. @param {ClipboardEvent} event @param {number} now @returns {File[]} */
export function pastedFiles(event, now) {
  const data = event.clipboardData;
  if (!data || data.files.length === 0 || hasText(data.getData('text/html'))) return [];
  return [...data.files].map((file) => named(file, now));
}

/** @param {string} html @returns {boolean} */
function hasText(html) {
  return html !== '' && parseHtml(html)?.textContent.trim() !== '';
}

/** Browsers give every pasted picture the same name. @param {File} file @param {number} now @returns {File} */
function named(file, now) {
  const end = /^image\.(\w+)$/u.exec(file.name)?.[1];
  if (!end) return file;
  const time = new Date(now).toLocaleString('sv').replace(/\D+/gu, '-');
  return new File([file], `${say.kinds.picture.toLowerCase()}-${time}.${end}`, { type: file.type });
}

/** The area onto which files can be dropped, with its overlay. */
export class DropTarget {
  #more = h('small');
  overlay = h('div', { class: 'drop', hidden: true, 'aria-hidden': 'true' },
    icon('picture'), h('span', {}, say.dropHere), this.#more);
  /** Moving over a child leaves the parent, so the entries are counted. */
  #depth = 0;

  /** @param {HTMLElement} place @param {{allowed: () => boolean, take: ReceiveFiles}} how */
  constructor(place, { allowed, take }) {
    this.allowed = allowed;
    place.addEventListener('dragenter', (event) => this.#entered(event));
    place.addEventListener('dragleave', (event) => hasFiles(event) && this.#left());
    place.addEventListener('dragover', (event) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      if (event.dataTransfer) event.dataTransfer.dropEffect = allowed() ? 'copy' : 'none';
    });
    place.addEventListener('drop', (event) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      this.#depth = 0;
      this.overlay.hidden = true;
      if (allowed()) take(...droppedFiles(event));
    });
  }

  /** @param {number} bytes the most that a file may have; 0 when it is not known */
  set most(bytes) {
    setText(this.#more, bytes ? say.dropLimit(sizeOf(bytes)) : say.dropAny);
  }

  /** @param {DragEvent} event */
  #entered(event) {
    if (!hasFiles(event)) return;
    this.#depth += 1;
    this.overlay.hidden = !this.allowed();
  }

  #left() {
    this.#depth = Math.max(0, this.#depth - 1);
    if (this.#depth === 0) this.overlay.hidden = true;
  }
}

/** Keeps files that are dropped elsewhere from replacing the page. @param {AbortSignal} signal */
export function preventFileNavigation(signal) {
  const stop = (/** @type {DragEvent} */ event) => {
    if (!hasFiles(event) || event.defaultPrevented) return;
    event.preventDefault();
    if (event.dataTransfer) event.dataTransfer.dropEffect = 'none';
  };
  window.addEventListener('dragover', stop, { signal });
  window.addEventListener('drop', stop, { signal });
}

/** @param {DragEvent} event @returns {boolean} */
function hasFiles(event) {
  return event.dataTransfer?.types.includes('Files') ?? false;
}

/** Returns the files, and the number of folders among them. @param {DragEvent} event @returns {[File[], number]} */
function droppedFiles(event) {
  const items = [...(event.dataTransfer?.items ?? [])].filter((one) => one.kind === 'file');
  const isFolder = (/** @type {DataTransferItem} */ one) => one.webkitGetAsEntry?.()?.isDirectory ?? false;
  const files = items.filter((one) => !isFolder(one)).map((one) => one.getAsFile());
  return [files.filter((one) => one !== null), items.filter(isFolder).length];
}

/** Returns the size of a picture, upright; null if the browser cannot show it. @param {Blob} file
 * @returns {Promise<{width: number, height: number}|null>} */
export async function measurePicture(file) {
  if (kindOf({ media_type: file.type, width: 1, height: 1 }) !== 'picture') return null;
  const address = URL.createObjectURL(file);
  try {
    const picture = new Image();
    picture.src = address;
    await picture.decode();
    return { width: picture.naturalWidth, height: picture.naturalHeight };
  } catch {
    return null;
  } finally {
    URL.revokeObjectURL(address);
  }
}
