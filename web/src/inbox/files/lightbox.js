/**
 * The lightbox: all loaded pictures of a thread, in order, each as large as the page. It is always dark, and works with
 * arrow keys and swipes; Escape returns to the thread.
 *
 * Invariants: nothing slides; a picture takes its final place at once, with its blur or preview first. A deleted
 * picture is removed; one that is only no longer loaded stays while it is shown.
 *
 * @import {User} from '../../sdk/wire.js'
 * @import {AttachmentView} from '../view/attachments.js'
 */
import { objectUrlOf } from '../../sdk/object-urls.js';
import { isolated } from '../view/bidi.js';
import { h, updateKeyed, setAttribute, setText } from '../ui/dom.js';
import { avatar } from '../ui/avatar.js';
import { describe } from '../view/attachments.js';
import { clockTime, dayName, fullTime } from '../view/format.js';
import { icon } from '../ui/icons.js';
import { addressOf } from '../ui/root.js';
import { dialogSay } from '../view/dialog-strings.js';
import { say } from '../view/strings.js';

/**
 * @typedef {{key: string, seq: number, file: AttachmentView, sender: User|null, name: string, time: number}} Picture
 * @typedef {{pictures: Picture[], key: string, left: (last: Picture|undefined) => void}} Looking `key` of the one that is
 * shown first; `left` is told which was shown last
 */

/** How far a finger has to move. */
const SWIPE_PX = 48;
/** Thumbnails that are loaded at once, on either side. */
const BESIDE = 12;
const MOVING = /^image\/(?:gif|webp|apng)$/u;

export class Lightbox {
  /** @type {HTMLDialogElement} */
  #dialog;
  #at = 0;
  /** The key of the drawn picture. */
  #drawn = '';
  /** @type {{x: number, y: number}|null} */
  #finger = null;
  #stage = h('div', {
    class: 'stage',
    onpointerdown: (/** @type {PointerEvent} */ event) => this.#touched(event),
    onpointerup: (/** @type {PointerEvent} */ event) => this.#lifted(event),
    onclick: (/** @type {MouseEvent} */ event) => event.target === this.#stage && this.#dialog.close(),
  });
  #whose = h('div', { class: 'whose-place' });
  #place = h('span', { class: 'place' });
  #about = h('p', { class: 'about one-line' });
  #ears = h('p', { class: 'visually-hidden', role: 'status' });
  #save = h('a', { class: 'tool', 'aria-label': dialogSay.download, title: dialogSay.download }, icon('save'));
  #previous = h('button', {
    class: 'turn back', type: 'button', 'aria-label': dialogSay.previousPicture, onclick: () => this.#turn(-1),
  }, icon('back'));
  #next = h('button', {
    class: 'turn on', type: 'button', 'aria-label': dialogSay.nextPicture, onclick: () => this.#turn(1),
  }, icon('next'));
  #close = h('button', {
    class: 'tool', type: 'button', 'aria-label': say.close, title: say.close, onclick: () => this.#dialog.close(),
  }, icon('close'));
  #strip = h('div', {
    class: 'strip', role: 'group',
    onclick: (/** @type {MouseEvent} */ { target }) => this.#chosen(/** @type {Element} */ (target)),
  });

  /** @param {HTMLElement} host @param {Looking} looking */
  constructor(host, { pictures, key, left }) {
    this.pictures = pictures;
    this.#dialog = h('dialog', {
      class: 'lightbox', 'aria-label': dialogSay.showPictures,
      onclose: () => {
        this.#dialog.remove();
        left(this.pictures[this.#at]);
      },
      onkeydown: (/** @type {KeyboardEvent} */ event) => this.#key(event),
    },
    h('header', {}, this.#whose, this.#place, this.#save, this.#close),
    h('div', { class: 'middle' }, this.#previous, this.#stage, this.#next),
    h('footer', {}, this.#about, this.#strip), this.#ears);
    host.append(this.#dialog);
    this.#dialog.showModal();
    this.#show(Math.max(0, pictures.findIndex((one) => one.key === key)));
    this.#close.focus();
  }

  /** Updates the pictures: there may be more or fewer now, and some may be deleted. @param {Picture[]} held
   * @param {(seq: number) => boolean} [isGone] whether a message is known to be deleted */
  update(held, isGone = () => true) {
    const shown = this.pictures[this.#at];
    const pictures = held.some((one) => one.key === shown.key) || isGone(shown.seq) ? held : withShown(held, shown);
    const at = pictures.findIndex((one) => one.key === shown.key);
    this.pictures = pictures;
    if (pictures.length === 0) {
      this.#at = 0;
      this.#dialog.close();
    } else if (at < 0) {
      // The next picture has taken its place.
      const next = pictures.findIndex((one) => one.seq >= shown.seq);
      this.#show(next < 0 ? pictures.length - 1 : next);
    } else {
      this.#at = at;
      this.#drawPlace();
    }
  }

  /** @param {number} index */
  #show(index) {
    this.#at = index;
    const { file, sender, name, time } = this.pictures[index];
    this.#stage.replaceChildren(...this.#picture(file));
    const words = `${dayName(time, Date.now())} ${clockTime(time)}`;
    this.#drawWhose({ sender, name, time, words });
    setText(this.#about, `${isolated(file.name)} · ${describe(file)}`);
    setText(this.#ears, dialogSay.pictureBy(say.pictureOf(index + 1, this.pictures.length, file.name), name, words));
    setAttribute(this.#save, 'href', file.url ? addressOf(file.url) : file.url);
    setAttribute(this.#save, 'download', file.name);
    this.#drawPlace();
    const thumb = /** @type {HTMLElement|null} */ (this.#strip.querySelector('[aria-current]'));
    if (!thumb) return;
    const left = thumb.offsetLeft - (this.#strip.clientWidth - thumb.clientWidth) / 2;
    this.#strip.scrollTo({ left, behavior: 'instant' });
  }

  /** @param {{sender: User|null, name: string, time: number, words: string}} whose */
  #drawWhose({ sender, name, time, words }) {
    const drawn = JSON.stringify([sender, name, words]);
    if (drawn === this.#drawn) return;
    this.#drawn = drawn;
    this.#whose.replaceChildren(...(sender ? [avatar([sender], { size: 34 })] : []),
      h('div', { class: 'whose' }, h('p', { class: 'who one-line', dir: 'auto' }, name),
        h('time', { class: 'one-line', datetime: new Date(time).toISOString(), title: fullTime(time) }, words)));
  }

  /** Draws the position among the pictures, and the buttons. */
  #drawPlace() {
    const index = this.#at;
    const all = this.pictures.length;
    setText(this.#place, all > 1 ? dialogSay.placeOf(index + 1, all) : '');
    const focused = document.activeElement;
    this.#previous.hidden = index === 0;
    this.#next.hidden = index === all - 1;
    /** @type {HTMLElement[]} */
    const turns = [this.#previous, this.#next];
    if (focused instanceof HTMLElement && focused.hidden && turns.includes(focused)) {
      (turns.find((one) => !one.hidden) ?? this.#close).focus();
    }
    this.#strip.hidden = all < 2;
    setAttribute(this.#strip, 'aria-label', say.pictures(all));
    const from = Math.max(0, index - BESIDE);
    const near = this.pictures.slice(from, index + BESIDE + 1).map((picture, at) => ({ picture, at: from + at, all }));
    updateKeyed(this.#strip, near, (one) => one.picture.key, () => new ParlorThumb());
    for (const [at, one] of [...this.#strip.children].entries()) {
      setAttribute(one.firstElementChild ?? one, 'aria-current', from + at === index ? 'true' : null);
    }
  }

  /** The preview is below the picture until that is loaded. @param {AttachmentView} file @returns {Node[]} */
  #picture(file) {
    const frame = h('div', { class: 'frame' });
    frame.style.setProperty('--wide', String(file.width));
    frame.style.setProperty('--high', String(file.height));
    const under = h('img', { class: 'under', src: small(file), alt: '' });
    under.addEventListener('error', () => under.remove(), { once: true });
    frame.append(under);
    const calm = matchMedia('(prefers-reduced-motion: reduce)').matches;
    if (calm && MOVING.test(file.media_type) && file.preview && file.url) {
      const play = h('button', { class: 'button', type: 'button', onclick: () => {
        play.remove();
        frame.append(this.#large(file));
      } }, dialogSay.play);
      frame.append(play);
    } else {
      frame.append(this.#large(file));
    }
    return [frame];
  }

  /** @param {AttachmentView} file @returns {HTMLElement} */
  #large(file) {
    const picture = h('img', { class: 'large', src: file.local ? objectUrlOf(file.local) : addressOf(file.url ?? ''),
      alt: file.name, draggable: 'false', decoding: 'async' });
    picture.addEventListener('error', () =>
      picture.replaceWith(h('p', { class: 'why', role: 'alert' }, dialogSay.pictureFailed)), { once: true });
    return picture;
  }

  /** @param {Element} target */
  #chosen(target) {
    const key = /** @type {HTMLElement|null} */ (target.closest('parlor-thumb'))?.dataset.key;
    const at = this.pictures.findIndex((one) => one.key === key);
    if (at >= 0) this.#show(at);
  }

  /** @param {number} by */
  #turn(by) {
    const to = this.#at + by;
    if (to >= 0 && to < this.pictures.length) this.#show(to);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const on = document.dir === 'rtl' ? -1 : 1;
    const steps = { ArrowRight: on, ArrowLeft: -on, Home: -this.#at, End: this.pictures.length - 1 - this.#at };
    const by = steps[/** @type {keyof typeof steps} */ (event.key)];
    if (by === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    this.#turn(by);
  }

  /** @param {PointerEvent} event */
  #touched({ clientX: x, clientY: y, pointerType, isPrimary }) {
    this.#finger = pointerType === 'mouse' || !isPrimary ? null : { x, y };
  }

  /** @param {PointerEvent} event */
  #lifted({ clientX: x, clientY: y }) {
    const from = this.#finger;
    this.#finger = null;
    if (!from) return;
    const [across, down] = [x - from.x, y - from.y];
    if (Math.abs(down) > SWIPE_PX * 1.5 && Math.abs(down) > Math.abs(across)) this.#dialog.close();
    else if (Math.abs(across) > SWIPE_PX) this.#turn((across < 0 ? 1 : -1) * (document.dir === 'rtl' ? -1 : 1));
  }
}

/** Adds the shown picture to the others in order, if its message is no longer loaded. @param {Picture[]} held
 * @param {Picture} shown @returns {Picture[]} */
function withShown(held, shown) {
  return [...held.filter((one) => one.seq <= shown.seq), shown, ...held.filter((one) => one.seq > shown.seq)];
}

/** Returns a thumbnail. */
class ParlorThumb extends HTMLElement {
  #button = h('button', { type: 'button' });

  connectedCallback() {
    if (!this.firstChild) this.append(this.#button);
  }

  /** @param {{picture: Picture, at: number, all: number}} thumb */
  update({ picture: { file }, at, all }) {
    setAttribute(this.#button, 'aria-label', say.pictureOf(at + 1, all, file.name));
    if (!this.#button.firstChild) this.#button.append(h('img', { src: small(file), alt: '', decoding: 'async' }));
  }
}

/** @param {AttachmentView} file @returns {string} */
function small(file) {
  return file.local ? objectUrlOf(file.local) : addressOf(file.preview ?? file.url ?? '');
}

customElements.define('parlor-thumb', ParlorThumb);
