/**
 * Completes the names of a group's members in the composer, from `@` on.
 *
 * @import {Mention, User} from '../../sdk/wire.js'
 */
import { avatar } from '../ui/avatar.js';
import { h } from '../ui/dom.js';
import { emit } from '../ui/events.js';
import { insertText } from '../ui/insert-text.js';
import { dialogSay } from '../view/dialog-strings.js';
import { findMentioned, mentionBefore } from '../view/mention-query.js';
import { Completion } from './completion.js';

const AVATAR_PX = 24;

/** @param {HTMLTextAreaElement} field @param {{mentions: () => Mention[], add: (mention: Mention) => void}} composer
 * `mentions` are those of its text @returns {Completion<User>} */
export function mentionCompletion(field, composer) {
  /** @type {User[]} */
  let members = [];
  /** Where the at sign is for which the members were loaded, or -1. */
  let loadedAt = -1;
  /** Counts the loads: an answer to an earlier one is dropped. */
  let loads = 0;
  const load = (/** @type {number} */ from) => {
    if (from === loadedAt) return;
    loadedAt = from;
    members = [];
    const load = (loads += 1);
    emit(field, 'parlor-find-members', {
      found: (users) => {
        if (load !== loads) return;
        members = users;
        completion.update();
      },
    });
  };
  const completion = new Completion(field, {
    id: 'mention-completion',
    label: dialogSay.mentionMember,
    find: (text, caret) => {
      const word = mentionBefore(text, caret);
      // What follows a mention is no name.
      if (!word || composer.mentions().some((one) => one.at <= word.from && word.from < one.at + one.length)) {
        loadedAt = -1;
        return null;
      }
      load(word.from);
      return { from: word.from, items: findMentioned(members, word.query) };
    },
    draw: (user) => [avatar([user], { size: AVATAR_PX }), h('span', { class: 'one-line', dir: 'auto' }, user.name)],
    insert: ({ id, name }, from, caret) => {
      const isSpaced = /^\s/u.test(field.value.slice(caret));
      insertText(field, `@${name}${isSpaced ? '' : ' '}`, from, caret);
      composer.add({ user: id, at: from, length: name.length + 1 });
    },
    reset: () => {
      loadedAt = -1;
      loads += 1;
    },
  });
  return completion;
}
