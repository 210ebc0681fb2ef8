/**
 * A message as one sentence for screen readers: sender, time, content and delivery state. Pure.
 *
 * @import {MessageView} from './message-groups.js'
 */
import { isolated } from './bidi.js';
import { previewContent } from './attachments.js';
import { emojiName } from './emoji.js';
import { truncate } from './graphemes.js';
import { oneLine, stripMarkup } from './markup.js';
import { say } from './strings.js';

/** Longer texts are read in the message itself. */
const CHARS_MAX = 500;

/** @param {MessageView} view @param {string} speaker @param {string} state @returns {string} */
export function spokenMessage(view, speaker, state) {
  const { message, item, quote, reactions } = view;
  const parts = [`${isolated(speaker)}, ${view.time}`];
  if (view.deleted !== '') return [...parts, view.deleted].join('. ');
  if (view.forwarded) parts.push(say.forwarded);
  if (quote) parts.push(quote.who === '' ? quote.text : say.inReplyTo(quote.who, truncate(oneLine(quote.text), 120)));
  if (view.subject !== '') parts.push(say.subjectIs(view.subject));
  if (view.text !== '') parts.push(truncate(oneLine(stripMarkup(view.text)), CHARS_MAX));
  if (view.mentions.some((one) => one.mine)) parts.push(say.mentionsYou);
  const attachments = message?.attachments ?? item?.attachments ?? [];
  if (attachments.length > 0) parts.push(previewContent({ text: '', attachments }).text);
  for (const { emoji, names } of reactions) parts.push(say.reactionOf(emojiName(emoji), names));
  if (view.edited !== '') parts.push(say.edited);
  if (state !== '') parts.push(state);
  return parts.map((one) => one.replace(/[.\s]+$/u, '')).filter(Boolean).join('. ');
}
