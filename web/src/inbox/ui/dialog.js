/**
 * Dialogs, with the browser's own element, which traps and restores the focus. The question is in the title, and the
 * buttons repeat its verb.
 */
import { h } from './dom.js';
import { icon } from './icons.js';
import { say } from '../view/strings.js';

/** Opens a dialog over the inbox, and removes it when it closes. @param {HTMLElement} host @param {string} title
 * @param {...(Node|null)} content @returns {HTMLDialogElement} */
export function openDialog(host, title, ...content) {
  const name = `dialog-${Math.floor(performance.now())}`;
  const close = h('button', { class: 'tool', type: 'button', 'aria-label': say.close, onclick: () => dialog.close() },
    icon('close'));
  /** @type {HTMLDialogElement} */
  const dialog = h('dialog', {
    class: 'dialog', 'aria-labelledby': name,
    onclose: () => dialog.remove(),
    // A click on the dialog itself, and not on its content, is beside it.
    onmousedown: (/** @type {MouseEvent} */ event) => event.target === dialog && dialog.close(),
  }, h('div', { class: 'dialog-body' },
    h('div', { class: 'dialog-head' }, h('h2', { id: name }, title), close), ...content));
  host.append(dialog);
  dialog.showModal();
  return dialog;
}

/** Closes all dialogs and menus that are open, for what the user wants to see behind them. */
export function closeAll() {
  for (const one of document.querySelectorAll('dialog[open]')) /** @type {HTMLDialogElement} */ (one).close();
  for (const one of document.querySelectorAll(':popover-open')) /** @type {HTMLElement} */ (one).hidePopover();
}

/** Asks for confirmation before something that cannot be undone. @param {HTMLElement} host
 * @param {{title: string, more: string, keep: string, act: string, then: () => void}} question */
export function openConfirmDialog(host, { title, more, keep, act, then }) {
  const stay = h('button', { class: 'button', type: 'button', onclick: () => dialog.close() }, keep);
  const go = h('button', {
    class: 'button warn', type: 'button',
    onclick: () => {
      dialog.close();
      then();
    },
  }, act);
  const dialog = openDialog(host, title, h('p', {}, more), h('footer', {}, stay, go));
  stay.focus();
}
