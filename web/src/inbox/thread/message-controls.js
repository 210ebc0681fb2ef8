/**
 * Message controls: the hover bar, the menu (by button, right click, long press, menu key and Enter), and keyboard
 * navigation between messages.
 *
 * Invariants: the messages are one Tab stop (their log). An arrow key moves from there to a message; with the focus on
 * it, Tab reaches its links and buttons, and Escape goes back. Whatever works with a pointer also works by touch and by
 * keyboard.
 *
 * @import {ParlorMessage} from './message.js'
 */
import { h, setAttribute } from '../ui/dom.js';
import { icon } from '../ui/icons.js';
import { say } from '../view/strings.js';
import { emit } from '../ui/events.js';
import { LongPress } from '../ui/long-press.js';
import { whenReleased } from '../ui/released.js';

/** @typedef {(message: ParlorMessage, event: KeyboardEvent) => boolean} Act whether a key on a message did something */

export class MessageControls {
  #bar = h('div', { class: 'message-controls', role: 'group', 'aria-label': say.message });
  #more = this.#tool('more', say.more, (message) => this.#openMenu(message, this.#more.getBoundingClientRect(), message));
  /** @type {LongPress} */
  #press;

  /** @param {HTMLElement} place @param {Act} act @param {() => boolean} mayWrite whether anything can be answered */
  constructor(place, act, mayWrite) {
    this.act = act;
    this.mayWrite = mayWrite;
    const react = this.#tool('smile', say.react, (message) =>
      emit(message, 'parlor-pick-reaction', { element: message, at: react.getBoundingClientRect(), back: message }));
    const reply = this.#tool('reply', say.reply, (message) => emit(message, 'parlor-reply', { seq: message.seq }));
    setAttribute(this.#more, 'aria-haspopup', 'menu');
    this.#bar.append(react, reply, this.#more);
    place.addEventListener('pointerover', (event) => this.#over(event));
    place.addEventListener('pointerleave', () => this.#hide());
    place.addEventListener('focusin', (event) => this.#focused(event));
    place.addEventListener('focusout', (event) => this.#left(event));
    place.addEventListener('keydown', (event) => this.#handleKey(event));
    place.addEventListener('contextmenu', (event) => this.#context(event));
    this.#press = new LongPress(place, (event) => {
      const message = messageAt(event.target);
      return message && isThere(message) ? (at) => this.#openMenu(message, at, message) : null;
    });
  }

  /** @param {string} sign @param {string} label @param {(message: ParlorMessage) => void} act @returns {HTMLElement} */
  #tool(sign, label, act) {
    return h('button', {
      class: 'tool', type: 'button', 'aria-label': label, title: label, tabindex: -1,
      onclick: () => {
        const message = messageAt(this.#bar);
        if (message) act(message);
      },
    }, icon(sign));
  }

  /** @param {ParlorMessage} message @param {DOMRect|{x: number, y: number}} at @param {HTMLElement} back */
  #openMenu(message, at, back) {
    emit(message, 'parlor-message-menu', { element: message, at, back });
  }

  /** @param {PointerEvent} event */
  #over(event) {
    if (event.pointerType !== 'mouse') return;
    const message = messageAt(event.target);
    if (message) this.#show(message);
    else if (!this.#bar.contains(document.activeElement)) this.#hide();
  }

  /** @param {ParlorMessage} message */
  #show(message) {
    if (this.#bar.parentElement === message) return;
    const gone = message.view?.deleted !== '' || !this.mayWrite();
    for (const tool of this.#bar.children) /** @type {HTMLElement} */ (tool).hidden = gone && tool !== this.#more;
    // A moved element loses the focus, which must not get lost.
    if (this.#bar.contains(document.activeElement)) messageAt(this.#bar)?.focus({ preventScroll: true });
    if (isThere(message)) message.append(this.#bar);
    else this.#hide();
  }

  #hide() {
    if (this.#bar.contains(document.activeElement)) return;
    const focused = messageAt(document.activeElement);
    if (focused && isThere(focused) && document.activeElement?.matches(':focus-visible')) this.#show(focused);
    else this.#bar.remove();
  }

  /** @param {FocusEvent} event */
  #focused({ target }) {
    const message = messageAt(target);
    if (!message) return;
    if (/** @type {Element} */ (target).matches(':focus-visible')) this.#show(message);
    for (const one of controls(message)) setAttribute(one, 'tabindex', 0);
  }

  /** @param {FocusEvent} event */
  #left({ target, relatedTarget }) {
    const message = messageAt(target);
    if (!message || message.contains(/** @type {Node|null} */ (relatedTarget))) return;
    for (const one of controls(message)) setAttribute(one, 'tabindex', -1);
    if (this.#bar.parentElement === message && !message.matches(':hover')) this.#bar.remove();
  }

  /** @param {KeyboardEvent} event */
  #handleKey(event) {
    if (event.defaultPrevented || event.isComposing) return;
    const target = /** @type {HTMLElement} */ (event.target);
    const log = /** @type {HTMLElement|null} */ (target.closest('[role="log"]'));
    const message = messageAt(target);
    if (!log || (target !== log && !message)) return;
    const isOn = target === log || target === message;
    if ((isOn || event.key === 'Escape') && this.#walk(event, log, message)) {
      event.preventDefault();
      return;
    }
    // The letter keys also work on its links and buttons.
    if (!message || !isThere(message) || target.matches('video, audio')) return;
    if (isOn && (event.key === 'Enter' || event.key === 'ContextMenu' || (event.key === 'F10' && event.shiftKey))) {
      event.preventDefault();
      this.#openMenu(message, bubbleOf(message).getBoundingClientRect(), message);
    } else if (this.act(message, event)) {
      event.preventDefault();
    }
  }

  /** @param {KeyboardEvent} event @param {HTMLElement} log @param {ParlorMessage|null} message
   * @returns {boolean} whether the key went anywhere */
  #walk({ key, target, ctrlKey, altKey, metaKey }, log, message) {
    if (ctrlKey || altKey || metaKey) return false;
    if (key === 'Escape') {
      if (!message) return false;
      (target === message ? log : message).focus({ preventScroll: true });
      return true;
    }
    const all = /** @type {ParlorMessage[]} */ ([...log.querySelectorAll('parlor-message')]);
    const at = message ? all.indexOf(message) : -1;
    /** @type {Record<string, number>} */
    const ways = { ArrowUp: at - 1, ArrowDown: at + 1 };
    if (all.length > 0 && (key === 'Home' || key === 'End')) {
      emit(log, 'parlor-jump-to-edge', { first: key === 'Home' });
      return true;
    }
    if (!(key in ways) || all.length === 0) return false;
    if (!message) {
      // From the log, up goes to the last visible message. Down scrolls, as anywhere.
      if (key !== 'ArrowUp') return false;
      (lastSeen(log, all) ?? all[all.length - 1]).focus({ preventScroll: true });
      return true;
    }
    const to = all[ways[key]];
    if (!to) {
      if (key === 'ArrowDown') emit(message, 'parlor-focus-composer');
      return true;
    }
    to.focus({ preventScroll: true });
    to.scrollIntoView({ block: 'nearest' });
    return true;
  }

  /** Handles a right click, or a long press where the browser reports it. @param {MouseEvent} event */
  #context(event) {
    const message = messageAt(event.target);
    const target = /** @type {Element} */ (event.target);
    if (!message || !isThere(message) || event.shiftKey) return;
    const touch = /** @type {PointerEvent} */ (event).pointerType === 'touch';
    // Selections, links and pictures have the browser's own menu.
    const own = target.closest('a, img, video, audio') || (getSelection()?.toString() ?? '') !== '';
    if (own && !touch) return;
    event.preventDefault();
    if (this.#press.isLong || touch) return;
    const at = { x: event.clientX, y: event.clientY };
    whenReleased(event, () => this.#openMenu(message, at, message));
  }
}

/** @param {EventTarget|null} target @returns {ParlorMessage|null} */
function messageAt(target) {
  return target instanceof Element ? target.closest('parlor-message') : null;
}

/** Returns whether the server has a message, so that there are actions for it. @param {ParlorMessage} message
 * @returns {boolean} */
function isThere(message) {
  return message.seq > 0;
}

/** @param {ParlorMessage} message @returns {Element} */
function bubbleOf(message) {
  return message.querySelector('.bubble:not([hidden])') ?? message;
}

/** @param {ParlorMessage} message @returns {Element[]} */
function controls(message) {
  return [...message.querySelectorAll('a, button, video, audio')];
}

/** @param {HTMLElement} log @param {ParlorMessage[]} all @returns {ParlorMessage|undefined} */
function lastSeen(log, all) {
  const edge = log.getBoundingClientRect().bottom;
  return all.findLast((one) => one.getBoundingClientRect().top < edge - 20);
}
