/**
 * Message actions: reply, edit and react. The menu with the others is loaded when it is first used.
 *
 * @import {Client} from '../../sdk/client.js'
 * @import {Mention, Message, User} from '../../sdk/wire.js'
 * @import {MessageMenus, OpenMessage} from './message-menus.js'
 * @import {ParlorThread} from '../thread/thread.js'
 * @import {MessageElement} from '../ui/events.js'
 */
import { listen } from '../ui/events.js';
import { ComposerDraft } from '../thread/draft.js';
import { DraftSync } from '../../sdk/draft-sync.js';
import { Drafts, sessionDrafts } from '../../sdk/drafts.js';
import { usedAgain } from '../view/emoji.js';
import { MessageControls } from '../thread/message-controls.js';
import { matchesKey } from '../ui/keys.js';
import { whenLoaded } from '../ui/lazy-load.js';
import { acceptsMessages } from '../../sdk/state/blocks.js';
import { visibleMessages } from '../../sdk/state/messages.js';
import { isUserCurrent } from '../../sdk/state/settings.js';
import { say, textOf } from '../view/strings.js';
import { toast } from '../ui/toast.js';
import { isBlank } from '../view/visible-text.js';

/** The keys of the menu's items, which also work on a message. */
const MENU_KEYS = ['R', 'E', 'F', 'Ctrl C', 'Del'];

export class MessageActions {
  /** @type {MessageMenus|null} */
  #menus = null;

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
    const drafts = new Drafts({
      storage: client.storage, now: () => client.clock.now(), newId: client.newId, session: sessionDrafts(client.user),
    });
    const sync = new DraftSync({
      clock: client.clock, drafts, request: client.request, changed, state: () => client.state,
      isCurrent: () => client.lostAt === null && isUserCurrent(client.state), isOpen: (id) => this.open() === id,
      sending: (id) => client.outbox.draftIn(id),
    });
    this.draft = new ComposerDraft(drafts, sync);
    client.subscribe(() => sync.merge());
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState === 'hidden') void sync.leave();
    }, { signal });
    signal.addEventListener('abort', () => sync.stop());
    new MessageControls(thread, (element, event) => this.#handleKey(element, event), () => {
      const id = this.open();
      const conversation = id === null ? undefined : client.state.conversations.get(id);
      return conversation !== undefined && acceptsMessages(client.state, conversation);
    });
    listen(host, this.#handlers(), signal);
  }

  /** @returns {Parameters<typeof listen>[1]} */
  #handlers() {
    return {
      'parlor-message-menu': (target) => this.#withTarget(target.element.seq, (menus, place) => menus.open(place, target)),
      'parlor-pick-reaction': (target) =>
        this.#withTarget(target.element.seq, (menus, place) => menus.pickReaction(place, target)),
      'parlor-pick-emoji': ({ at, back, choose }) => this.#withMenus((menus) => menus.pickEmoji(at, back, choose)),
      'parlor-use-emoji': ({ emoji }) => this.#countEmoji(emoji),
      'parlor-react': ({ seq, emoji, on }) => this.react(seq, emoji, on),
      'parlor-reply': ({ seq }) => this.reply(seq),
      'parlor-reply-last': () => this.reply(this.#last(() => true)?.seq),
      'parlor-edit-last': () => this.edit(this.#last((one) => this.canEdit(one))),
      'parlor-edit-changed': (words) => this.draft.updateEdit(words),
      'parlor-save-edit': (words) => void this.#save(words),
      'parlor-restore-draft': (message) => this.#changeOpen((id) => this.draft.restore(id, message)),
      'parlor-find-members': ({ found }) => void this.#findMembers().then(found),
      'parlor-leave-mode': () => this.#changeOpen((id) => this.draft.cancel(id)),
      'parlor-draft-subject': ({ subject }) => this.#changeOpen((id) => this.draft.subject(id, subject)),
      'parlor-focus-composer': () => this.thread.focusComposer(),
      'parlor-unblock': ({ user }) => void whenLoaded(this.host, import('../dialogs/blocking.js'), async ({ unblock }) => {
        if (await unblock(this.host, this.client, user)) this.thread.focusComposer();
      }),
      'parlor-readers': ({ seq }) => this.#withTarget(seq, (menus, place) => menus.showReaders(place)),
    };
  }

  /** @param {(menus: MessageMenus) => void} act */
  #withMenus(act) {
    void whenLoaded(this.host, import('./message-menus.js'), (part) => act(this.#menus ??= new part.MessageMenus(this)));
  }

  /** Loads the menus for a message. Does nothing if meanwhile another conversation was opened.
   * @param {number|undefined} seq @param {(menus: MessageMenus, place: OpenMessage) => void} act */
  #withTarget(seq, act) {
    const id = this.open();
    if (!this.findTarget(seq)) return;
    this.#withMenus((menus) => {
      const place = this.open() === id ? this.findTarget(seq) : null;
      if (place) act(menus, place);
    });
  }

  /** Handles a key on a message. @param {MessageElement} element @param {KeyboardEvent} event @returns {boolean} whether
   * it does something there */
  #handleKey(element, event) {
    const key = MENU_KEYS.find((one) => matchesKey(event, one));
    if (!key || (key === 'Ctrl C' && (getSelection()?.toString() ?? '') !== '')) return false;
    const place = this.findTarget(element.seq);
    if (!place || !this.allows(place, key)) return false;
    if (key === 'R') this.reply(element.seq);
    else if (key === 'E') this.edit(place.message);
    else this.#withTarget(element.seq, (menus, now) => menus.press(now, element, key));
    return true;
  }

  /** Returns whether a message has the menu item with a key. @param {OpenMessage} place @param {string} key
   * @returns {boolean} */
  allows({ conversation, message }, key) {
    const isClosed = !acceptsMessages(this.client.state, conversation);
    switch (key) {
      case 'R':
        return !message.deleted && !isClosed;
      case 'E':
        return this.canEdit(message) && !isClosed;
      case 'F':
        return !message.deleted;
      case 'Ctrl C':
        return !message.deleted && message.text !== '';
      default:
        return true;
    }
  }

  /** @param {(id: number) => void} act */
  #changeOpen(act) {
    const id = this.open();
    if (id === null) return;
    act(id);
    this.changed();
  }

  /** Finds a message of the open conversation. @param {number|undefined} seq @returns {OpenMessage|null} */
  findTarget(seq) {
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

  /** Returns the last message that meets a condition. @param {(message: Message) => boolean} matches
   * @returns {Message|undefined} */
  #last(matches) {
    const id = this.open();
    if (id === null) return undefined;
    return this.#messages(id).findLast((one) => !one.hidden && !one.deleted && !one.system && matches(one));
  }

  /** @param {Message} message @returns {boolean} */
  canEdit({ sender, deleted, system, created_at }) {
    const { user, limits } = this.client;
    return sender === user && !deleted && !system && this.isWithin(created_at, limits.edit_within_ms);
  }

  /** @param {string} time @param {number} limit in milliseconds; 0 is forever @returns {boolean} */
  isWithin(time, limit) {
    return limit === 0 || this.client.clock.now() - Date.parse(time) <= limit;
  }

  /** @param {number} seq @param {string} emoji @param {boolean} on @param {number|null} [id] the open conversation by
   * itself */
  react(seq, emoji, on, id = this.open()) {
    const { client } = this;
    if (id === null || seq < 1) return;
    if (on) this.#countEmoji(emoji);
    client.react(id, seq, emoji, on).catch((error) => this.showError(error));
  }

  /** @param {number|undefined} seq */
  reply(seq) {
    const place = this.findTarget(seq);
    if (!place || place.message.deleted || !acceptsMessages(this.client.state, place.conversation)) return;
    this.#changeOpen((id) => this.draft.reply(id, place.message.seq));
    this.thread.focusComposer();
  }

  /** @param {Message|undefined} message */
  edit(message) {
    if (!message) return;
    this.draft.edit(message);
    this.changed();
    this.thread.focusComposer();
  }

  /** Returns whom the user can mention. @returns {Promise<User[]>} none if that cannot be loaded */
  async #findMembers() {
    const id = this.open();
    if (id === null) return [];
    return import('./mentionable.js').then((part) => part.mentionable(this.client, id)).catch(() => []);
  }

  /** @param {{text: string, mentions: Mention[], subject: string}} words */
  async #save({ text, mentions, subject }) {
    const id = this.open();
    const editing = id === null ? null : this.draft.of(id).editing;
    if (id === null || !editing || editing.saving) return;
    this.draft.updateEdit({ saving: true, trouble: '' });
    this.changed();
    try {
      await this.client.edit(id, editing.seq, text, isBlank(subject) ? undefined : subject.trim(), mentions);
      if (this.draft.of(id).editing?.seq === editing.seq) this.draft.cancel(id);
    } catch (error) {
      this.draft.updateEdit({ saving: false, trouble: say.notChangedBecause(reasonOf(error)) });
    }
    this.changed();
  }

  /** @param {string} emoji that the user has used once more */
  #countEmoji(emoji) {
    const { storage } = this.client;
    storage.set('emoji', usedAgain(storage.get('emoji'), emoji));
  }

  /** @param {unknown} error */
  showError(error) {
    toast(this.host, { words: say.notDoneBecause(reasonOf(error)), sign: 'alert' });
  }
}

/** @param {unknown} error @returns {string} */
function reasonOf(error) {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return textOf(say.reasons, code) ?? (code === '' ? say.noConnection : say.reasonElse);
}
