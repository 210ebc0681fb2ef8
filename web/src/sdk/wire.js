/**
 * The types of the wire format, for the type checker only. They mirror `crates/protocol`, without what the inbox does
 * not read.
 *
 * @typedef {{id: number, name: string, picture: string|null, version: number}} User
 * @typedef {User & {login: string, receipts: boolean, presence: boolean, moderator?: boolean, scope_version: number}} Me
 * @typedef {{
 *   type: string, id: string, title: string, detail: string|null, url: string|null, image: string|null,
 *   status: string|null, tone: 'plain'|'asks'|'settled', closed: boolean
 * }} Context
 * @typedef {'owner'|'moderator'|'member'} Role
 * @typedef {{
 *   user: User, role: Role, context_role: string|null, read_seq: number, read_at: string|null, delivered_seq: number,
 *   history_from: number, left: boolean, version: number
 * }} Member
 * @typedef {{
 *   id: number, conversation: number, seq: number, version: number, sender: number, client_id: string,
 *   subject?: string, text: string, mentions?: Mention[], attachments?: Attachment[], reply_to?: number, forwarded?: boolean,
 *   reactions?: Reaction[], edited_at?: string, deleted?: boolean, hidden?: boolean, system?: SystemLine,
 *   created_at: string
 * }} Message
 * @typedef {{user: number, at: number, length: number}} Mention a place in a text, in UTF-16 units
 * @typedef {{emoji: string, users: number[]}} Reaction
 * @typedef {{type: 'added', users: number[]} | {type: 'removed', user: number} | {type: 'left', heir?: number}
 *   | {type: 'role_changed', user: number, role: Role} | {type: 'renamed', title: string} | {type: 'picture_changed'}
 * } SystemLine
 * @typedef {{
 *   id: number, name: string, media_type: string, bytes: number, url: string, width?: number, height?: number,
 *   blur_hash?: string, preview?: string
 * }} Attachment
 * @typedef {{
 *   id: number, client_id: string, name: string, bytes: number, received: number, attachment: Attachment|null
 * }} Upload
 * @typedef {{user: number, status: 'online'|'idle'|'offline'|'unknown', seen_at: string|null}} Presence
 * @typedef {{
 *   id: number, version: number, kind: 'direct'|'group', title: string|null, picture: string|null,
 *   context: Context|null,
 *   created_by: number, created_at: string, activity: number, last_seq: number, last_message: Message|null,
 *   member_count: number, members: Member[], unread: number, mention_seq?: number, settings?: ConversationSettings
 * }} Conversation
 * @typedef {{
 *   pinned: boolean, archived_seq: number|null, muted: boolean, muted_until: string|null, marked_unread: boolean,
 *   cleared_seq?: number, version: number
 * }} ConversationSettings
 * @typedef {{
 *   pinned?: boolean, archived_seq?: number|null, muted?: boolean, muted_until?: string, marked_unread?: boolean
 * }} SettingsUpdate
 * @typedef {{text: string, mentions?: Mention[], subject?: string, reply_to?: number, version: number}} Draft empty once it is
 *   sent or deleted
 * @typedef {{saved: boolean, draft: Draft} & Changed} DraftSaved
 * @typedef {{id: number, created_at: string, seen_at: string, agent: string, current: boolean}} Session
 *
 * @typedef {{scope: string, version: number}} Head
 * @typedef {{
 *   scope: string, since: number, version: number, reset: boolean, more: boolean, conversation: Conversation|null,
 *   messages: Message[], quoted?: Message[], users: User[]
 * }} Changes
 * @typedef {{
 *   user: number, cursor: string, reset: boolean, heads: Head[], gone: string[], changes: Changes[]
 * }} Heads
 * @typedef {{conversations: Conversation[], users?: User[], next: string|null, cursor: string}} ConversationPage
 * @typedef {{conversation: Conversation, users?: User[], cursor: string}} ConversationAnswer
 * @typedef {{
 *   messages: Message[], quoted?: Message[], users: User[], previous: number|null, next: number|null,
 *   version: number, cursor: string
 * }} MessagePage
 * @typedef {{version: number, prev: number}} Changed
 * @typedef {Changed & {message: Message, duplicate: boolean}} Sent
 * @typedef {{conversation: Conversation, found: boolean}} Opened
 * @typedef {{conversation: number, read_seq: number, read_at?: string, delivered_seq: number, unread: number}} Marker
 * @typedef {Marker & Changed} Marked
 * @typedef {{cancelled: boolean, message: Message|null}} Cancelled
 * @typedef {{heads: Head[]}} Shown
 * @typedef {{conversation: number, seq: number}} MessagePlace
 * @typedef {{conversations: number, messages: number}} Unread in the conversations of a person that are neither archived nor muted
 * @typedef {Me & {
 *   markers: Marker[], unread: Unread, now: string, settings?: (ConversationSettings & {conversation: number})[],
 *   blocks?: number[], drafts?: (Draft & {conversation: number})[], reports?: {open: number}, warnings?: Warning[],
 *   hidden?: MessagePlace[], unhidden?: MessagePlace[], hidden_reset?: boolean,
 *   cursor: string
 * }} MeAnswer
 * @typedef {Changed & {message: Message}} MessageChanged
 * @typedef {{reactions: {emoji: string, users: User[]}[], next: string|null}} Reactions
 * @typedef {{members: Member[], next: string|null}} Members
 * @typedef {{text: string, hit: boolean}} Piece
 * @typedef {{message: Message, excerpt: Piece[]}} Hit
 * @typedef {{results: Hit[], conversations: Conversation[], users: User[], next: string|null}} Found
 * @typedef {{presence: Presence[]}} Watched
 * @typedef {{users: User[], next: string|null}} Users
 * @typedef {'spam'|'harassment'|'hate'|'violence'|'sexual'|'fraud'|'other'} ReportReason
 * @typedef {'open'|'settled'} ReportState
 * @typedef {{reporter: User, reason: ReportReason, note: string, at: string}} Reporting `note` is empty if there is none
 * @typedef {{
 *   id: number, state: ReportState, created_at: string, sender: User, conversation: number,
 *   conversation_kind: 'direct'|'group', title: string|null, seq: number, text: string, reasons: Reporting[],
 *   reason_count: number, settled_at: string|null, settled_by: User|null, removed: boolean, warned: boolean,
 *   note: string|null, version: number
 * }} Report `text` is the beginning of that of the copy; `note` the moderators', null while it is open
 * @typedef {{message: Message, sender: User, reported?: boolean}} ReportCopy
 * @typedef {{reports: Report[], next: string|null}} ReportPage
 * @typedef {{report: Report, copies: ReportCopy[]}} ReportAnswer
 * @typedef {{duplicate: boolean}} Reported
 * @typedef {{report: number, conversation: number, seq: number, at: string}} Warning
 * @typedef {{sessions: Session[], next: string|null}} Sessions
 * @typedef {{name: string, sign_up: boolean, session_days: number, accounts: boolean, sign_in_url: string|null,
 *   sign_out_url: string|null}} Site
 *
 * @typedef {{scope: string, version: number, prev: number}} Scoped
 * @typedef {Scoped & {type: 'message.created', message: Message, sender: User, sender_read_seq: number|null}} MessageCreated
 * @typedef {Scoped & {type: 'message.updated', message: Message}} MessageUpdated
 * @typedef {Scoped & {type: 'message.hidden', seq: number} & Marker} MessageHidden
 * @typedef {Scoped & {type: 'scope.advanced'}} ScopeAdvanced
 * @typedef {Scoped & {type: 'conversation.created', conversation: Conversation}} ConversationCreated
 * @typedef {Scoped & {
 *   type: 'conversation.updated', title: string|null, picture: string|null, context: Context|null, members: Member[],
 *   message?: Message
 * }} ConversationUpdated
 * @typedef {Scoped & {
 *   type: 'member.updated', members: Member[], member_count: number, unread: number|null, message?: Message
 * }} MembersUpdated
 * @typedef {Scoped & {type: 'marker.updated'} & Marker} MarkerUpdated
 * @typedef {Scoped & {type: 'me.updated', me: Me}} MeUpdated
 * @typedef {Scoped & {type: 'settings.updated', conversation: number, settings: ConversationSettings}} SettingsUpdated
 * @typedef {Scoped & {type: 'block.updated', user: number, blocked: boolean}} BlockUpdated
 * @typedef {Scoped & {type: 'draft.updated', conversation: number, draft: Draft}} DraftUpdated
 * @typedef {Scoped & {type: 'report.updated', report: Report, open: number}} ReportUpdated
 * @typedef {Scoped & {type: 'warning.created'} & Warning} WarningCreated
 * @typedef {Scoped & {type: 'warning.read', report: number}} WarningRead
 * @typedef {{type: 'scope.changed', scope: string, version: number}} ScopeChanged
 * @typedef {MessageCreated|MessageUpdated|MessageHidden|ConversationCreated|ConversationUpdated|MembersUpdated
 *   |MarkerUpdated|MeUpdated|SettingsUpdated|BlockUpdated|DraftUpdated|ReportUpdated|WarningCreated|WarningRead
 *   |ScopeAdvanced} PlacedEvent
 * @typedef {{
 *   type: 'typing.changed', conversation: number, user: number, typing: boolean, expires_ms: number
 * }} TypingChanged
 * @typedef {{type: 'presence.changed'} & Presence} PresenceChanged
 * @typedef {{type: 'upload.progress', upload: number, received: number}} UploadProgress
 * @typedef {TypingChanged|PresenceChanged|UploadProgress} EphemeralEvent not stored; they have no scope
 * @typedef {PlacedEvent|ScopeChanged} Event
 *
 * @typedef {{
 *   client_id: string, user?: number, role?: string, group?: {title: string, users: number[]},
 *   context?: {type: string, id: string}
 * }} Open
 * @typedef {{
 *   type: 'message.send', conversation: number, client_id: string, text: string, mentions?: Mention[], subject?: string,
 *   reply_to?: number, attachments?: number[], draft?: number
 * }} SendCommand
 * @typedef {{
 *   query?: string, conversation?: number, sender?: number, context?: {type: string, id: string}, from?: string,
 *   until?: string, has_file?: boolean, after?: string, limit?: number
 * }} SearchQuery
 * @typedef {{type: 'session.resume', user: number, cursor?: string}} ResumeCommand
 * @typedef {ResumeCommand
 *   | {type: 'conversation.list', after?: string, limit?: number}
 *   | {type: 'conversation.get', conversation: number}
 *   | {type: 'conversation.changes', conversation: number, since: number}
 *   | ({type: 'conversation.open'} & Open)
 *   | {type: 'conversation.show', conversations: number[]}
 *   | {type: 'conversation.mark', conversation: number, delivered?: number, read?: number}
 *   | {type: 'conversation.settings', conversation: number, settings: SettingsUpdate}
 *   | {type: 'conversation.clear', conversation: number, seq: number}
 *   | {type: 'conversation.update', conversation: number, title: string}
 *   | {type: 'conversation.typing', conversation: number, typing: boolean}
 *   | {type: 'member.list', conversation: number, after?: string, limit?: number}
 *   | {type: 'member.add', conversation: number, users: number[], history?: 'from_joining'|'from_start'}
 *   | {type: 'member.update', conversation: number, user: number, role: Role}
 *   | {type: 'member.remove', conversation: number, user: number}
 *   | SendCommand
 *   | {type: 'draft.save', conversation: number, draft: Omit<Draft, 'version'> & {since: number}}
 *   | {type: 'message.forward', conversation: number, client_id: string, from: MessagePlace}
 *   | {type: 'message.edit', conversation: number, seq: number, text?: string, mentions?: Mention[], subject?: string|null}
 *   | {type: 'message.delete', conversation: number, seq: number}
 *   | {type: 'message.hide', conversation: number, seq: number}
 *   | {type: 'message.react', conversation: number, seq: number, emoji: string, on: boolean}
 *   | {type: 'message.reactions', conversation: number, seq: number, after?: string, limit?: number}
 *   | ({type: 'message.search'} & SearchQuery)
 *   | {type: 'message.cancel', client_id: string}
 *   | {type: 'message.list', conversation: number, before?: number, after?: number, around?: number, limit?: number}
 *   | {type: 'me.get', since?: number}
 *   | {type: 'me.update', name?: string, receipts?: boolean, presence?: boolean}
 *   | {type: 'presence.watch', users: number[]}
 *   | {type: 'presence.set', idle: boolean}
 *   | {type: 'user.list', query: string, after?: string, limit?: number}
 *   | {type: 'user.block'|'user.unblock', user: number}
 *   | {type: 'user.blocks', after?: string, limit?: number}
 *   | {type: 'message.report', conversation: number, seq: number, reason: ReportReason, note?: string}
 *   | {type: 'report.list', state?: ReportState, after?: string, limit?: number}
 *   | {type: 'report.get', report: number}
 *   | {type: 'report.settle', report: number, remove: boolean, warn: boolean, note?: string}
 *   | {type: 'warning.read', report: number}
 * } Command
 *
 * @typedef {{
 *   code: string, title: string, status: number, retryable: boolean, detail?: string, limit?: number,
 *   retry_after_ms?: number
 * }} ProblemBody
 */
export {};
