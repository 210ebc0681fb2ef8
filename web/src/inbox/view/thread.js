/**
 * The view of a thread, computed from the state. Pure.
 *
 * @import {Side} from '../../sdk/queries.js'
 * @import {Progress} from '../../sdk/queries.js'
 * @import {ViewInput} from './conversations.js'
 * @import {Dot} from './presence.js'
 * @import {Block, Divider} from './message-groups.js'
 * @import {State} from '../../sdk/state/state.js'
 * @import {Context, Conversation, Mention, Message, User} from '../../sdk/wire.js'
 * @import {FileView} from '../../sdk/upload.js'
 */
import { blockedIn } from '../../sdk/state/blocks.js';
import { historyStart } from '../../sdk/state/settings.js';
import { isolated } from './bidi.js';
import { presenceLine, typingText, typingUsers } from './presence.js';
import { shortName } from './format.js';
import { previewMessage, nameFor } from './preview.js';
import { truncate } from './graphemes.js';
import { visibleMessages } from '../../sdk/state/messages.js';
import { buildBlocks } from './message-groups.js';
import { say } from './strings.js';
import { composerName, avatarUsers, nameOf, roleChips, unreadOf } from './conversations.js';

/**
 * @typedef {{
 *   conversation: number, seq: number, saving: boolean, trouble: string, text?: string, mentions?: Mention[],
 *   subject?: string, original: {text: string, mentions: Mention[], subject: string, files: number},
 * }} Editing with the new text, once it differs, and the old text, whose message may no longer be loaded
 * @typedef {{reply: number|null, subject: string|null, mentions: Mention[], editing: Editing|null}} Draft
 *   a null `subject` is hidden
 * @typedef {{
 *   kind: 'reply', seq: number, who: string|null, text: string, sign: string|null} | {
 *   kind: 'edit', seq: number, text: string, words: {text: string, mentions: Mention[], subject: string}, files: number, saving: boolean,
 *   trouble: string
 * }} ComposerMode `who` is null for the user; an edit shows the current text and continues from `words`
 * @typedef {{
 *   conversation: number, name: string, isGroup: boolean, draft: string, mentions: Mention[], draftTaken: number, subject: string|null, mode: ComposerMode|null, closed: string|null,
 *   blocked: number|null,
 *   charsMax: number, subjectMax: number, attached: FileView[], enterSends: boolean,
 * }} ComposerView a null `subject` is hidden; `draftTaken` counts how often another page has sent or cleared the
 * draft; `blocked` is the one whom the user has blocked here.
 * `side` is the side of `loading` and `failed`; `first` the first message that the user may see; `isJumping`: a jump
 * is under way; `hasLeft`: the user is no longer a member.
 * @typedef {{
 *   conversation: number, name: string, blocks: Block[], loaded: boolean, moreBefore: boolean, moreAfter: boolean,
 *   loading: boolean, failed: boolean, side: Side|null, isGroup: boolean, typingUsers: User[], typing: string,
 *   first: number, lastSeq: number, unread: number, now: number, divider: Divider|null, isJumping: boolean,
 *   hasLeft: boolean, others: {seq: number, who: string, text: string}[], ownKey: string, trouble: string,
 * }} MessageListView
 * @typedef {{
 *   id: number, name: string, faces: User[], isGroup: boolean, people: number, offline: boolean, context: Context|null,
 *   picture: string|null, presenceLine: {words: string, dot: Dot},
 *   roles: {text: string, mine: boolean}[], progress: Progress, loaded: boolean, known: boolean, messageList: MessageListView,
 *   composer: ComposerView, bytesMax: number,
 * }} ThreadView
 * @typedef {{
 *   id: number, divider: Divider|null, offline: boolean, progress: Progress, side: Side|null,
 *   draft: string, draftTaken: number,
 *   charsMax: number, subjectMax: number, attached: FileView[], bytesMax: number, drafting: Draft,
 *   withPending: (message: Message) => Message, isJumping: boolean, enterSends: boolean,
 * }} Opened `isJumping`: a jump is under way; `withPending` adds the user's reactions that the server does not know yet
 */

/** The name of the stored key that sends: "Enter" or "Ctrl Enter". */
export const SEND_KEY = 'send-key';
/** The number of characters that a screen reader announces of a new message. */
const ANNOUNCED_CHARS_MAX = 400;

/** @param {ViewInput} viewInput @param {Opened} opened @returns {ThreadView} */
export function threadView(viewInput, opened) {
  const { id, divider, offline, progress } = opened;
  const { state } = viewInput;
  const conversation = state.conversations.get(id);
  const thread = state.threads.get(id);
  const messages = thread ? visibleMessages(thread).map(opened.withPending) : [];
  // Pending messages follow the last message, which may not be loaded.
  const own = viewInput.waiting(id);
  const items = thread?.moreAfter ? [] : own;
  const name = conversation ? nameOf(state, conversation) : '';
  const composerTitle = conversation ? composerName(state, conversation) : '';
  const loaded = thread?.loaded ?? false;
  const blocks = conversation && loaded
    ? buildBlocks({
        state, conversation, messages, items, now: viewInput.now, divider, offline,
        files: viewInput.files, quoted: (seq) => thread?.quoted.get(seq), atBeginning: !(thread?.moreBefore ?? true),
      })
    : [];
  const others = messages.filter((one) => isNews(one, state.user)).map((one) => ({
    seq: one.seq, who: shortName(nameFor(state, one.sender)), text: truncate(previewMessage(state, one).text, ANNOUNCED_CHARS_MAX),
  }));
  const typing = conversation && !offline ? typingUsers(state, conversation, viewInput.presenceSource) : [];
  const blocked = conversation ? blockedIn(state, conversation) : null;
  const blockedText = blocked === null ? null : say.blockedHere(isolated(name));
  const closed = conversation?.context?.closed ? say.closedAs(conversation.context.title) : blockedText;
  return {
    id,
    name,
    faces: conversation ? avatarUsers(state, conversation) : [],
    isGroup: conversation?.kind === 'group',
    picture: conversation?.picture ?? null,
    presenceLine: conversation ? presenceLine(state, conversation, viewInput.presenceSource, viewInput.now) : { words: '', dot: '' },
    people: conversation?.member_count ?? 0,
    offline,
    context: conversation?.context ?? null,
    roles: conversation?.context ? roleChips(state, conversation) : [],
    progress,
    loaded,
    known: conversation !== undefined,
    messageList: {
      conversation: id,
      name: composerTitle,
      blocks,
      loaded,
      moreBefore: thread?.moreBefore ?? false,
      moreAfter: thread?.moreAfter ?? false,
      side: opened.side,
      loading: progress === 'loading',
      failed: progress === 'failed',
      first: conversation ? historyStart(state, conversation) : 1,
      lastSeq: (thread?.moreAfter ? conversation?.last_seq : messages.at(-1)?.seq) ?? 0,
      unread: conversation ? unreadOf(conversation, viewInput.readUpTo(id)) : 0,
      divider,
      isJumping: opened.isJumping,
      hasLeft: conversation === undefined && state.left.has(`conversation:${id}`),
      now: viewInput.now,
      others,
      isGroup: conversation?.kind === 'group',
      typingUsers: typing,
      typing: typingText(typing),
      ownKey: own.at(-1)?.client_id ?? '',
      trouble: blocks.map((one) => (one.type === 'group' && one.meta.kind === 'failed' ? one.meta.words : '')).join(''),
    },
    bytesMax: opened.bytesMax,
    composer: {
      conversation: id, name: composerTitle, isGroup: conversation?.kind === 'group', draft: opened.draft,
      mentions: opened.drafting.mentions, draftTaken: opened.draftTaken,
      subject: opened.drafting.subject,
      mode: modeOf(state, conversation, messages, opened.drafting), closed, blocked, charsMax: opened.charsMax,
      subjectMax: opened.subjectMax, attached: opened.attached, enterSends: opened.enterSends,
    },
  };
}

/** Returns whether a screen reader announces a message on arrival. @param {Message} message @param {number} me
 * @returns {boolean} */
function isNews({ sender, deleted, hidden, system }, me) {
  return sender !== me && !deleted && !hidden && !system;
}

/** Returns the mode of the composer: a reply, or an edit of an own message. @param {State} state
 * @param {Conversation|undefined} conversation @param {Message[]} messages @param {Draft} drafting
 * @returns {ComposerMode|null} */
function modeOf(state, conversation, messages, { reply, editing }) {
  const find = (/** @type {number} */ seq) => messages.find((one) => one.seq === seq);
  const edited = editing && find(editing.seq);
  // An edit continues while its message is not loaded.
  if (editing && !edited?.deleted && !edited?.hidden) {
    const { seq, saving, trouble, original } = editing;
    const { text, subject = '', mentions = [] } = edited ?? original;
    const files = edited ? (edited.attachments?.length ?? 0) : original.files;
    const words = {
      text: editing.text ?? text, mentions: editing.mentions ?? mentions, subject: editing.subject ?? subject,
    };
    return { kind: 'edit', seq, text, words, files, saving, trouble };
  }
  // Nobody can reply to what they have cleared, or may no longer see.
  if (reply === null || (conversation && reply < historyStart(state, conversation))) return null;
  const answered = find(reply);
  // The message is not loaded.
  if (!answered) return { kind: 'reply', seq: reply, who: '', text: '', sign: null };
  if (answered.deleted || answered.hidden) return null;
  const who = answered.sender === state.user ? null : shortName(nameFor(state, answered.sender));
  return { kind: 'reply', seq: answered.seq, who, ...previewMessage(state, answered) };
}
