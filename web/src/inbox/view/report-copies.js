/**
 * The copied messages of a report as a moderator sees them, and what was decided. Pure.
 *
 * Text is shown as it was typed: no links and no markup.
 *
 * @import {Message, Report, ReportCopy, User} from '../../sdk/wire.js'
 */
import { cleanFileName, describe, previewContent } from './attachments.js';
import { dialogSay } from './dialog-strings.js';
import { clockTime, dayKey, dayName } from './format.js';
import { say } from './strings.js';

const { moderation: words } = dialogSay;

/**
 * `mark` is what stands above the reported message, empty above others.
 * @typedef {{
 *   mark: string, deleted: boolean, subject: string, text: string, edited: boolean, forwarded: boolean,
 *   quote: {who: string, text: string}|null, files: {name: string, about: string}[],
 * }} CopyView
 * @typedef {{type: 'group', sender: User, at: number, time: string, copies: CopyView[]}} CopyGroup
 * @typedef {{type: 'day'|'line', text: string}|CopyGroup} CopyBlock
 */

/** @typedef {'dismissed'|'warned'|'removed'|'both'} Outcome */

/** @param {Pick<Report, 'removed'|'warned'>} report a settled one @returns {Outcome} */
export function outcomeOf({ removed, warned }) {
  if (removed) return warned ? 'both' : 'removed';
  return warned ? 'warned' : 'dismissed';
}

/** @param {ReportCopy[]} copies @param {number} now @returns {CopyBlock[]} */
export function copyBlocks(copies, now) {
  /** @type {CopyBlock[]} */
  const blocks = [];
  let day = '';
  let { seq } = copies[0]?.message ?? { seq: 0 };
  for (const copy of copies) {
    const { message, sender } = copy;
    const at = Date.parse(message.created_at);
    // What the first reporter did not see is not copied, nor what the system wrote.
    if (message.seq > seq + 1) blocks.push({ type: 'line', text: words.gap });
    ({ seq } = message);
    if (dayKey(at) !== day) blocks.push({ type: 'day', text: dayName(at, now) });
    day = dayKey(at);
    const last = blocks.at(-1);
    const isSame = last?.type === 'group' && last.sender.id === sender.id && minuteOf(last.at) === minuteOf(at);
    if (isSame) last.copies.push(viewOf(copy, copies));
    else blocks.push({ type: 'group', sender, at, time: clockTime(at), copies: [viewOf(copy, copies)] });
  }
  return blocks;
}

/** @param {number} at @returns {number} */
function minuteOf(at) {
  return Math.floor(at / 60_000);
}

/** @param {ReportCopy} copy @param {ReportCopy[]} all @returns {CopyView} */
function viewOf(copy, all) {
  const { message } = copy;
  const { text, subject = '', deleted = false, edited_at, forwarded = false, attachments = [], reply_to: quoted } = message;
  return {
    mark: markOf(copy, all), deleted, subject, text, edited: edited_at !== undefined, forwarded,
    quote: quoted === undefined ? null : quoteOf(all.find((one) => one.message.seq === quoted)),
    files: deleted ? [] : attachments.map((file) => ({ name: cleanFileName(file.name), about: describe(file) })),
  };
}

/** Tells the two copies of a message apart that was edited, and reported again. @param {ReportCopy} copy
 * @param {ReportCopy[]} all @returns {string} */
function markOf(copy, all) {
  if (!copy.reported) return '';
  const [first, again] = all.filter((one) => one.reported);
  if (!again) return words.reported;
  return copy === first ? words.first : words.again;
}

/** @param {ReportCopy|undefined} copy @returns {{who: string, text: string}} */
function quoteOf(copy) {
  if (!copy) return { who: '', text: say.quoteUnknown };
  return { who: copy.sender.name, text: textOf(copy.message) };
}

/** @param {Message} message @returns {string} */
function textOf(message) {
  return message.deleted ? say.wasDeleted : previewContent(message).text;
}
