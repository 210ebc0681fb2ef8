/**
 * Completes the names of emoji in the composer, from `:` and two letters on.
 *
 * @import {Emoji} from '../view/emoji-search.js'
 */
import { h, setText } from '../ui/dom.js';
import { emit } from '../ui/events.js';
import { emojiName, loadEmojiNames } from '../view/emoji.js';
import { emojiCodeBefore } from '../view/emoji-code.js';
import { emojiNamed, findEmoji } from '../view/emoji-search.js';
import { insertText } from '../ui/insert-text.js';
import { say } from '../view/strings.js';
import { Completion } from './completion.js';

/** @param {HTMLTextAreaElement} field @returns {Completion<Emoji>} */
export function emojiCompletion(field) {
  const completion = new Completion(field, {
    id: 'emoji-completion',
    label: say.addEmoji,
    find: (text, caret) => {
      const code = emojiCodeBefore(text, caret);
      return code && { from: code.from, items: code.closed ? [] : findEmoji(code.query), only: code.closed ? emojiNamed(code.query) : undefined };
    },
    draw: ({ emoji }) => {
      const name = h('span', { class: 'one-line', dir: 'auto' });
      setText(name, emojiName(emoji, (loaded) => setText(name, loaded)));
      return [h('span', { class: 'sign', 'aria-hidden': 'true' }, emoji), name];
    },
    insert: ({ emoji }, from, caret) => {
      insertText(field, emoji, from, caret);
      emit(field, 'parlor-use-emoji', { emoji });
    },
  });
  void loadEmojiNames().then(() => completion.update());
  return completion;
}
