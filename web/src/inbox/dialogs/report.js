/**
 * Reporting a message to the moderators, and blocking its sender at the same time.
 *
 * What is being sent cannot be taken back: if the dialog is closed meanwhile, a notice says what became of it.
 *
 * @import {Client} from '../../sdk/client.js'
 * @import {Conversation, Message, ReportReason} from '../../sdk/wire.js'
 */
import { setBlocked } from '../../sdk/blocks.js';
import { Problem } from '../../sdk/problem.js';
import { reportMessage } from '../../sdk/reports.js';
import { partnerIn } from '../../sdk/state/blocks.js';
import { openDialog } from '../ui/dialog.js';
import { h, setAttribute } from '../ui/dom.js';
import { icon } from '../ui/icons.js';
import { toast } from '../ui/toast.js';
import { isolated } from '../view/bidi.js';
import { dialogSay } from '../view/dialog-strings.js';
import { errorText } from '../view/error-text.js';
import { nameFor, previewMessage } from '../view/preview.js';
import { sentences } from '../view/strings.js';

const { reporting: words } = dialogSay;

class ReportDialog {
  #reasons = h('fieldset', { class: 'reasons', onchange: () => this.#tell('') }, h('legend', {}, words.why),
    ...Object.entries(words.reasons).concat([['other', words.another]]).map(([value, label]) =>
      h('label', { class: 'reason' }, h('input', { type: 'radio', name: 'reason', value }), label)));
  #note;
  #also = h('input', { type: 'checkbox' });
  #why = h('p', { class: 'why', role: 'alert', hidden: true });
  #keep = h('button', { class: 'button', type: 'button', onclick: () => this.#isSending || this.dialog.close() }, words.keep);
  #act = h('button', { class: 'button main', type: 'submit' }, words.act);
  #isSending = false;

  /** @param {HTMLElement} host @param {Client} client @param {Conversation} conversation @param {Message} message */
  constructor(host, client, conversation, message) {
    this.host = host;
    this.client = client;
    this.message = message;
    const name = isolated(nameFor(client.state, message.sender));
    const partner = partnerIn(client.state, conversation);
    const mayBlock = partner === message.sender && !client.state.blocks.has(partner);
    this.#note = h('textarea', { rows: 2, maxlength: client.limits.report_note_chars_max, dir: 'auto' });
    const { text, sign } = previewMessage(client.state, message);
    this.dialog = openDialog(host, words.title, h('form', { onsubmit: (/** @type {Event} */ event) => void this.#submit(event) },
      h('blockquote', {}, h('b', { class: 'one-line', dir: 'auto' }, nameFor(client.state, message.sender)),
        h('span', { class: 'excerpt', dir: 'auto' }, sign && icon(sign, { small: true }), text)),
      this.#reasons, this.#why, h('label', { class: 'field' }, words.note, this.#note),
      mayBlock && h('label', { class: 'reason' }, this.#also, words.also(name)),
      h('p', { class: 'note' }, words.more(name)),
      h('footer', {}, this.#keep, this.#act)));
    this.dialog.classList.add('reporting');
    this.#reasons.querySelector('input')?.focus();
  }

  /** @param {string} trouble */
  #tell(trouble) {
    this.#why.hidden = trouble === '';
    if (trouble === '') return;
    this.#why.replaceChildren(icon('alert', { small: true }), trouble);
    this.#why.scrollIntoView({ block: 'nearest' });
  }

  /** @param {boolean} isSending */
  #setSending(isSending) {
    this.#isSending = isSending;
    // A disabled button would lose the focus.
    for (const button of [this.#keep, this.#act]) setAttribute(button, 'aria-disabled', isSending ? 'true' : null);
  }

  /** @param {Event} event */
  async #submit(event) {
    event.preventDefault();
    const chosen = /** @type {HTMLInputElement|null} */ (this.#reasons.querySelector('input:checked'));
    if (!chosen) {
      this.#tell(words.choose);
      this.#reasons.querySelector('input')?.focus();
      return;
    }
    if (this.#isSending) return;
    this.#setSending(true);
    const { conversation, seq, sender } = this.message;
    try {
      const reason = /** @type {ReportReason} */ (chosen.value);
      const { duplicate } = await reportMessage(this.client, conversation, seq, reason, this.#note.value.trim());
      this.dialog.close();
      await this.#finish(duplicate ? words.again : words.done, sender);
    } catch (error) {
      this.#setSending(false);
      if (this.dialog.open) this.#tell(refusal(error));
      else toast(this.host, { words: sentences(words.failed, refusal(error)), sign: 'alert' });
    }
  }

  /** @param {string} done @param {number} sender */
  async #finish(done, sender) {
    if (!this.#also.checked) {
      toast(this.host, { words: done, sign: 'flag' });
      return;
    }
    const name = isolated(nameFor(this.client.state, sender));
    try {
      await setBlocked(this.client, sender, true);
      toast(this.host, { words: sentences(done, dialogSay.blocking.done(name)), sign: 'flag' });
    } catch (error) {
      toast(this.host, { words: sentences(words.notBlocked, errorText(error)), sign: 'alert' });
    }
  }
}

/** @param {unknown} error @returns {string} */
function refusal(error) {
  const code = error instanceof Problem ? error.code : '';
  if (code === 'too_late') return words.gone;
  return code === 'too_many' ? words.tooMany : errorText(error);
}

/** @param {HTMLElement} host @param {Client} client @param {Conversation} conversation @param {Message} message */
export function openReportDialog(host, client, conversation, message) {
  new ReportDialog(host, client, conversation, message);
}
