/**
 * Message actions: reply, edit, delete, forward, copy and react.
 *
 * @import {Client} from '../../sdk/client.js'
 * @import {Conversation, Message} from '../../sdk/wire.js'
 * @import {MenuItem, QuickItem} from '../ui/menu.js'
 * @import {ParlorThread} from '../thread/thread.js'
 * @import {MessageElement, MessageTarget} from '../ui/events.js'
 */
import { isolated } from '../view/bidi.js';
import { memberOf } from '../../sdk/state/conversations.js';
import { openConfirmDialog } from '../ui/dialog.js';
import { h } from '../ui/dom.js';
import { emit, listen } from '../ui/events.js';
import { ComposerDraft } from '../thread/draft.js';
import { Drafts, sessionDrafts } from '../../sdk/drafts.js';
import { emojiName, oftenUsed, usedAgain } from '../view/emoji.js';
import { clockTime, shortName } from '../view/format.js';
import { previewMessage, nameFor } from '../view/preview.js';
import { MessageControls } from '../thread/message-controls.js';
import { whenLoaded } from '../ui/lazy-load.js';
import { matchesKey, openMenu } from '../ui/menu.js';
import { visibleMessages } from '../../sdk/state/messages.js';
import { stripMarkup } from '../view/markup.js';
import { say, textOf } from '../view/strings.js';
import { toast } from '../ui/toast.js';
import { nameOf } from '../view/conversations.js';
import { isBlank } from '../view/visible-text.js';

/**
 * @typedef {{client: Client, conversation: Conversation, message: Message}} OpenMessage
 */

const QUICK_MAX = 5;
const PICKER_OFTEN_MAX = 16;

export class MessageActions {
  /** @param {{
   *   host: HTMLElement, client: Client, thread: ParlorThread, open: () => number|null, changed: () => void,
   *   signal: AbortSignal,
   * }} parts `open` is the conversation on the screen */
  constructor({ host, client, thread, open, changed, signal }) {
    this.host = host;
    this.client = client;
    this.thread = thread;
    this.open = open;
    this.changed = changed;
    this.draft = new ComposerDraft(new Drafts({
      storage: client.storage, now: () => client.clock.now(), newId: client.newId, session: sessionDrafts(client.user),
    }));
    new MessageControls(thread, (element, event) => this.#handleKey(element, event), () => {
      const id = this.open();
      return id !== null && !client.state.conversations.get(id)?.context?.closed;
    });
    listen(host, this.#handlers(), signal);
  }

  /** @returns {Parameters<typeof listen>[1]} */
  #handlers() {
    return {
      'parlor-message-menu': (held) => this.#openMenu(held),
      'parlor-pick-reaction': (held) => this.#pickReaction(held),
      'parlor-pick-emoji': ({ at, back, choose }) => this.#pickEmoji(at, back, choose),
      'parlor-react': ({ seq, emoji, on }) => this.#react(seq, emoji, on),
      'parlor-reply': ({ seq }) => this.#reply(seq),
      'parlor-reply-last': () => this.#reply(this.#last(() => true)?.seq),
      'parlor-edit-last': () => this.#edit(this.#last((one) => this.#canEdit(one))),
      'parlor-edit-changed': (words) => this.draft.updateEdit(words),
      'parlor-save-edit': ({ text, subject }) => void this.#save(text, subject),
      'parlor-restore-draft': ({ text, reply }) => this.#changeOpen((id) => this.draft.restore(id, text, reply)),
      'parlor-leave-mode': () => this.#changeOpen((id) => this.draft.cancel(id)),
      'parlor-draft-subject': ({ subject }) => this.#changeOpen((id) => this.draft.subject(id, subject)),
      'parlor-focus-composer': () => this.thread.focusComposer(),
      'parlor-readers': ({ seq }) => this.#readers(seq),
    };
  }

  /** Handles a key on a message. @param {MessageElement} element @param {KeyboardEvent} event @returns {boolean} whether
   * it did anything */
  #handleKey(element, event) {
    const place = this.#findTarget(element.seq);
    const item = place && this.#menuItems(place, element).find((one) => one.key && matchesKey(event, one.key));
    if (!item || (item.key === 'Ctrl C' && (getSelection()?.toString() ?? '') !== '')) return false;
    item.act();
    return true;
  }

  /** @param {(id: number) => void} act */
  #changeOpen(act) {
    const id = this.open();
    if (id === null) return;
    act(id);
    this.changed();
  }

  /** Finds a message of the open conversation. @param {number|undefined} seq @returns {OpenMessage|null} */
  #findTarget(seq) {
    const id = this.open();
    if (id === null || !seq) return null;
    const { state } = this.client;
    const conversation = state.conversations.get(id);
    const message = this.#messages(id).find((one) => one.seq === seq);
    return conversation && message ? { client: this.client, conversation, message } : null;
  }

  /** @param {number} id @returns {Message[]} */
  #messages(id) {
    const thread = this.client.state.threads.get(id);
    return thread ? visibleMessages(thread).map((one) => this.client.pendingReactions.withPending(one)) : [];
  }

  /** Returns the last message that meets a condition. @param {(message: Message) => boolean} holds
   * @returns {Message|undefined} */
  #last(holds) {
    const id = this.open();
    if (id === null) return undefined;
    return this.#messages(id).findLast((one) => !one.hidden && !one.deleted && !one.system && holds(one));
  }

  /** @param {Message} message @returns {boolean} */
  #canEdit({ sender, deleted, system, created_at }) {
    const { user, limits } = this.client;
    return sender === user && !deleted && !system && this.#isWithin(created_at, limits.edit_within_ms);
  }

  /** @param {string} time @param {number} limit in milliseconds; 0 is for ever @returns {boolean} */
  #isWithin(time, limit) {
    return limit === 0 || this.client.clock.now() - Date.parse(time) <= limit;
  }

  /** @param {OpenMessage} place @returns {boolean} */
  #canDelete({ conversation, message }) {
    if (message.deleted || message.system) return false;
    const { user, limits } = this.client;
    if (conversation.kind === 'group' && memberOf(conversation, user)?.role !== 'member') return true;
    return message.sender === user && this.#isWithin(message.created_at, limits.delete_within_ms);
  }

  /** @param {MessageTarget} held */
  #openMenu({ element, at, back }) {
    const place = this.#findTarget(element.seq);
    if (!place) return;
    const { message, conversation } = place;
    const { state, user } = this.client;
    const who = message.sender === user ? null : shortName(nameFor(state, message.sender));
    const time = clockTime(Date.parse(message.created_at));
    // In a sheet the text can be selected, which a long press on the message does not allow.
    const words = message.deleted ? previewMessage(state, message).text : message.text || previewMessage(state, message).text;
    const open = !message.deleted && !conversation.context?.closed;
    openMenu(this.host, {
      label: say.messageOf(who),
      at,
      back,
      narrow: this.host.clientWidth < 700,
      head: [h('b', {}, `${isolated(who ?? say.you)}, ${time}`), h('p', { dir: 'auto' }, stripMarkup(words))],
      quick: open ? this.#quickReactions(message, { element, at, back }) : [],
      items: this.#menuItems(place, element),
    });
  }

  /** @param {Message} message @param {MessageTarget} held @returns {QuickItem[]} */
  #quickReactions({ seq, reactions = [] }, held) {
    const { user } = this.client;
    const often = oftenUsed(this.client.storage.get('emoji'), QUICK_MAX).map((emoji) => {
      const chosen = reactions.some((one) => one.emoji === emoji && one.users.includes(user));
      return {
        label: say.reactWith(emojiName(emoji)), text: emoji, chosen,
        act: () => this.#react(seq, emoji, !chosen),
      };
    });
    return [...often, { label: say.moreReactions, sign: 'plus', act: () => this.#pickReaction(held) }];
  }

  /** @param {OpenMessage} place @param {MessageElement} element @returns {MenuItem[]} */
  #menuItems(place, element) {
    const { message, conversation } = place;
    const closed = conversation.context?.closed ?? false;
    const { seq, deleted, reactions = [] } = message;
    /** @type {(MenuItem|false)[]} */
    const items = [
      !deleted && !closed && { label: say.reply, sign: 'reply', key: 'R', act: () => this.#reply(seq) },
      this.#canEdit(message) && !closed
        && { label: say.edit, sign: 'write', key: 'E', act: () => this.#edit(message) },
      !deleted && { label: say.forward, sign: 'forward', key: 'F', act: () => this.#forward(place, element) },
      !deleted && message.text !== ''
        && { label: say.copyText, sign: 'copy', key: 'Ctrl C', act: () => void this.#copy(message.text) },
      reactions.length > 0 && { label: say.whoReacted, sign: 'people', act: () => this.#reactions(place) },
      {
        label: say.deleteForMe, sign: 'bin', warn: true, apart: !deleted, key: 'Del',
        act: () => this.#hide(place, element),
      },
      this.#canDelete(place)
        && { label: say.deleteForAll, sign: 'bin', warn: true, act: () => this.#delete(place, element) },
    ];
    return items.filter((one) => one !== false);
  }

  /** @param {MessageTarget} held */
  #pickReaction({ element, at, back }) {
    const place = this.#findTarget(element.seq);
    if (!place) return;
    const { storage: keep, user } = this.client;
    const mine = (place.message.reactions ?? []).filter((one) => one.users.includes(user)).map((one) => one.emoji);
    void whenLoaded(this.host, import('../dialogs/emoji-picker.js'), ({ openEmojiPicker: openEmoji }) => openEmoji(this.host, {
      at,
      back,
      narrow: this.host.clientWidth < 700,
      often: oftenUsed(keep.get('emoji'), PICKER_OFTEN_MAX),
      chosen: new Set(mine),
      choose: (emoji) => this.#react(element.seq, emoji, !mine.includes(emoji)),
    }));
  }

  /** Picks an emoji for the composer. @param {DOMRect} at @param {HTMLElement} back
   * @param {(emoji: string) => void} choose */
  #pickEmoji(at, back, choose) {
    const { storage: keep } = this.client;
    void whenLoaded(this.host, import('../dialogs/emoji-picker.js'), ({ openEmojiPicker: openEmoji }) => openEmoji(this.host, {
      at, back, narrow: this.host.clientWidth < 700, often: oftenUsed(keep.get('emoji'), PICKER_OFTEN_MAX), chosen: new Set(),
      label: say.addEmoji,
      choose: (emoji) => {
        keep.set('emoji', usedAgain(keep.get('emoji'), emoji));
        choose(emoji);
      },
    }));
  }

  /** @param {number} seq @param {string} emoji @param {boolean} on */
  #react(seq, emoji, on) {
    const { client } = this;
    const id = this.open();
    if (id === null || seq < 1) return;
    if (on) client.storage.set('emoji', usedAgain(client.storage.get('emoji'), emoji));
    client.react(id, seq, emoji, on).catch((error) => this.#showError(error));
  }

  /** @param {number|undefined} seq */
  #reply(seq) {
    const place = this.#findTarget(seq);
    if (!place || place.message.deleted || place.conversation.context?.closed) return;
    this.#changeOpen((id) => this.draft.reply(id, place.message.seq));
    this.thread.focusComposer();
  }

  /** @param {Message|undefined} message */
  #edit(message) {
    if (!message) return;
    this.draft.edit(message);
    this.changed();
    this.thread.focusComposer();
  }

  /** @param {string} text @param {string} subject */
  async #save(text, subject) {
    const id = this.open();
    const editing = id === null ? null : this.draft.of(id).editing;
    if (id === null || !editing || editing.saving) return;
    this.draft.updateEdit({ saving: true, trouble: '' });
    this.changed();
    try {
      await this.client.edit(id, editing.seq, text, isBlank(subject) ? undefined : subject.trim());
      if (this.draft.of(id).editing?.seq === editing.seq) this.draft.cancel(id);
    } catch (error) {
      this.draft.updateEdit({ saving: false, trouble: say.notChangedBecause(reasonOf(error)) });
    }
    this.changed();
  }

  /** @param {string} text */
  async #copy(text) {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // Without a secure origin only this works.
      const field = h('textarea', { class: 'visually-hidden' });
      field.value = text;
      this.host.append(field);
      field.select();
      document.execCommand('copy');
      field.remove();
    }
    toast(this.host, { words: say.copied, sign: 'copy' });
  }

  /** @param {OpenMessage} place @param {MessageElement} element */
  #forward({ message, conversation }, element) {
    const { client } = this;
    void whenLoaded(this.host, import('../thread/forward-dialog.js'), ({ openForwardDialog: openForward }) => openForward(this.host, {
      state: () => client.state,
      text: previewMessage(client.state, message).text,
      more: () => client.sync.loadList(),
      back: element,
      send: (ids) => {
        client.forward({ conversation: conversation.id, seq: message.seq }, ids, message.text);
        if (ids.length === 1) emit(this.host, 'parlor-open', { id: ids[0] });
        else toast(this.host, { words: say.forwardedTo(ids.length), sign: 'forward' });
      },
    }));
  }

  /** @param {OpenMessage} place @param {MessageElement} element */
  #hide({ conversation, message }, element) {
    openConfirmDialog(this.host, {
      title: say.hideQuestion, more: say.hideMore, keep: say.keepIt, act: say.deleteForMe,
      then: () => {
        focusNeighbor(element);
        this.client.hideMessage(conversation.id, message.seq).catch((error) => this.#showError(error));
      },
    });
  }

  /** @param {OpenMessage} place @param {MessageElement} element */
  #delete({ conversation, message }, element) {
    const files = message.attachments?.length ?? 0;
    const others = conversation.kind === 'group' ? null : shortName(nameOf(this.client.state, conversation));
    openConfirmDialog(this.host, {
      title: say.deleteQuestion, more: say.deleteMore(message.text !== '', files, others), keep: say.keepIt,
      act: say.deleteForAll,
      then: () => {
        element.focus({ preventScroll: true });
        this.client.deleteMessage(conversation.id, message.seq).catch((error) => this.#showError(error));
      },
    });
  }

  /** @param {OpenMessage} place */
  #reactions({ conversation, message }) {
    void whenLoaded(this.host, import('../thread/readers-dialog.js'), ({ openReactionsDialog: openReactions }) =>
      openReactions(this.host, { client: this.client, conversation: conversation.id, seq: message.seq }));
  }

  /** @param {number} seq */
  #readers(seq) {
    const place = this.#findTarget(seq);
    if (!place) return;
    const { client } = this;
    void whenLoaded(this.host, import('../thread/readers-dialog.js'), ({ openReadersDialog: openReaders }) => openReaders(this.host, {
      state: client.state, conversation: place.conversation, seq, text: previewMessage(client.state, place.message).text,
      now: client.clock.now(), client,
    }));
  }

  /** @param {unknown} error */
  #showError(error) {
    toast(this.host, { words: say.notDoneBecause(reasonOf(error)), sign: 'alert' });
  }
}

/** Moves the focus to a neighbor of a message that is about to disappear. @param {MessageElement} element */
function focusNeighbor(element) {
  const all = /** @type {HTMLElement[]} */ ([...element.closest('[role="log"]')?.querySelectorAll('parlor-message') ?? []]);
  const at = all.indexOf(element);
  (all[at + 1] ?? all[at - 1])?.focus({ preventScroll: true });
}

/** @param {unknown} error @returns {string} */
function reasonOf(error) {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return textOf(say.reasons, code) ?? (code === '' ? say.noConnection : say.reasonElse);
}
