/**
 * Which arriving messages are noticed, how, and by which rule. Pure.
 */

/**
 * @typedef {{
 *   sound: boolean, desktop: boolean, quiet: boolean, scheduled: boolean, from: string, until: string,
 * }} NoticeSettings `quiet`: do not disturb; `scheduled`: do not disturb every day between two times, as "22:00"
 * @typedef {'read'|'open'|'muted'|'mentioned'|'quiet'|'schedule'|'here'|'off'|'blocked'|'shown'} NoticeRule
 * @typedef {{conversation: number, seq: number, id: number, at: number, mention: number}} Arrival the newest message of a
 *   conversation; `at` is when it was created; `mention`: the newest of those that arrived that mentions
 *   the user, 0 if none does
 * @typedef {{
 *   readSeq: number, isMuted: boolean, looking: number|null, settings: NoticeSettings, permission: string, minutes: number,
 * }} NoticeState
 *   `readSeq`: up to where the user has read the conversation; `looking`: the conversation that the user looks at in any
 *   tab, 0 for another part of the inbox, null for none; `permission`: that of the browser, as `Notification.permission`;
 *   `minutes`: the time of day
 * @typedef {{rule: NoticeRule, show: boolean, sound: boolean}} Decision
 * @typedef {Decision & {at: number, conversation: number}} LoggedNotice what was done, which the browser may have refused
 */

/** The names of what is stored for the user: the settings, and the last decisions. */
export const NOTICE_SETTINGS = 'notices';
export const NOTICE_LOG = 'notice-log';

const TIME = /^(?:[01]\d|2[0-3]):[0-5]\d$/u;

/** Returns stored settings, with defaults for what is missing or broken. @param {unknown} stored
 * @returns {NoticeSettings} */
export function noticeSettings(stored) {
  const { sound, desktop, quiet, scheduled, from, until } = /** @type {Record<string, unknown>} */ (stored ?? {});
  const time = (/** @type {unknown} */ value, /** @type {string} */ usual) =>
    (typeof value === 'string' && TIME.test(value) ? value : usual);
  return {
    sound: sound !== false,
    desktop: desktop === true,
    quiet: quiet === true,
    scheduled: scheduled === true,
    from: time(from, '22:00'),
    until: time(until, '07:00'),
  };
}

/** Decides about a message that has arrived. The first rule that applies counts.
 * @param {Pick<Arrival, 'conversation'|'seq'|'mention'>} arrival
 * @param {NoticeState} state @returns {Decision} */
export function decide({ conversation, seq, mention }, { readSeq, isMuted, looking, settings, permission, minutes }) {
  /** @param {NoticeRule} rule @returns {Decision} */
  const silent = (rule) => ({ rule, show: false, sound: false });
  /** @param {NoticeRule} rule @returns {Decision} */
  const heard = (rule) => {
    const show = rule === 'shown';
    const { sound } = settings;
    return { rule: isMuted && (show || sound) ? 'mentioned' : rule, show, sound };
  };
  // What is looked at is soon read, too; the reason is the same whichever comes first.
  if (looking === conversation) return silent('open');
  if (readSeq >= seq) return silent('read');
  // A mention is meant for the user, whatever else is said there.
  if (isMuted && mention === 0) return silent('muted');
  if (settings.quiet) return silent('quiet');
  if (settings.scheduled && isWithin(minutes, settings)) return silent('schedule');
  if (looking !== null) return heard('here');
  if (!settings.desktop) return heard('off');
  return heard(permission === 'granted' ? 'shown' : 'blocked');
}

/** Returns whether sounds are allowed now. @param {NoticeSettings} settings @param {number} minutes the time of day
 * @returns {boolean} */
export function maySound(settings, minutes) {
  return settings.sound && !settings.quiet && !(settings.scheduled && isWithin(minutes, settings));
}

/** Returns whether a time of day is between two, which may be on two days. Equal times are the whole day.
 * @param {number} minutes @param {{from: string, until: string}} times @returns {boolean} */
export function isWithin(minutes, { from, until }) {
  const [begin, end] = [from, until].map((time) => Number(time.slice(0, 2)) * 60 + Number(time.slice(3)));
  return begin < end ? minutes >= begin && minutes < end : minutes >= begin || minutes < end;
}
