/**
 * The day of the visible messages, shown above them while the user scrolls, unless a day separator is there. A touch leads
 * to another day; a pointer scrolls through it.
 */
import { dayName } from '../view/format.js';
import { emit } from '../ui/events.js';
import { h, setText } from '../ui/dom.js';
import { say } from '../view/strings.js';

const STAYS_MS = 1_200;
/** A separator this close to the upper edge says the same. */
const NEAR_PX = 64;

export class FloatingDay {
  element = h('div', {
    class: 'floating-day', 'aria-hidden': true, title: say.goToDay,
    onclick: () => emit(this.element, 'parlor-go-to-day'),
  });
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #timer;

  /** @param {HTMLElement} log @param {number} at when the first message that is seen was written @param {number} now */
  scrolled(log, at, now) {
    const edge = log.getBoundingClientRect().top;
    const isShown = [...log.querySelectorAll('.day, .unread-from')].some((one) => {
      const { top, bottom } = one.getBoundingClientRect();
      return bottom > edge && top < edge + NEAR_PX;
    });
    clearTimeout(this.#timer);
    if (isShown) {
      this.hide();
      return;
    }
    setText(this.element, dayName(at, now));
    this.element.classList.add('there');
    this.#timer = setTimeout(() => this.hide(), STAYS_MS);
  }

  hide() {
    clearTimeout(this.#timer);
    this.element.classList.remove('there');
  }
}
