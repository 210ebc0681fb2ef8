/**
 * The texts of the inbox, in English: those of the first load (`dialog-strings.js` has the others).
 *
 * Invariant: a name, a title or a text within a sentence is isolated from it (`bidi.js`).
 */
import { isolated } from './bidi.js';

/** @param {number} count @param {string} one @param {string} many @returns {string} */
export const plural = (count, one, many) => `${count} ${count === 1 ? one : many}`;

/** For new or unread messages. @param {number} count @param {string} one @param {string} many @returns {string} */
const pluralShort = (count, one, many) => `${shortCount(count)} ${count === 1 ? one : many}`;

/** Returns a count of at most "99+", where the server stops counting. @param {number} count @returns {string} */
export function shortCount(count) {
  return count > 99 ? '99+' : String(count);
}

/** A sentence whose names are marked. @typedef {(string|{firm: string})[]} Phrase */

/** @param {string|null} name null is the user @returns {{firm: string}} */
const subject = (name) => ({ firm: name ?? 'You' });

/** "Ben", "Ben and Cleo", "Ben and 2 others". @param {string[]} names @returns {Phrase} */
const listOf = (names) => {
  const [first, second] = names;
  if (names.length < 2) return [{ firm: first ?? 'somebody' }];
  if (names.length === 2) return [{ firm: first }, ' and ', { firm: second }];
  return [{ firm: first }, ` and ${names.length - 1} others`];
};

/** @type {Record<string, string>} */
const roles = { owner: 'an owner', moderator: 'a moderator', member: 'a member' };

const english = {
  locale: 'en-GB',

  messages: 'Messages',
  conversations: 'Conversations',
  newConversation: 'New conversation',
  settingsOf: (/** @type {string} */ name) => `${name}: settings`,
  search: 'Search',
  searchConversations: 'Search conversations and messages',
  searchKey: 'Ctrl K',
  show: 'Show',
  all: 'All',
  unread: 'Unread',
  today: 'Today',
  yesterday: 'Yesterday',
  you: 'You',
  youSaid: (/** @type {string} */ text) => `You: ${text}`,
  draft: 'Draft',
  notSent: 'Not sent',
  noMessagesYet: 'No messages yet',
  unreadCount: (/** @type {number} */ count) => pluralShort(count, 'unread message', 'unread messages'),
  loadingMore: 'Loading more',
  listEmpty: 'Conversations appear here, the newest first.',
  listFailed: 'The conversations could not be loaded.',
  nothingUnread: 'Nothing unread.',
  tryAgain: 'Try again',

  noConversations: 'No conversations yet',
  noConversationsMore: 'When somebody writes to you about one of your items, you read and answer it here.',
  writeToSomebody: 'Write to somebody',
  chooseConversation: 'Choose a conversation',
  chooseConversationMore: 'Or write to somebody new.',

  skipTo: 'Go to',
  toConversations: 'Go to the conversations',
  toMessages: 'Go to the messages',
  toWriting: 'Go to the message field',
  openIt: 'Open',
  markRead: 'Mark as read',
  menuOf: (/** @type {string} */ name) => `Conversation with ${name}`,
  backToAll: 'Back to all conversations',
  waitingForConnection: 'Waiting for the connection',
  people: (/** @type {number} */ count) => plural(count, 'person', 'people'),
  membersOf: (/** @type {number} */ count) => `${plural(count, 'person', 'people')}: show who`,
  yourRole: (/** @type {string} */ role) => `You: ${role}`,
  roleOf: (/** @type {string} */ name, /** @type {string} */ role) => `${name}: ${role}`,
  opensPage: 'opens its page',
  messagesWith: (/** @type {string} */ name) => `Messages with ${name}`,
  firstMessage: (/** @type {string} */ name) => `Write the first message to ${name}`,
  firstMessageMore: 'Nothing has been written here yet.',
  wroteAbout: (/** @type {string|null} */ who, /** @type {string} */ what) =>
    /** @type {Phrase} */ ([subject(who), ' wrote about ', { firm: what }]),
  opened: (/** @type {string|null} */ who) => /** @type {Phrase} */ ([subject(who), ' started this conversation']),
  openedGroup: (/** @type {string|null} */ who) => /** @type {Phrase} */ ([subject(who), ' created this group']),
  newMessages: (/** @type {number} */ count) => pluralShort(count, 'new message', 'new messages'),
  newOn: (/** @type {string} */ day, /** @type {string} */ news) => `${day} · ${news}`,
  newSince: (/** @type {number} */ count, /** @type {string} */ when) => `${shortCount(count)} new since ${when}`,
  yesterdayAt: (/** @type {string} */ time) => `yesterday ${time}`,
  jumpToNew: 'Jump',
  jumpToNewFull: 'Jump to the first new message',
  leaveSince: 'Stay here',
  newPill: (/** @type {number} */ count) => `${shortCount(count)} new`,
  toLatest: 'Latest',
  toLatestFull: 'Jump to the latest message',
  arrived: (/** @type {string} */ name, /** @type {string} */ text) => `${name}: ${text}`,
  arrivedMany: (/** @type {number} */ count) => pluralShort(count, 'new message', 'new messages'),
  jumpMissed: {
    deleted: 'That message was deleted.',
    hidden: 'You deleted that message for yourself.',
    before: 'That message is from before you joined.',
    gone: 'That message is not here.',
    left: 'You are no longer in that conversation.',
    lost: 'Not shown: no connection.',
  },
  threadFailed: 'These messages could not be loaded',
  threadFailedMore: 'Nothing is lost.',
  threadMissing: 'There is no such conversation',
  threadMissingMore: 'It may have ended, or you are no longer in it.',
  loadingMessages: 'Loading messages',
  olderFailed: 'Earlier messages could not be loaded.',
  newerFailed: 'Later messages could not be loaded.',

  sending: 'Sending',
  sent: 'Sent',
  delivered: 'Delivered',
  read: 'Read',
  readBy: (/** @type {number} */ count, /** @type {number} */ all) => `Read by ${count} of ${all}`,
  waitsAbove: 'Waits for the message above',
  keptUntilBack: 'Saved, sent when you are back',
  waitsHere: 'Sent when you are back. Keep this page open',
  notSentBecause: (/** @type {string} */ reason) => `Not sent: ${reason}.`,
  noConnection: 'no connection',
  retry: 'Retry',
  discard: 'Discard',
  takeBack: 'Write again',
  /** Up to four words each. @type {Record<string, string>} */
  reasons: {
    text_too_long: 'too long',
    text_empty: 'no visible text',
    text_control: 'unreadable characters',
    not_allowed: 'not allowed',
    not_found: 'conversation is gone',
    context_closed: 'conversation is closed',
    too_large: 'too large',
    file_gone: 'a file is gone',
    file_empty: 'a file is empty',
    unsupported_type: 'file type not accepted',
    internal: 'the server failed',
    conflict: 'sent differently before',
    cancelled: 'was discarded before',
    too_late: 'it is too late',
    limit_reached: 'there are too many',
  },
  reasonElse: 'refused',

  react: 'React',
  reactWith: (/** @type {string} */ name) => `React with ${name}`,
  moreReactions: 'More reactions',
  reply: 'Reply',
  edit: 'Edit',
  forward: 'Forward',
  copyText: 'Copy text',
  copied: 'Copied',
  more: 'More',
  deleteForMe: 'Delete for me',
  deleteForAll: 'Delete for everyone',
  messageOf: (/** @type {string|null} */ who) => (who === null ? 'Your message' : `Message from ${who}`),
  hideQuestion: 'Delete this message for you?',
  hideMore: 'It disappears only for you. This cannot be undone.',
  deleteQuestion: 'Delete this message for everyone?',
  deleteMore: (/** @type {boolean} */ text, /** @type {number} */ files, /** @type {string|null} */ name) => {
    const carried = files === 1 ? 'its file' : `its ${files} files`;
    const what = files === 0 ? 'The text' : text ? `The text and ${carried}` : carried.replace('i', 'I');
    const many = files > 1 || (text && files > 0);
    return `${what} ${many ? 'are' : 'is'} removed for ${name ? `${name} too` : 'everybody'}. This cannot be undone.`;
  },
  keepIt: 'Keep it',
  notDoneBecause: (/** @type {string} */ reason) => `Not done: ${reason}.`,
  notChangedBecause: (/** @type {string} */ reason) => `Not changed: ${reason}.`,
  forwardedTo: (/** @type {number} */ count) => `Forwarded to ${count} conversations.`,
  replyingTo: (/** @type {string|null} */ who) => (who === null ? 'Reply to yourself' : `Reply to ${who}`),
  stopReply: 'Cancel reply',
  editing: 'Edit message',
  stopEdit: 'Cancel editing',
  subject: 'Subject',
  addSubject: 'Add a subject',
  removeSubject: 'Remove the subject',
  somebody: 'Somebody',
  leadsTo: (/** @type {string} */ host) => `Leads to ${host}`,
  forwarded: 'Forwarded',
  edited: 'edited',
  answers: 'In reply to ',
  inReplyTo: (/** @type {string} */ who, /** @type {string} */ text) => `In reply to ${who}: ${text}`,
  subjectIs: (/** @type {string} */ subject) => `Subject: ${subject}`,
  jumpToQuoted: 'Go to this message',
  reactionOf: (/** @type {string} */ emoji, /** @type {string} */ names) => `${emoji}: ${names}`,
  whoReacted: 'Who reacted',
  quoteUnknown: 'This message is not here',
  names: (/** @type {string[]} */ names, /** @type {number} */ more) => {
    if (more > 0) return `${names.join(', ')} and ${more} more`;
    return names.length < 2 ? names.join('') : `${names.slice(0, -1).join(', ')} and ${names[names.length - 1]}`;
  },
  whoRead: 'Who has read it',
  youThere: 'you',
  youDeleted: 'You deleted this message',
  personDeleted: (/** @type {string} */ name) => `${name} deleted this message`,
  wasDeleted: 'This message was deleted',
  lineAdded: (/** @type {string|null} */ who, /** @type {string[]} */ whom) =>
    /** @type {Phrase} */ ([subject(who), ' added ', ...listOf(whom)]),
  lineRemoved: (/** @type {string|null} */ who, /** @type {string} */ whom) =>
    /** @type {Phrase} */ ([subject(who), ' removed ', { firm: whom }]),
  lineLeft: (/** @type {string|null} */ who) => /** @type {Phrase} */ ([subject(who), ' left']),
  lineLeftTo: (/** @type {string|null} */ who, /** @type {string|null} */ heir) =>
    /** @type {Phrase} */ ([subject(who), ' left; ', { firm: heir ?? 'you' }, heir ? ' is' : ' are', ' the owner now']),
  lineRole: (/** @type {string|null} */ who, /** @type {string|null} */ whom, /** @type {string} */ role) =>
    /** @type {Phrase} */ ([subject(who), ' made ', { firm: whom ?? (who === null ? 'yourself' : 'you') },
      ` ${roles[role] ?? role}`]),
  lineRenamed: (/** @type {string|null} */ who, /** @type {string} */ title) =>
    /** @type {Phrase} */ ([subject(who), ' named the group ', { firm: title }]),
  linePicture: (/** @type {string|null} */ who) => /** @type {Phrase} */ ([subject(who), ' changed the picture']),
  lineOther: (/** @type {string|null} */ who) => /** @type {Phrase} */ ([subject(who), ' changed something here']),

  message: 'Message',
  writeTo: (/** @type {string} */ name) => `Write to ${name}`,
  send: 'Send',
  sendHint: 'Enter sends, Shift+Enter starts a new line',
  addEmoji: 'Add an emoji',
  pasteTooLong: (/** @type {string} */ chars, /** @type {string} */ most) =>
    `Not pasted: ${chars} characters. The limit is ${most}.`,
  charactersLeft: (/** @type {number} */ count) => `${plural(count, 'character', 'characters')} left`,
  charactersOver: (/** @type {number} */ over, /** @type {string} */ most) =>
    `${over === 1 ? '1 character' : `${over} characters`} too many. The limit is ${most}.`,
  closedAs: (/** @type {string} */ title) => `“${title}” is closed. No more messages can be sent.`,

  offlineSince: (/** @type {string} */ time) =>
    `No connection since ${time}. Your messages are saved, and sent when you are back.`,
  offlineOpen: (/** @type {string} */ time) =>
    `No connection since ${time}. Keep this page open: your messages are sent when you are back.`,
  tryNow: 'Try now',
  slow: 'The connection is limited. Messages may arrive a moment later.',
  slower: 'The connection is limited. New messages arrive every 5 seconds.',
  back: 'Connected again.',
  backSent: (/** @type {number} */ count) =>
    `Connected again. ${count === 1 ? '1 message was' : `${count} messages were`} sent.`,

  openFailed: 'The conversation could not be opened.',
  noAnswer: 'The server did not answer. Try again.',
  cannotNow: 'The server cannot do this now. Try again.',
  tooMuch: 'That was too much at once. Try again in a moment.',
  close: 'Close',

  members: 'People in this group',
  changeFailed: 'That could not be changed.',

  size: (/** @type {number} */ bytes) => `${(bytes / 1_048_576).toFixed(1)} MB`,

  online: 'Online',
  idle: 'Idle',
  seenAgo: (/** @type {string} */ when) => `Last seen ${when}`,
  justNow: 'just now',
  minutesAgo: (/** @type {number} */ count) => `${count} min ago`,
  hoursAgo: (/** @type {number} */ count) => `${count} h ago`,
  peopleOnline: (/** @type {string} */ people, /** @type {number} */ count) => `${people}, ${count} online`,
  typing: 'typing…',
  typingWho: (/** @type {string} */ name) => `${name} is typing…`,
  isTyping: (/** @type {string} */ name) => `${name} is typing`,
  areTyping: (/** @type {string} */ one, /** @type {string} */ other) => `${one} and ${other} are typing`,
  severalTyping: 'Several people are typing',

  save: 'Save',
  pictureTooLarge: (/** @type {string} */ size) => `That picture is ${size}. Choose a smaller one.`,
  pictureRefused: 'That picture could not be used. Choose another.',

  partNotLoaded: 'This could not be loaded. Check the connection, or reload the page.',
  noServer: 'The server cannot be reached. Check the connection and try again.',
  fieldEmpty: 'Fill this in.',
  nameHidden: (/** @type {string} */ sign) =>
    `It contains an invisible character (${sign}). Type it again without it.`,
  nothingToSee: 'This message has no visible text yet.',
  attach: 'Attach pictures or files',
  attachHint: 'Attach pictures or files (Ctrl+U)',
  attached: 'Attached files',
  dropHere: 'Drop files to attach them',
  dropLimit: (/** @type {string} */ most) => `Pictures and files up to ${most}`,
  dropAny: 'Pictures and files',
  noFolders: 'A folder cannot be sent. Pack it into one file first.',
  sentOf: (/** @type {string} */ sent, /** @type {string} */ all) => `${sent} of ${all}`,
  fileReady: (/** @type {string} */ size) => `Ready, ${size}`,
  fileWaits: (/** @type {string} */ size) => `Waiting, ${size}`,
  fileLooked: 'Almost there',
  fileCut: (/** @type {string} */ progress) => `No connection. ${progress}, continues by itself.`,
  cancelFile: (/** @type {string} */ name) => `Cancel ${name}`,
  removeFile: (/** @type {string} */ name) => `Remove ${name}`,
  retryFile: (/** @type {string} */ name) => `Retry ${name}`,
  notAttached: (/** @type {string} */ name, /** @type {string} */ why) => `${name}: ${why}`,
  fileTooLarge: (/** @type {string} */ size, /** @type {string} */ most) =>
    `${size}. The limit is ${most}.`,
  tooManyFiles: (/** @type {number} */ most) =>
    `A message can have ${most === 1 ? '1 file' : `${most} files`}. Send this one in the next.`,
  /** @type {Record<string, string>} */
  fileRefused: {
    file_empty: 'It is empty, so there is nothing to send.',
    file_gone: 'The page no longer has this file. Choose it again.',
    unsupported_type: 'Files of this kind cannot be sent.',
    limit_reached: 'Too many files are waiting. Send some of them first.',
    not_allowed: 'Files cannot be sent here.',
    internal: 'The server could not store it.',
    unavailable: 'The server cannot take files now.',
  },
  fileRefusedElse: 'The server did not accept it.',
  kinds: { picture: 'Picture', video: 'Video', audio: 'Audio', file: 'File' },
  photos: (/** @type {number} */ count) => (count === 1 ? 'Photo' : `${count} photos`),
  files: (/** @type {number} */ count) => plural(count, 'file', 'files'),
  pictures: (/** @type {number} */ count) => plural(count, 'picture', 'pictures'),
  pictureOf: (/** @type {number} */ at, /** @type {number} */ all, /** @type {string} */ name) =>
    all === 1 ? `Picture: ${name}` : `Picture ${at} of ${all}: ${name}`,
  moreOf: (/** @type {number} */ count) => `and ${count} more`,
  downloadFile: (/** @type {string} */ name) => `Download ${name}`,
  leavePage: 'Files are still uploading.',

  searchHere: 'Search in this conversation',
  searchHereHint: 'Search in this conversation (Ctrl+Shift+F)',
  searchTitle: 'Search',
  leaveSearch: 'Back to conversations',
  clearSearch: 'Clear',

  cannotLoad: 'The inbox could not be loaded',
};

/** @typedef {typeof english} Strings */

/** The current texts. @type {Strings} */
export const say = withIsolation(english);

/** Isolates everything that is inserted into a sentence. @template {Record<string, unknown>} Words @param {Words} words
 * @returns {Words} */
export function withIsolation(words) {
  const entries = Object.entries(words).map(([name, value]) => [name, typeof value === 'function' ? isolatingArguments(value) : value]);
  return /** @type {Words} */ (Object.fromEntries(entries));
}

/** @param {Function} make @returns {Function} */
function isolatingArguments(make) {
  return (/** @type {unknown[]} */ ...parts) => make(...parts.map(isolateAll));
}

/** @param {unknown} part @returns {unknown} */
function isolateAll(part) {
  if (Array.isArray(part)) return part.map(isolateAll);
  return typeof part === 'string' ? isolated(part) : part;
}
