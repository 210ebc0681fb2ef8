/**
 * Pictures as large as the page: always dark, by arrows, by swipes, and back to where one was with Esc.
 *
 * Invariant: nothing in it slides; a picture stands at once where it will be, its blur or its small copy before it.
 *
 * @import {User} from '../sdk/wire.js'
 * @import {Shown} from './files.js'
 */
import { addressOf } from '../sdk/addresses.js';
import { h, set, setText } from './dom.js';
import { face } from './face.js';
import { describe } from './files.js';
import { clockTime, dayName, fullTime } from './format.js';
import { icon } from './icons.js';
import { say } from './strings.js';

/** @typedef {{pictures: Shown[], at: number, sender: User|null, name: string, time: number}} Looking */

/** How far a finger has to go. */
const SWIPE_PX = 48;
const MOVING = /^image\/(?:gif|webp|apng)$/u;

/** @param {HTMLElement} host @param {Looking} looking */
export function openLightbox(host, looking) {
  new Lightbox(host, looking);
}

class Lightbox {
  /** @type {HTMLDialogElement} */
  #dialog;
  #at = 0;
  /** @type {{x: number, y: number}|null} */
  #finger = null;
  #stage = h('div', {
    class: 'stage',
    onpointerdown: (/** @type {PointerEvent} */ event) => this.#touched(event),
    onpointerup: (/** @type {PointerEvent} */ event) => this.#lifted(event),
    onclick: (/** @type {MouseEvent} */ event) => event.target === this.#stage && this.#dialog.close(),
  });
  #place = h('span', { class: 'place' });
  #about = h('p', { class: 'about one-line' });
  #ears = h('p', { class: 'for-ears', role: 'status' });
  #save = h('a', { class: 'tool', 'aria-label': say.download, title: say.download }, icon('save'));
  #previous = h('button', {
    class: 'turn back', type: 'button', 'aria-label': say.previousPicture, onclick: () => this.#turn(-1),
  }, icon('back'));
  #next = h('button', {
    class: 'turn on', type: 'button', 'aria-label': say.nextPicture, onclick: () => this.#turn(1),
  }, icon('next'));
  #strip = h('div', { class: 'strip', role: 'group' });

  /** @param {HTMLElement} host @param {Looking} looking */
  constructor(host, { pictures, at, sender, name, time }) {
    this.pictures = pictures;
    const opener = document.activeElement;
    const close = h('button', { class: 'tool', type: 'button', 'aria-label': say.close, title: say.close,
      onclick: () => this.#dialog.close() }, icon('close'));
    this.#dialog = h('dialog', {
      class: 'lightbox', 'aria-label': say.showPictures(name),
      onclose: () => {
        this.#dialog.remove();
        if (opener instanceof HTMLElement) opener.focus({ preventScroll: true });
      },
      onkeydown: (/** @type {KeyboardEvent} */ event) => this.#key(event),
    },
    h('header', {}, sender && face([sender], { size: 34 }),
      h('div', { class: 'whose' }, h('p', { class: 'who one-line', dir: 'auto' }, name),
        h('time', { class: 'one-line', datetime: new Date(time).toISOString(), title: fullTime(time) },
          `${dayName(time, Date.now())} ${clockTime(time)}`)),
      this.#place, this.#save, close),
    h('div', { class: 'middle' }, this.#previous, this.#stage, this.#next),
    h('footer', {}, this.#about, this.#strip), this.#ears);
    set(this.#strip, 'aria-label', say.pictures(pictures.length));
    this.#strip.hidden = pictures.length < 2;
    this.#strip.append(...pictures.map((one, index) => h('button', {
      type: 'button', 'aria-label': say.pictureOf(index + 1, pictures.length, one.name),
      onclick: () => this.#show(index),
    }, h('img', { src: small(one), alt: '', decoding: 'async' }))));
    host.append(this.#dialog);
    this.#dialog.showModal();
    this.#show(at);
    close.focus();
  }

  /** @param {number} index */
  #show(index) {
    this.#at = index;
    const file = this.pictures[index];
    const all = this.pictures.length;
    this.#stage.replaceChildren(...this.#picture(file));
    setText(this.#place, all > 1 ? say.placeOf(index + 1, all) : '');
    setText(this.#about, `${file.name} · ${describe(file)}`);
    setText(this.#ears, say.pictureOf(index + 1, all, file.name));
    set(this.#save, 'href', file.url);
    set(this.#save, 'download', file.name);
    const focused = document.activeElement;
    this.#previous.hidden = index === 0;
    this.#next.hidden = index === all - 1;
    if (focused === this.#previous && index === 0) this.#next.focus();
    if (focused === this.#next && index === all - 1) this.#previous.focus();
    for (const [at, one] of [...this.#strip.children].entries()) set(one, 'aria-current', at === index ? 'true' : null);
    const thumb = /** @type {HTMLElement} */ (this.#strip.children[index]);
    const left = thumb.offsetLeft - (this.#strip.clientWidth - thumb.clientWidth) / 2;
    this.#strip.scrollTo({ left, behavior: 'instant' });
  }

  /** The small copy stands under the large one until that is there. @param {Shown} file @returns {Node[]} */
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
      } }, say.play);
      frame.append(play);
    } else {
      frame.append(this.#large(file));
    }
    return [frame];
  }

  /** @param {Shown} file @returns {HTMLElement} */
  #large(file) {
    const picture = h('img', { class: 'large', src: file.local ? addressOf(file.local) : (file.url ?? ''),
      alt: file.name, draggable: 'false', decoding: 'async' });
    picture.addEventListener('error', () =>
      picture.replaceWith(h('p', { class: 'why', role: 'alert' }, say.pictureFailed)), { once: true });
    return picture;
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

/** @param {Shown} file @returns {string} */
function small(file) {
  return file.local ? addressOf(file.local) : (file.preview ?? file.url ?? '');
}
