/**
 * The composer. With a keyboard Enter sends and Shift+Enter starts a new line, unless the user has chosen Ctrl+Enter; on a
 * touch screen Enter starts a new line and the button sends, since a phone has no Shift+Enter. Ctrl+Enter sends everywhere. Nothing is sent during text
 * composition. Above the text are the message that it replies to or edits, and a subject if wanted.
 *
 * Invariant: while a message is edited the draft is kept, and comes back afterwards.
 *
 * @import {Mention} from '../../sdk/wire.js'
 * @import {Completion} from './completion.js'
 * @import {ParlorUploadTray} from '../files/upload-tray.js'
 * @import {ComposerMode, ComposerView} from '../view/thread.js'
 * @import {Restored} from '../ui/events.js'
 */
import '../files/upload-tray.js';
import { h, replaceChildren, setAttribute, setText } from '../ui/dom.js';
import { ComposerHint } from './composer-hint.js';
import { emit, listen } from '../ui/events.js';
import { prepend } from './draft.js';
import { icon } from '../ui/icons.js';
import { formatNumber, say } from '../view/strings.js';
import { chooseFiles, pastedFiles } from '../files/file-intake.js';
import { insertText } from '../ui/insert-text.js';
import { moveMentions } from '../view/mentions.js';
import { isBlank } from '../view/visible-text.js';

/** How near the limit the remaining characters are counted. */
const COUNT_FROM = 500;
const SUBJECT_COUNT_FROM = 40;
/** Pasted text that exceeds the limit by this factor is refused: laying it out would freeze the page. */
const PASTE_FACTOR = 2;
/** HTML that says more than its plain text. */
const RICH = /<(?:a|b|code|em|i|li|pre|strong|td)[\s>]/iu;
const FINGERS = matchMedia('(pointer: coarse)');
/** What loads the completion of emoji names: a colon and a letter before the caret. */
const COLON = /[:：]\p{L}[^\s:：]*$/u;
const COLON_CHARS = 40;
/** What loads the completion of members' names: an at sign and what follows it. */
const AT_SIGN = /[@＠][^\s@＠]*$/u;

export class ParlorComposer extends HTMLElement {
  #input = h('textarea', {
    class: 'text', rows: 1, 'aria-label': say.message, autocomplete: 'off',
    // What an input method is still composing is not replaced.
    oninput: (/** @type {InputEvent} */ event) => this.#changed(event.isComposing || event.inputType?.startsWith('history')),
    oncompositionend: () => this.#complete(),
    onkeydown: (/** @type {KeyboardEvent} */ event) => this.#key(event),
    onpaste: (/** @type {ClipboardEvent} */ event) => this.#pasted(event),
    ondrop: (/** @type {DragEvent} */ event) => this.#isTooMuch(event, event.dataTransfer),
  });
  #hint = new ComposerHint(this.#input);
  #tray = /** @type {ParlorUploadTray} */ (document.createElement('parlor-upload-tray'));
  #attach = h('button', {
    class: 'tool attach', type: 'button', 'aria-label': say.attach, title: say.attachHint,
    onclick: () => this.chooseFiles(),
  }, icon('clip'));
  #mode = h('div', { class: 'replying', hidden: true });
  #subject = h('input', {
    class: 'subject-field', 'aria-label': say.subject, placeholder: say.subject, autocomplete: 'off', hidden: true,
    oninput: () => this.#subjectChanged(),
    onkeydown: (/** @type {KeyboardEvent} */ event) => this.#subjectKey(event),
  });
  #subjectTool = h('button', {
    class: 'tool subject-tool', type: 'button', onclick: () => this.#toggleSubject(),
  }, icon('subject'));
  #emoji = h('button', {
    class: 'tool emoji-tool', type: 'button', 'aria-label': say.addEmoji, title: say.addEmoji, 'aria-haspopup': 'dialog',
    onclick: () => this.#chooseEmoji(),
  }, icon('smile'));
  #send = h('button', { class: 'send', type: 'submit' }, icon('send'));
  #count = h('p', { class: 'hint', hidden: true, role: 'status' });
  #note = h('p', { class: 'hint', hidden: true, role: 'status' });
  #form = h('form', { class: 'composer', onsubmit: (/** @type {Event} */ event) => this.#submit(event) },
    h('div', { class: 'box' }, this.#mode, this.#tray, this.#subject, this.#attach, this.#input,
      h('div', { class: 'tools' }, this.#subjectTool, this.#emoji, this.#send)), this.#count, this.#note);
  #closed = h('p', { class: 'closed', hidden: true });
  #drawnMode = '';
  #drawnClosed = '';
  /** @type {ComposerView|null} */
  #view = null;
  /** The completions that have been loaded. @type {{emoji?: Completion<any>, mention?: Completion<any>}} */
  #completions = {};
  /** The mentions in the text. @type {Mention[]} */
  #mentions = [];
  /** The text in which they are. */
  #text = '';

  connectedCallback() {
    if (!this.firstChild) this.append(this.#form, this.#closed);
    listen(this.#tray, { 'parlor-tray-emptied': () => this.focusInput() });
  }

  /** Shows a note below the text until the user writes on. @param {string} words */
  note(words) {
    setText(this.#note, words);
    this.#note.hidden = words === '';
  }

  /** Restores withdrawn text before the current text. While a message is edited, the draft gets it.
   * @param {Restored} message */
  restoreDraft(message) {
    if (this.#edits) {
      emit(this, 'parlor-restore-draft', message);
      return;
    }
    const { text, reply, mentions = [], draft } = message;
    if (reply !== undefined) emit(this, 'parlor-reply', { seq: reply });
    const before = this.#input.value.length;
    this.#input.value = prepend(text, this.#input.value);
    this.#follow(this.#input.value.length - before);
    this.#mentions = [...mentions, ...this.#mentions];
    emit(this, 'parlor-draft', { text: this.#text, mentions: this.#mentions, draft });
    this.#changed();
    this.focusInput();
  }

  /** Whether the user can write here. @returns {boolean} */
  get isOpen() {
    return !this.#form.hidden && !this.#edits;
  }

  /** Opens the browser's file chooser. */
  chooseFiles() {
    if (this.isOpen) chooseFiles((files) => this.#take(files));
  }

  focusInput() {
    if (!this.#form.hidden) this.#input.focus({ preventScroll: true });
  }

  /** Draws why nobody can write here, and what the user can do about it. @param {ComposerView} view */
  #drawClosed({ closed, blocked }) {
    const key = `${closed} ${blocked}`;
    if (closed === null || key === this.#drawnClosed) return;
    this.#drawnClosed = key;
    replaceChildren(this.#closed, [
      h('span', { class: 'reason' }, icon(blocked === null ? 'lock' : 'block', { small: true }), h('span', {}, closed)),
      ...(blocked === null ? [] : [h('button', {
        class: 'button', type: 'button', onclick: () => emit(this, 'parlor-unblock', { user: blocked }),
      }, say.unblock)]),
    ], () => this.focusInput());
  }

  get #enterSends() {
    return !FINGERS.matches && this.#view?.enterSends !== false;
  }

  /** The edit of an own message. */
  get #edits() {
    const mode = this.#view?.mode;
    return mode?.kind === 'edit' ? mode : null;
  }

  /** @param {ComposerView} view */
  update(view) {
    const fresh = view.conversation !== this.#view?.conversation;
    const was = this.#edits;
    const isTaken = view.draftTaken !== this.#view?.draftTaken;
    this.#view = view;
    this.#form.hidden = view.closed !== null;
    this.#closed.hidden = view.closed === null;
    this.#drawClosed(view);
    this.#hint.update(view.name);
    setAttribute(this.#input, 'enterkeyhint', this.#enterSends ? 'send' : 'enter');
    const edits = this.#edits;
    if (fresh) {
      this.note('');
      this.#completions.emoji?.reset();
      this.#completions.mention?.reset();
    }
    if (fresh || was?.seq !== edits?.seq || (isTaken && !edits)) this.#begin(edits, view);
    if (edits && edits.trouble !== was?.trouble) this.note(edits.trouble);
    this.#drawMode(view.mode);
    this.#drawSubject(view);
    this.#tray.update(edits ? [] : view.attached);
    this.#attach.hidden = edits !== null;
    this.#fit();
  }

  /** Fills the fields with the edited message or the draft. @param {Extract<ComposerMode, {kind: 'edit'}>|null} edits
   * @param {ComposerView} view */
  #begin(edits, view) {
    this.#input.value = edits ? edits.words.text : view.draft;
    this.#mentions = edits ? edits.words.mentions : view.mentions;
    this.#text = this.#input.value;
    this.#subject.value = edits ? edits.words.subject : (view.subject ?? '');
    this.#input.setSelectionRange(this.#input.value.length, this.#input.value.length);
  }

  /** @param {ComposerMode|null} mode */
  #drawMode(mode) {
    const drawn = JSON.stringify([this.#enterSends, mode && [mode.kind, mode.seq, mode.text, mode.kind === 'reply' && mode.who]]);
    if (drawn === this.#drawnMode) return;
    this.#drawnMode = drawn;
    this.#mode.hidden = !mode;
    const isEdit = mode?.kind === 'edit';
    const label = isEdit ? say.save : say.send;
    setAttribute(this.#send, 'aria-label', label);
    setAttribute(this.#send, 'title', isEdit ? say.save : this.#enterSends ? say.sendHint : say.send);
    this.#send.replaceChildren(icon(isEdit ? 'check' : 'send'));
    if (!mode) {
      this.#mode.replaceChildren();
      return;
    }
    const stop = isEdit ? say.stopEdit : say.stopReply;
    this.#mode.replaceChildren(
      h('span', { class: 'one-line' },
        h('b', { dir: 'auto' }, isEdit ? say.editing : mode.who === '' ? say.reply : say.replyingTo(mode.who)),
        h('span', { class: 'quoted one-line', dir: 'auto' },
          !isEdit && mode.sign ? icon(mode.sign, { small: true }) : null, mode.text.replace(/\s+/gu, ' '))),
      h('button', {
        class: 'tool', type: 'button', 'aria-label': stop, title: `${stop} (${say.keyNames.Esc})`, onclick: () => this.#leaveMode(),
      }, icon('close')),
    );
  }

  /** @param {ComposerView} view */
  #drawSubject({ subject, subjectMax }) {
    const edits = this.#edits;
    const wanted = edits ? edits.words.subject !== '' || this.#subject.value !== '' : subject !== null;
    const was = !this.#subject.hidden;
    this.#subject.hidden = !wanted;
    setAttribute(this.#subject, 'maxlength', subjectMax * 2);
    setAttribute(this.#subjectTool, 'aria-pressed', String(wanted));
    const label = wanted ? say.removeSubject : say.addSubject;
    setAttribute(this.#subjectTool, 'aria-label', label);
    setAttribute(this.#subjectTool, 'title', label);
    this.#subjectTool.hidden = edits !== null;
    if (wanted && !was && !edits && document.activeElement === this.#subjectTool) this.#subject.focus();
  }

  #toggleSubject() {
    const isOn = this.#view?.subject !== null;
    if (isOn) this.#subject.value = '';
    emit(this, 'parlor-draft-subject', { subject: isOn ? null : '' });
    if (isOn) this.#input.focus({ preventScroll: true });
  }

  #subjectChanged() {
    if (this.#edits) this.#edited();
    else emit(this, 'parlor-draft-subject', { subject: this.#subject.value });
    this.#fit();
  }

  /** @param {KeyboardEvent} event */
  #subjectKey(event) {
    if (event.isComposing || event.keyCode === 229) return;
    if (event.key === 'Enter' || event.key === 'ArrowDown') {
      event.preventDefault();
      this.#input.focus({ preventScroll: true });
    } else if (event.key === 'Escape') {
      event.preventDefault();
      if (this.#edits) this.#leaveMode();
      else this.#toggleSubject();
    }
  }

  #leaveMode() {
    emit(this, 'parlor-leave-mode');
    this.note('');
    this.#input.focus({ preventScroll: true });
  }

  /** @param {boolean} [isFixed] nothing is completed: the user undoes something, does it again, or still composes it */
  #changed(isFixed = false) {
    this.note('');
    this.#follow(this.#input.selectionStart);
    this.#keep();
    this.#fit();
    if (isFixed) this.#closeCompletions();
    else this.#complete();
  }

  /** Moves the mentions along with a change of the text. @param {number} caret */
  #follow(caret) {
    this.#mentions = moveMentions(this.#mentions, this.#text, this.#input.value, caret);
    this.#text = this.#input.value;
  }

  /** Passes on what is written, to be kept. */
  #keep() {
    if (this.#edits) this.#edited();
    else emit(this, 'parlor-draft', { text: this.#text, mentions: this.#mentions });
  }

  #closeCompletions() {
    this.#completions.emoji?.close();
    this.#completions.mention?.close();
  }

  /** Offers emoji whose name is being written, and in a group its members. */
  #complete() {
    const { selectionStart: caret, value } = this.#input;
    const before = value.slice(Math.max(0, caret - COLON_CHARS), caret);
    const { emoji, mention } = this.#completions;
    // Without it the sign stays a sign; the next letter tries again.
    if (emoji) emoji.update();
    else if (COLON.test(before)) {
      void import('./emoji-completion.js').then((part) => {
        (this.#completions.emoji ??= part.emojiCompletion(this.#input)).update();
      }).catch(() => {});
    }
    if (!this.#view?.isGroup) mention?.close();
    else if (mention) mention.update();
    else if (AT_SIGN.test(before)) {
      void import('./mention-completion.js').then((part) => {
        (this.#completions.mention ??= part.mentionCompletion(this.#input, {
          mentions: () => this.#mentions, add: (one) => this.#addMention(one),
        })).update();
      }).catch(() => {});
    }
  }

  /** @param {Mention} mention of a name that was just inserted */
  #addMention(mention) {
    this.#mentions = [...this.#mentions, mention].sort((a, b) => a.at - b.at);
    this.#keep();
    this.#completions.mention?.update();
  }

  #edited() {
    emit(this, 'parlor-edit-changed', { text: this.#input.value, mentions: this.#mentions, subject: this.#subject.value });
  }

  /** Counts the characters, and grows the field where the browser does not. */
  #fit() {
    const left = (this.#view?.charsMax ?? Infinity) - count(normal(this.#input.value));
    const subjectLeft = (this.#view?.subjectMax ?? Infinity) - count(this.#subject.value.trim());
    const narrow = subjectLeft < SUBJECT_COUNT_FROM && !this.#subject.hidden;
    this.#count.hidden = left > COUNT_FROM && !narrow;
    if (!this.#count.hidden) {
      const [rest, most] = narrow && subjectLeft < left
        ? [subjectLeft, this.#view?.subjectMax ?? 0]
        : [left, this.#view?.charsMax ?? 0];
      const number = formatNumber(most);
      setText(this.#count, rest >= 0 ? say.charactersLeft(rest) : say.charactersOver(-rest, number));
      this.#count.classList.toggle('over', rest < 0);
    }
    const isEmpty = isBlank(this.#input.value) && !this.#carriesFiles();
    if (isEmpty && this.#input.value.trim() !== '' && this.#count.hidden) {
      this.#count.hidden = false;
      this.#count.classList.remove('over');
      setText(this.#count, say.nothingToSee);
    }
    this.#send.disabled = isEmpty || left < 0 || subjectLeft < 0 || (this.#edits?.saving ?? false);
    if (!CSS.supports('field-sizing', 'content')) {
      this.#input.style.blockSize = 'auto';
      this.#input.style.blockSize = `${this.#input.scrollHeight}px`;
    }
  }

  /** Then the text may be empty. @returns {boolean} */
  #carriesFiles() {
    const edits = this.#edits;
    if (edits) return edits.files > 0;
    return this.#view?.attached.some((one) => one.state !== 'refused') ?? false;
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    // Code 229: some browsers end composing with the very key that they report.
    if (event.isComposing || event.keyCode === 229) return;
    if (this.#completions.emoji?.key(event) || this.#completions.mention?.key(event)) return;
    const held = event.ctrlKey || event.metaKey;
    if (event.key === 'Enter' && !event.shiftKey && (held || this.#enterSends)) {
      event.preventDefault();
      this.#submit(event);
    } else if (event.key === 'Escape' && this.#view?.mode) {
      event.preventDefault();
      this.#leaveMode();
    } else if (event.key === 'ArrowUp' && !event.altKey && !event.ctrlKey && !event.metaKey) {
      if (this.#input.value !== '' || this.#edits || (this.#view?.attached.length ?? 0) > 0) return;
      event.preventDefault();
      emit(this, event.shiftKey ? 'parlor-reply-last' : 'parlor-edit-last');
    }
  }

  /** Inserts an emoji at the cursor. */
  #chooseEmoji() {
    const words = this.#input;
    const { selectionStart: start, selectionEnd: end } = words;
    emit(this, 'parlor-pick-emoji', {
      at: this.#emoji.getBoundingClientRect(),
      back: words,
      choose: (/** @type {string} */ emoji) => insertText(words, emoji, start, end),
    });
  }

  /** Refuses a text that is far too long to be sent, before the page has to lay it out. @param {Event} event
   * @param {DataTransfer|null} data @returns {boolean} */
  #isTooMuch(event, data) {
    const most = this.#view?.charsMax ?? Infinity;
    const chars = data?.getData('text/plain').length ?? 0;
    if (chars <= most * PASTE_FACTOR) return false;
    event.preventDefault();
    this.note(say.pasteTooLong(formatNumber(chars), formatNumber(most)));
    return true;
  }

  /** @param {ClipboardEvent} event */
  #pasted(event) {
    if (this.#isTooMuch(event, event.clipboardData)) return;
    const files = this.#edits ? [] : pastedFiles(event, Date.now());
    const html = event.clipboardData?.getData('text/html') ?? '';
    const plain = event.clipboardData?.getData('text/plain') ?? '';
    if (files.length === 0 && html !== '' && (plain === '' || RICH.test(html))) void this.#paste(html, plain);
    else if (files.length > 0) this.#take(files);
    else return;
    event.preventDefault();
  }

  /** Inserts HTML as text. @param {string} html @param {string} plain what is inserted if that cannot be done */
  async #paste(html, plain) {
    const { conversation } = this.#view ?? {};
    const [edits, { value }] = [this.#edits, this.#input];
    const text = await import('./pasted-text.js').then((part) => part.textOfHtml(html)).catch(() => null) || plain;
    const most = this.#view?.charsMax ?? Infinity;
    // The part may have loaded late: the message may be sent, or another one be edited.
    if (conversation !== this.#view?.conversation || edits !== this.#edits || value !== this.#input.value) return;
    if (text.length > most * PASTE_FACTOR) {
      this.note(say.pasteTooLong(formatNumber(text.length), formatNumber(most)));
      return;
    }
    insertText(this.#input, text, this.#input.selectionStart, this.#input.selectionEnd);
  }

  /** @param {File[]} files */
  #take(files) {
    if (files.length > 0) emit(this, 'parlor-attach', { files, folders: 0 });
    this.focusInput();
  }

  /** @param {Event} event */
  #submit(event) {
    event.preventDefault();
    this.#fit();
    if (this.#send.disabled) return;
    const words = normal(this.#input.value);
    const text = isBlank(words) ? '' : words;
    const mentions = text === '' ? [] : this.#mentions;
    if (this.#edits) {
      emit(this, 'parlor-save-edit', { text, mentions, subject: this.#subject.value });
      return;
    }
    this.#input.value = '';
    this.#changed();
    const { mode } = this.#view ?? {};
    // The reply goes to the message that is shown.
    emit(this, 'parlor-send', { text, mentions, reply: mode?.kind === 'reply' ? mode.seq : null });
    this.#subject.value = '';
    this.#input.focus({ preventScroll: true });
  }
}

/** Counts characters as the server does: by code points. @param {string} text @returns {number} */
function count(text) {
  return text.length < 100 ? text.length : [...text].length;
}

/** Normalizes line ends to LF, as the server does. @param {string} text @returns {string} */
function normal(text) {
  return text.replace(/\r\n?/gu, '\n');
}

customElements.define('parlor-composer', ParlorComposer);
