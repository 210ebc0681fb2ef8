/**
 * How the user keeps a conversation in their list: pinned, archived, muted, marked as unread.
 *
 * @import {Client} from '../../sdk/client.js'
 * @import {SettingsUpdate} from '../../sdk/wire.js'
 * @import {MenuItem} from '../ui/menu.js'
 */
import { clearedUpTo, isArchived, isMuted, settingsOf } from '../../sdk/state/settings.js';
import { openConfirmDialog } from '../ui/dialog.js';
import { emit } from '../ui/events.js';
import { toast } from '../ui/toast.js';
import { unreadOf } from '../view/conversations.js';
import { dialogSay } from '../view/dialog-strings.js';
import { errorText } from '../view/error-text.js';
import { say } from '../view/strings.js';

const HOUR_MS = 3_600_000;

/** Changes the settings of a conversation, or says why not. @param {HTMLElement} host @param {Client} client
 * @param {number} id @param {SettingsUpdate} settings @returns {Promise<boolean>} whether they changed */
async function update(host, client, id, settings) {
  try {
    await client.updateSettings(id, settings);
    return true;
  } catch (error) {
    toast(host, { words: say.notChangedBecause(errorText(error)), sign: 'alert' });
    return false;
  }
}

/** Marks a conversation as unread. The open one is left, since it would be read again. @param {HTMLElement} host
 * @param {Client} client @param {number} id */
export function markUnread(host, client, id) {
  if (location.hash === `#/c/${id}`) emit(host, 'parlor-back');
  void update(host, client, id, { marked_unread: true });
}

/** @param {HTMLElement} host @param {Client} client @param {number} id */
async function archive(host, client, id) {
  const conversation = client.state.conversations.get(id);
  if (!conversation) return;
  if (!await update(host, client, id, { archived_seq: conversation.last_seq })) return;
  const isQuiet = isMuted(settingsOf(client.state, id), new Date(client.serverNow()).toISOString());
  toast(host, {
    words: isQuiet ? dialogSay.keeping.archivedMuted : dialogSay.keeping.archivedNow, sign: 'archive',
    action: { label: dialogSay.keeping.undo, act: () => void update(host, client, id, { archived_seq: null }) },
  });
}

/** Clears a conversation up to the message that is the newest here, once the user has confirmed it. What arrives
 * meanwhile stays.
 * @param {HTMLElement} host @param {Client} client @param {number} id */
function clear(host, client, id) {
  const { title, more, act } = dialogSay.clearing;
  const seq = client.state.conversations.get(id)?.last_seq ?? 0;
  openConfirmDialog(host, {
    title, more, keep: say.keepIt, act,
    then: () => {
      if (location.hash === `#/c/${id}`) emit(host, 'parlor-back');
      client.clear(id, seq).catch((error) => toast(host, { words: say.notDoneBecause(errorText(error)), sign: 'alert' }));
    },
  });
}

/** Returns the item of a row's menu that clears it. @param {HTMLElement} host @param {Client} client @param {number} id
 * @returns {MenuItem|false} */
export function clearItem(host, client, id) {
  const { last_seq: last = 0 } = client.state.conversations.get(id) ?? {};
  if (last <= clearedUpTo(client.state, id)) return false;
  return { label: dialogSay.clearing.item, sign: 'bin', warn: true, act: () => clear(host, client, id) };
}

/** Returns the items of a row's menu about its settings. @param {HTMLElement} host @param {Client} client
 * @param {number} id @param {() => void} changed @param {(items: MenuItem[]) => void} openSubmenu
 * @returns {(MenuItem|false)[]} */
export function settingsItems(host, client, id, changed, openSubmenu) {
  const conversation = client.state.conversations.get(id);
  if (!conversation) return [];
  const [settings, now] = [settingsOf(client.state, id), new Date(client.serverNow()).toISOString()];
  const [muted, archived] = [isMuted(settings, now), isArchived(conversation, settings, now)];
  const isUnread = unreadOf(conversation, client.readMarkers.readUpTo(id)) > 0 || settings.marked_unread;
  const set = (/** @type {SettingsUpdate} */ to) => () => void update(host, client, id, to);
  const words = dialogSay.keeping;
  return [
    isUnread
      ? { label: say.markRead, sign: 'read', act: () => markRead(host, client, id, changed) }
      : { label: words.markUnread, sign: 'unread', act: () => markUnread(host, client, id) },
    { label: settings.pinned ? words.unpin : words.pin, sign: 'pin', act: set({ pinned: !settings.pinned }) },
    muted
      ? { label: words.unmute, sign: 'bell', act: set({ muted: false }) }
      : { label: words.mute, sign: 'muted', act: () => openSubmenu(muteItems(host, client, id)) },
    archived
      ? { label: words.unarchive, sign: 'archive', act: set({ archived_seq: null }) }
      : { label: words.archive, sign: 'archive', act: () => void archive(host, client, id) },
  ];
}

/** @param {HTMLElement} host @param {Client} client @param {number} id @param {() => void} changed */
function markRead(host, client, id, changed) {
  const conversation = client.state.conversations.get(id);
  if (conversation) client.readMarkers.advance(id, conversation.last_seq, true);
  if (settingsOf(client.state, id).marked_unread) void update(host, client, id, { marked_unread: false });
  changed();
}

/** @param {HTMLElement} host @param {Client} client @param {number} id @returns {MenuItem[]} */
function muteItems(host, client, id) {
  const words = dialogSay.keeping;
  const until = (/** @type {number} */ hours) => () => void update(host, client, id, {
    muted: true, muted_until: new Date(client.serverNow() + hours * HOUR_MS).toISOString(),
  });
  return [
    { label: words.hour, sign: 'clock', act: until(1) },
    { label: words.hours, sign: 'clock', act: until(8) },
    { label: words.week, sign: 'clock', act: until(7 * 24) },
    { label: words.forGood, sign: 'muted', act: () => void update(host, client, id, { muted: true }) },
  ];
}
