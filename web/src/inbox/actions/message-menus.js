/**
 * The menu of a message and what it leads to: forwarding, copying, deleting, choosing emoji, readers and reactions.
 *
 * @import {Client} from '../../sdk/client.js'
 * @import {Conversation, Message} from '../../sdk/wire.js'
 * @import {MenuItem, QuickItem} from '../ui/menu.js'
 * @import {MessageElement, MessageTarget} from '../ui/events.js'
 */
import { acceptsMessages } from '../../sdk/state/blocks.js';
import { memberOf } from '../../sdk/state/conversations.js';
import { blockItem } from '../dialogs/blocking.js';
import { isolated } from '../view/bidi.js';
import { openConfirmDialog } from '../ui/dialog.js';
import { openEmojiPicker } from '../dialogs/emoji-picker.js';
import { h } from '../ui/dom.js';
import { emit } from '../ui/events.js';
import { emojiName, oftenUsed } from '../view/emoji.js';
import { openForwardDialog } from '../thread/forward-dialog.js';
import { openReportDialog } from '../dialogs/report.js';
import { clockTime, shortName } from '../view/format.js';
import { openMenu } from '../ui/menu.js';
import { openReactionsDialog, openReadersDialog } from '../thread/readers-dialog.js';
import { previewMessage, nameFor } from '../view/preview.js';
import { stripMarkup } from '../view/markup.js';
import { dialogSay } from '../view/dialog-strings.js';
import { markUnread } from '../list/conversation-settings.js';
import { say } from '../view/strings.js';
import { toast } from '../ui/toast.js';
import { nameOf } from '../view/conversations.js';

/**
 * @typedef {{client: Client, conversation: Conversation, message: Message}} OpenMessage
 * @typedef {{
 *   host: HTMLElement, client: Client, open: () => number|null,
 *   allows: (place: OpenMessage, key: string) => boolean, isWithin: (time: string, limit: number) => boolean,
 *   react: (seq: number, emoji: string, on: boolean, id: number) => void, reply: (seq: number) => void,
 *   edit: (message: Message) => void, showError: (error: unknown) => void,
 * }} Actions what `messages.js` does
 */

const QUICK_MAX = 5;
const PICKER_OFTEN_MAX = 16;

export class MessageMenus {
  /** @param {Actions} actions */
  constructor(actions) {
    this.actions = actions;
    this.host = actions.host;
    this.client = actions.client;
  }

  /** Does what an item of the menu does. @param {OpenMessage} place @param {MessageElement} element
   * @param {string} key that of the item */
  press(place, element, key) {
    this.#menuItems(place, element).find((one) => one.key === key)?.act();
  }

  /** @param {OpenMessage} place @returns {boolean} */
  #canDelete({ conversation, message }) {
    if (message.deleted || message.system) return false;
    const { user, limits } = this.client;
    if (conversation.kind === 'group' && memberOf(conversation, user)?.role !== 'member') return true;
    return message.sender === user && this.actions.isWithin(message.created_at, limits.delete_within_ms);
  }

  /** @param {OpenMessage} place @param {MessageTarget} held */
  open(place, { element, at, back }) {
    const { message, conversation } = place;
    const { state, user } = this.client;
    const who = message.sender === user ? null : shortName(nameFor(state, message.sender));
    const time = clockTime(Date.parse(message.created_at));
    // In a sheet the text can be selected, which a long press on the message does not allow.
    const words = message.deleted ? previewMessage(state, message).text : message.text || previewMessage(state, message).text;
    const open = !message.deleted && acceptsMessages(state, conversation);
    openMenu(this.host, {
      label: say.messageOf(who),
      at,
      back,
      narrow: this.host.clientWidth < 700,
      head: [h('b', {}, `${isolated(who ?? say.you)}, ${time}`), h('p', { dir: 'auto' }, stripMarkup(words))],
      quick: open ? this.#quickReactions(place, { element, at, back }) : [],
      items: this.#menuItems(place, element),
    });
  }

  /** @param {OpenMessage} place @param {MessageTarget} held @returns {QuickItem[]} */
  #quickReactions(place, held) {
    const { user } = this.client;
    const { seq, reactions = [] } = place.message;
    const often = oftenUsed(this.client.storage.get('emoji'), QUICK_MAX).map((emoji) => {
      const chosen = reactions.some((one) => one.emoji === emoji && one.users.includes(user));
      return {
        label: say.reactWith(emojiName(emoji)), text: emoji, chosen,
        act: () => this.actions.react(seq, emoji, !chosen, place.conversation.id),
      };
    });
    return [...often, { label: say.moreReactions, sign: 'plus', act: () => this.pickReaction(place, held) }];
  }

  /** @param {OpenMessage} place @param {MessageElement} element @returns {MenuItem[]} */
  #menuItems(place, element) {
    const { message, conversation } = place;
    const { seq, deleted, reactions = [] } = message;
    const has = (/** @type {string} */ key) => this.actions.allows(place, key);
    const isOthers = message.sender !== this.client.user && !message.system;
    // An older server takes no reports.
    const isReportable = isOthers && !deleted && this.client.limits.reports_per_day_max > 0;
    // The composer belongs to the conversation that is open then.
    const ifOpen = (/** @type {() => void} */ act) => () => this.actions.open() === conversation.id && act();
    /** @type {(MenuItem|false)[]} */
    const items = [
      has('R') && { label: say.reply, sign: 'reply', key: 'R', act: ifOpen(() => this.actions.reply(seq)) },
      has('E') && { label: say.edit, sign: 'write', key: 'E', act: ifOpen(() => this.actions.edit(message)) },
      has('F') && { label: say.forward, sign: 'forward', key: 'F', act: () => this.#forward(place, element) },
      has('Ctrl C')
        && { label: say.copyText, sign: 'copy', key: 'Ctrl C', act: () => void this.#copy(message.text) },
      reactions.length > 0 && { label: say.whoReacted, sign: 'people', act: () => this.#reactions(place) },
      { label: dialogSay.keeping.markUnread, sign: 'unread', act: () => markUnread(this.host, this.client, conversation.id) },
      {
        label: say.deleteForMe, sign: 'bin', warn: true, apart: !deleted, key: 'Del',
        act: () => this.#hide(place, element),
      },
      this.#canDelete(place)
        && { label: say.deleteForAll, sign: 'bin', warn: true, act: () => this.#delete(place, element) },
      isReportable && {
        label: dialogSay.reporting.item, sign: 'flag', warn: true, apart: true,
        act: () => openReportDialog(this.host, this.client, conversation, message),
      },
      isOthers && { ...blockItem(this.host, this.client, message.sender), apart: !isReportable },
    ];
    return items.filter((one) => one !== false);
  }

  /** @param {OpenMessage} place @param {MessageTarget} held */
  pickReaction(place, { at, back }) {
    const { storage: keep, user } = this.client;
    const mine = (place.message.reactions ?? []).filter((one) => one.users.includes(user)).map((one) => one.emoji);
    openEmojiPicker(this.host, {
      at,
      back,
      narrow: this.host.clientWidth < 700,
      often: oftenUsed(keep.get('emoji'), PICKER_OFTEN_MAX),
      chosen: new Set(mine),
      choose: (emoji) => this.actions.react(place.message.seq, emoji, !mine.includes(emoji), place.conversation.id),
    });
  }

  /** Picks an emoji for the composer. @param {DOMRect} at @param {HTMLElement} back
   * @param {(emoji: string) => void} choose */
  pickEmoji(at, back, choose) {
    const { storage: keep } = this.client;
    openEmojiPicker(this.host, {
      at, back, narrow: this.host.clientWidth < 700, often: oftenUsed(keep.get('emoji'), PICKER_OFTEN_MAX), chosen: new Set(),
      label: say.addEmoji,
      choose: (emoji) => {
        emit(this.host, 'parlor-use-emoji', { emoji });
        choose(emoji);
      },
    });
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
    openForwardDialog(this.host, {
      state: () => client.state,
      text: previewMessage(client.state, message).text,
      more: () => client.sync.loadList(),
      back: element,
      send: (ids) => {
        client.forward({ conversation: conversation.id, seq: message.seq }, ids, message.text);
        if (ids.length === 1) emit(this.host, 'parlor-open', { id: ids[0] });
        else toast(this.host, { words: say.forwardedTo(ids.length), sign: 'forward' });
      },
    });
  }

  /** @param {OpenMessage} place @param {MessageElement} element */
  #hide({ conversation, message }, element) {
    openConfirmDialog(this.host, {
      title: say.hideQuestion, more: say.hideMore, keep: say.keepIt, act: say.deleteForMe,
      then: () => {
        focusNeighbor(element);
        this.client.hideMessage(conversation.id, message.seq).catch((error) => this.actions.showError(error));
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
        this.client.deleteMessage(conversation.id, message.seq).catch((error) => this.actions.showError(error));
      },
    });
  }

  /** @param {OpenMessage} place */
  #reactions({ conversation, message }) {
    openReactionsDialog(this.host, { client: this.client, conversation: conversation.id, seq: message.seq });
  }

  /** @param {OpenMessage} place */
  showReaders(place) {
    const { client } = this;
    openReadersDialog(this.host, {
      state: client.state, conversation: place.conversation, seq: place.message.seq, text: previewMessage(client.state, place.message).text,
      now: client.clock.now(), client,
    });
  }
}

/** Moves the focus to a neighbor of a message that is about to disappear. @param {MessageElement} element */
function focusNeighbor(element) {
  const all = /** @type {HTMLElement[]} */ ([...element.closest('[role="log"]')?.querySelectorAll('parlor-message') ?? []]);
  const at = all.indexOf(element);
  (all[at + 1] ?? all[at - 1])?.focus({ preventScroll: true });
}
