/**
 * The oldest warning that the user has not read: it leads to the message, and stays until they have seen it.
 *
 * @import {Client} from '../../sdk/client.js'
 * @import {MessagePlace, Warning} from '../../sdk/wire.js'
 */
import { readWarning } from '../../sdk/reports.js';
import { findMessage } from './find-message.js';
import { h, replaceChildren, setAttribute } from '../ui/dom.js';
import { icon } from '../ui/icons.js';
import { toast } from '../ui/toast.js';
import { dialogSay } from '../view/dialog-strings.js';
import { errorText } from '../view/error-text.js';
import { say } from '../view/strings.js';

const { warning: words } = dialogSay;

/** @typedef {{
 *   host: HTMLElement, client: Client, place: HTMLElement, goTo: (place: MessagePlace & {quiet?: boolean}) => void,
 * }} WarningParts `place` is where they are drawn; `goTo` shows a message */

/** @param {WarningParts} parts */
export function drawWarnings(parts) {
  const { client: { state: { warnings } }, place, host } = parts;
  const [first] = warnings;
  replaceChildren(place, first ? [card(parts, first, warnings.length - 1)] : [],
    () => /** @type {HTMLElement|null} */ ((place.querySelector('button') ?? host.querySelector('parlor-list input')))?.focus());
}

/** @param {WarningParts} parts @param {Warning} warning @param {number} more @returns {HTMLElement} */
function card(parts, warning, more) {
  const read = h('button', { class: 'button', type: 'button', onclick: () => void confirm(parts, warning, read) }, words.read);
  return h('section', { class: 'warning', 'aria-label': words.title }, icon('alert'), h('div', {}, h('p', {}, words.text),
    more > 0 && h('p', { class: 'note' }, words.more(more)),
    h('div', { class: 'buttons' }, h('button', { class: 'button', type: 'button', onclick: () => void showMessage(parts, warning) }, words.show), read)));
}

/** Shows the message, also where it was removed. @param {WarningParts} parts @param {Warning} warning */
async function showMessage({ client, goTo }, { conversation, seq }) {
  const outcome = await findMessage(client, { conversation, seq }, () => false);
  goTo({ conversation, seq, quiet: outcome === 'deleted' });
}

/** @param {WarningParts} parts @param {Warning} warning @param {HTMLButtonElement} button */
async function confirm({ client, host }, warning, button) {
  if (button.ariaDisabled) return;
  // A disabled button would lose the focus.
  setAttribute(button, 'aria-disabled', 'true');
  try {
    await readWarning(client, warning.report);
  } catch (error) {
    setAttribute(button, 'aria-disabled', null);
    toast(host, { words: say.notChangedBecause(errorText(error)), sign: 'alert' });
  }
}
