/**
 * A message as one sentence for screen readers: sender, time, content and delivery state. Pure.
 *
 * @import {Said} from './message-groups.js'
 */
import { isolated } from './bidi.js';
import { gist } from './attachments.js';
import { emojiName } from './emoji.js';
import { cut } from './graphemes.js';
import { oneLine, plain } from './markup.js';
import { say } from './strings.js';

/** Longer texts are read in the message itself. */
const CHARS_MAX = 500;

/** @param {Said} said @param {string} speaker @param {string} state @returns {string} */
export function sentence(said, speaker, state) {
  const { message, item, quote, reactions } = said;
  const parts = [`${isolated(speaker)}, ${said.time}`];
  if (said.deleted !== '') return [...parts, said.deleted].join('. ');
  if (said.forwarded) parts.push(say.forwarded);
  if (quote) parts.push(quote.who === '' ? quote.text : say.inReplyTo(quote.who, cut(oneLine(quote.text), 120)));
  if (said.subject !== '') parts.push(say.subjectIs(said.subject));
  if (said.text !== '') parts.push(cut(oneLine(plain(said.text)), CHARS_MAX));
  const attachments = message?.attachments ?? item?.attachments ?? [];
  if (attachments.length > 0) parts.push(gist({ text: '', attachments }).text);
  for (const { emoji, names } of reactions) parts.push(say.reactionOf(emojiName(emoji), names));
  if (said.edited !== '') parts.push(say.edited);
  if (state !== '') parts.push(state);
  return parts.map((one) => one.replace(/[.\s]+$/u, '')).filter(Boolean).join('. ');
}
