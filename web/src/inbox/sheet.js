/**
 * What the thread shows, worked out of the state. Pure.
 *
 * @import {Progress} from '../sdk/sync.js'
 * @import {FileView} from '../sdk/uploads.js'
 * @import {Sight} from './view.js'
 * @import {ThreadView} from './thread.js'
 */
import { standing, typingWords, writers } from './company.js';
import { shortName } from './format.js';
import { shown } from './messages.js';
import { layOut } from './runs.js';
import { say } from './strings.js';
import { calledName, facesOf, nameOf, roleChips } from './view.js';

/**
 * @typedef {{
 *   id: number, divider: {seq: number, count: number}|null, offline: boolean, progress: Progress, draft: string,
 *   charsMax: number, attached: FileView[], bytesMax: number,
 * }} Opened
 */

/** @param {Sight} sight @param {Opened} opened @returns {ThreadView} */
export function threadView(sight, { id, divider, offline, progress, draft, charsMax, attached, bytesMax }) {
  const { state } = sight;
  const conversation = state.conversations.get(id);
  const thread = state.threads.get(id);
  const messages = thread ? shown(thread) : [];
  const items = sight.waiting(id);
  const name = conversation ? nameOf(state, conversation) : '';
  const called = conversation ? calledName(state, conversation) : '';
  const loaded = thread?.loaded ?? false;
  const blocks = conversation && loaded
    ? layOut({
        state, conversation, messages, items, now: sight.now, divider, offline,
        files: sight.files, atBeginning: !(thread?.moreBefore ?? true),
      })
    : [];
  const others = messages.filter((one) => one.sender !== state.user).map((one) => ({
    seq: one.seq, who: shortName(state.users.get(one.sender)?.name ?? ''), text: one.text,
  }));
  const typing = conversation && !offline ? writers(state, conversation, sight.company) : [];
  const closed = conversation?.context?.closed ? say.closedAs(conversation.context.title) : null;
  return {
    id,
    name,
    faces: conversation ? facesOf(state, conversation) : [],
    isGroup: conversation?.kind === 'group',
    picture: conversation?.picture ?? null,
    standing: conversation ? standing(state, conversation, sight.company, sight.now) : { words: '', dot: '' },
    people: conversation?.member_count ?? 0,
    offline,
    context: conversation?.context ?? null,
    roles: conversation?.context ? roleChips(state, conversation) : [],
    progress,
    loaded,
    known: conversation !== undefined,
    talk: {
      conversation: id,
      name: called,
      blocks,
      moreBefore: thread?.moreBefore ?? false,
      loading: progress === 'loading',
      failed: progress === 'failed',
      lastSeq: messages.at(-1)?.seq ?? 0,
      others,
      isGroup: conversation?.kind === 'group',
      writers: typing,
      typing: typingWords(typing),
      ownKey: items.at(-1)?.client_id ?? '',
      trouble: blocks.map((one) => (one.type === 'run' && one.meta.kind === 'failed' ? one.meta.words : '')).join(''),
    },
    bytesMax,
    composer: { conversation: id, name: called, draft, closed, charsMax, attached },
  };
}
