/**
 * The sheet of keyboard shortcuts.
 */
import { dialogSay } from '../view/dialog-strings.js';
import { say } from '../view/strings.js';
import { openDialog } from '../ui/dialog.js';
import { h } from '../ui/dom.js';
import { keyLabel } from '../ui/menu.js';

/** Each shortcut: its keys, where several separated by commas do the same or the opposite, and what it does.
 * @returns {[string, [string, string][]][]} */
function sections() {
  const { keyboard: words } = dialogSay;
  return [
    [words.everywhere, [
      ['Ctrl K', words.goTo], ['Ctrl E', say.search], ['Ctrl Shift F', say.searchHere], ['Ctrl U', say.attach],
      ['Alt ↓, Alt ↑', words.next], ['Alt Shift ↓, Alt Shift ↑', words.nextUnread], ['F6, Shift F6', words.regions],
      ['Ctrl /, ?', words.sheet], ['Esc', words.stop],
    ]],
    [words.list, [['↓, ↑', words.rows], ['Enter', say.openIt], ['Shift F10', words.rowMenu]]],
    [words.messages, [
      ['↑, ↓', words.move], ['Enter', words.rowMenu], ['R', say.reply], ['E', say.edit], ['F', say.forward],
      ['Ctrl C', say.copyText], ['Del', say.deleteForMe],
    ]],
    [words.writing, [
      ['Ctrl Enter', say.send], ['Shift Enter', words.newLine], ['↑', words.editLast], ['Shift ↑', words.replyLast],
    ]],
  ];
}

/** @param {HTMLElement} host */
export function openShortcuts(host) {
  // Something else may have opened while this was loaded.
  if (document.querySelector('dialog[open]')) return;
  const parts = sections().flatMap(([title, rows]) => [
    h('h3', {}, title),
    h('dl', { class: 'keys' }, ...rows.map(([keys, what]) => h('div', {},
      h('dt', {}, ...keys.split(', ').map((key) => h('kbd', { class: 'key', dir: 'ltr' }, keyLabel(key)))), h('dd', {}, what)))),
  ]);
  openDialog(host, dialogSay.keyboard.sheet, ...parts);
}
