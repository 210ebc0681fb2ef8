/**
 * Long presses of a finger or pen. Not every browser reports them as `contextmenu`, so they are timed here.
 */

const PRESS_MS = 450;
/** A finger is never quite still. */
const STILL_PX = 10;

/** @typedef {{x: number, y: number}} Point */

export class LongPress {
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  #timer;
  /** The position of the finger. @type {Point} */
  #from = { x: 0, y: 0 };
  /** Whether the press that began last has become a long one. */
  isLong = false;

  /** @param {HTMLElement} place @param {(event: PointerEvent) => ((at: Point) => void)|null} actFor what a long press does
   * there; null for nothing @param {AbortSignal} [signal] */
  constructor(place, actFor, signal) {
    const options = { passive: true, signal };
    place.addEventListener('pointerdown', (event) => this.#press(event, actFor), options);
    for (const name of /** @type {const} */ (['pointerup', 'pointercancel'])) {
      place.addEventListener(name, () => clearTimeout(this.#timer), options);
    }
    // The menu key opens a menu, too.
    place.addEventListener('keydown', () => {
      this.isLong = false;
    }, options);
    place.addEventListener('pointermove', (event) => this.#moved(event), options);
    place.addEventListener('scroll', () => clearTimeout(this.#timer), { ...options, capture: true });
  }

  /** @param {PointerEvent} event @param {(event: PointerEvent) => ((at: Point) => void)|null} actFor */
  #press(event, actFor) {
    clearTimeout(this.#timer);
    this.isLong = false;
    const act = event.pointerType === 'mouse' || !event.isPrimary ? null : actFor(event);
    if (!act) return;
    this.#from = { x: event.clientX, y: event.clientY };
    this.#timer = setTimeout(() => {
      this.isLong = true;
      swallowClick();
      act({ ...this.#from });
    }, PRESS_MS);
  }

  /** @param {PointerEvent} event */
  #moved({ clientX, clientY }) {
    if (Math.hypot(clientX - this.#from.x, clientY - this.#from.y) > STILL_PX) clearTimeout(this.#timer);
  }
}

/** The click that ends a long press is ignored, wherever it lands: on the subject, or on the sheet that has opened. */
function swallowClick() {
  const done = new AbortController();
  const options = { capture: true, signal: done.signal };
  document.addEventListener('click', (event) => {
    event.preventDefault();
    event.stopPropagation();
    done.abort();
  }, options);
  document.addEventListener('pointerdown', () => done.abort(), options);
}
