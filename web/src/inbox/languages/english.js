/**
 * English: the texts of the first load (`english-dialogs.js` has the others). The other languages follow their keys.
 *
 * @import {Tools} from './tools.js'
 */

/** @param {Tools<'en'>} tools */
export function english({ capped, list, number, phrase, plural, some }) {
  return {
    messages: 'Messages',
    conversations: 'Conversations',
    newConversation: 'New conversation',
    settingsOf: (/** @type {string} */ name) => `${name}: settings`,
    search: 'Search',
    searchConversations: 'Search conversations and messages',
    searchKey: 'Ctrl E',
    show: 'Show',
    all: 'All',
    unread: 'Unread',
    today: 'Today',
    yesterday: 'Yesterday',
    you: 'You',
    colon: ': ',
    draft: 'Draft',
    notSent: 'Not sent',
    noMessagesYet: 'No messages yet',
    unreadCount: (/** @type {number} */ count) => capped(count, { one: '# unread message', other: '# unread messages' }),
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
    people: (/** @type {number} */ count) => plural(count, { one: '# person', other: '# people' }),
    membersOf: (/** @type {number} */ count) =>
      plural(count, { one: '# person: show who', other: '# people: show who' }),
    yourRole: (/** @type {string} */ role) => `You: ${role}`,
    roleOf: (/** @type {string} */ name, /** @type {string} */ role) => `${name}: ${role}`,
    opensPage: 'opens its page',
    messagesWith: (/** @type {string} */ name) => `Messages with ${name}`,
    firstMessage: (/** @type {string} */ name) => `Write the first message to ${name}`,
    firstMessageMore: 'Nothing has been written here yet.',
    wroteAbout: (/** @type {string|null} */ who, /** @type {string} */ what) => phrase`${who ?? 'You'} wrote about ${what}`,
    opened: (/** @type {string|null} */ who) => phrase`${who ?? 'You'} started this conversation`,
    openedGroup: (/** @type {string|null} */ who) => phrase`${who ?? 'You'} created this group`,
    newMessages: (/** @type {number} */ count) => capped(count, { one: '# new message', other: '# new messages' }),
    newOn: (/** @type {string} */ day, /** @type {string} */ news) => `${day} · ${news}`,
    newSince: (/** @type {number} */ count, /** @type {string} */ when) =>
      capped(count, { one: `# new since ${when}`, other: `# new since ${when}` }),
    yesterdayAt: (/** @type {string} */ time) => `yesterday ${time}`,
    jumpToNew: 'Jump',
    jumpToNewFull: 'Jump to the first new message',
    leaveSince: 'Stay here',
    newPill: (/** @type {number} */ count) => capped(count, { one: '# new', other: '# new' }),
    toLatest: 'Latest',
    toLatestFull: 'Jump to the latest message',
    goToDay: 'Go to a day',
    arrived: (/** @type {string} */ name, /** @type {string} */ text) => `${name}: ${text}`,
    arrivedMany: (/** @type {number} */ count) => capped(count, { one: '# new message', other: '# new messages' }),
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
    readBy: (/** @type {number} */ count, /** @type {number} */ all) => `Read by ${number(count)} of ${number(all)}`,
    waitsAbove: 'Waits for the message above',
    keptUntilBack: 'Saved, sent when you are back',
    waitsHere: 'Sent when you are back. Keep this page open',
    notSentBecause: (/** @type {string} */ reason) => `Not sent: ${reason}.`,
    noConnection: 'no connection',
    retry: 'Retry',
    discard: 'Discard',
    takeBack: 'Write again',
    /** Up to four words each. */
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
      const whole = text
        ? { one: 'The text and its file are removed for', other: 'The text and its # files are removed for' }
        : { one: 'Its file is removed for', other: 'Its # files are removed for' };
      const what = files === 0 ? 'The text is removed for' : plural(files, whole);
      return `${what} ${name ? `${name} too` : 'everybody'}. This cannot be undone.`;
    },
    keepIt: 'Keep it',
    notDoneBecause: (/** @type {string} */ reason) => `Not done: ${reason}.`,
    notChangedBecause: (/** @type {string} */ reason) => `Not changed: ${reason}.`,
    forwardedTo: (/** @type {number} */ count) =>
      plural(count, { one: 'Forwarded.', other: 'Forwarded to # conversations.' }),
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
    names: (/** @type {string[]} */ names, /** @type {number} */ more) =>
      list(more > 0 ? [...names, plural(more, { one: '# more', other: '# more' })] : names),
    comma: ', ',
    sentenceGap: ' ',
    whoRead: 'Who has read it',
    youDeleted: 'You deleted this message',
    personDeleted: (/** @type {string} */ name) => `${name} deleted this message`,
    wasDeleted: 'This message was deleted',
    lineAdded: (/** @type {string|null} */ who, /** @type {(string|null)[]} */ whom) =>
      phrase`${who ?? 'You'} added ${some(whom.map((one) => one ?? 'you'), (count) => plural(count, { one: '# other', other: '# others' }))}`,
    lineRemoved: (/** @type {string|null} */ who, /** @type {string|null} */ whom) =>
      phrase`${who ?? 'You'} removed ${whom ?? 'you'}`,
    lineLeft: (/** @type {string|null} */ who) => phrase`${who ?? 'You'} left`,
    lineLeftTo: (/** @type {string|null} */ who, /** @type {string|null} */ heir) => (heir === null
      ? phrase`${who ?? 'You'} left; ${'you'} are the owner now`
      : phrase`${who ?? 'You'} left; ${heir} is the owner now`),
    lineRole: (/** @type {string|null} */ who, /** @type {string|null} */ whom, /** @type {string} */ role) => [
      ...phrase`${who ?? 'You'} made ${whom ?? (who === null ? 'yourself' : 'you')}`, ` ${role}`],
    roleNames: { owner: 'an owner', moderator: 'a moderator', member: 'a member' },
    lineRenamed: (/** @type {string|null} */ who, /** @type {string} */ title) =>
      phrase`${who ?? 'You'} named the group ${title}`,
    linePicture: (/** @type {string|null} */ who) => phrase`${who ?? 'You'} changed the picture`,
    lineOther: (/** @type {string|null} */ who) => phrase`${who ?? 'You'} changed something here`,

    message: 'Message',
    writeTo: (/** @type {string} */ name) => `Write to ${name}`,
    send: 'Send',
    sendHint: 'Enter sends, Shift+Enter starts a new line',
    addEmoji: 'Add an emoji',
    pasteTooLong: (/** @type {string} */ chars, /** @type {string} */ most) =>
      `Not pasted: ${chars} characters. The limit is ${most}.`,
    charactersLeft: (/** @type {number} */ count) =>
      plural(count, { one: '# character left', other: '# characters left' }),
    charactersOver: (/** @type {number} */ over, /** @type {string} */ most) =>
      plural(over, {
        one: `# character too many. The limit is ${most}.`, other: `# characters too many. The limit is ${most}.`,
      }),
    closedAs: (/** @type {string} */ title) => `“${title}” is closed. No more messages can be sent.`,

    offlineAsOf: (/** @type {string} */ time) =>
      `You are offline. The inbox is shown as of ${time}. Your messages are saved, and sent when you are back.`,
    offlineSince: (/** @type {string} */ time) =>
      `No connection since ${time}. Your messages are saved, and sent when you are back.`,
    offlineOpen: (/** @type {string} */ time) =>
      `No connection since ${time}. Keep this page open: your messages are sent when you are back.`,
    tryNow: 'Try now',
    slow: 'The connection is limited. Messages may arrive a moment later.',
    slower: 'The connection is limited. New messages arrive every 5 seconds.',
    back: 'Connected again.',
    backSent: (/** @type {number} */ count) =>
      plural(count, { one: 'Connected again. # message was sent.', other: 'Connected again. # messages were sent.' }),

    openFailed: 'The conversation could not be opened.',
    noAnswer: 'The server did not answer. Try again.',
    cannotNow: 'The server cannot do this now. Try again.',
    tooMuch: 'That was too much at once. Try again in a moment.',
    close: 'Close',

    members: 'People in this group',
    changeFailed: 'That could not be changed.',

    units: { B: 'B', KB: 'KB', MB: 'MB', GB: 'GB' },

    online: 'Online',
    idle: 'Idle',
    seenAgo: (/** @type {string} */ when) => `Last seen ${when}`,
    justNow: 'just now',
    peopleOnline: (/** @type {string} */ people, /** @type {number} */ count) => `${people}, ${number(count)} online`,
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
      plural(most, {
        one: 'A message can have # file. Send this one in the next.',
        other: 'A message can have # files. Send this one in the next.',
      }),
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
    photos: (/** @type {number} */ count) => plural(count, { one: 'Photo', other: '# photos' }),
    files: (/** @type {number} */ count) => plural(count, { one: '# file', other: '# files' }),
    pictures: (/** @type {number} */ count) => plural(count, { one: '# picture', other: '# pictures' }),
    pictureOf: (/** @type {number} */ at, /** @type {number} */ all, /** @type {string} */ name) =>
      all === 1 ? `Picture: ${name}` : `Picture ${number(at)} of ${number(all)}: ${name}`,
    moreOf: (/** @type {number} */ count) => plural(count, { one: 'and # more', other: 'and # more' }),
    downloadFile: (/** @type {string} */ name) => `Download ${name}`,
    leavePage: 'Files are still uploading.',

    searchHere: 'Search in this conversation',
    searchHereHint: 'Search in this conversation (Ctrl+Shift+F)',
    searchTitle: 'Search',
    leaveSearch: 'Back to conversations',
    clearSearch: 'Clear',

    cannotLoad: 'The inbox could not be loaded',

    /** The names of keys, as the keyboards of the language have them. */
    keyNames: { Ctrl: 'Ctrl', Enter: 'Enter', Shift: 'Shift', Del: 'Del', Esc: 'Esc' },

    /** Why a link opens nothing: a title and an explanation. */
    linkReasons: {
      own_role: { title: 'This is yours', more: 'The link leads to yourself.' },
      own_link: { title: 'This link leads to you', more: 'Others can write to you with it.' },
      context_closed: { title: 'This is closed', more: 'No more messages can be sent about it.' },
      role_vacant: { title: 'There is nobody to write to', more: 'Nobody is responsible for this at the moment.' },
      not_found: { title: 'This is gone', more: 'It is no longer here, or the link is wrong.' },
      not_allowed: { title: 'You may not write here', more: 'The rules do not allow it, or this is gone.' },
      limit_reached: { title: 'There are too many conversations', more: 'No more can be opened about this, or with this person.' },
      invalid_field: { title: 'The link is not complete', more: 'It does not say to whom it leads.' },
    },

    /** A sentence for each error code. */
    refusals: {
      not_allowed: 'You may not do this.',
      not_found: 'It is no longer here.',
      context_closed: 'It is closed.',
      limit_reached: 'The limit is reached.',
      text_empty: 'It is empty.',
      text_too_long: 'It is too long.',
      too_large: 'It is too large.',
      too_late: 'It is too late for this.',
      invalid_field: 'An entry is missing or not valid.',
      wrong_origin: 'This page is not allowed to use this server.',
    },
    refusalElse: 'The server did not accept this.',

  };
}
