/**
 * The types of what crosses the wire, for the type checker alone. They mirror `crates/protocol`; what they leave out,
 * the inbox does not read.
 *
 * @typedef {{id: number, name: string, picture: string|null, version: number}} User
 * @typedef {User & {login: string, scope_version: number}} Me
 * @typedef {{
 *   type: string, id: string, title: string, detail: string|null, url: string|null, image: string|null,
 *   status: string|null, tone: 'plain'|'asks'|'settled', closed: boolean
 * }} Context
 * @typedef {{
 *   user: User, role: 'owner'|'member', context_role: string|null, read_seq: number, delivered_seq: number,
 *   history_from: number, left: boolean, version: number
 * }} Member
 * @typedef {{
 *   id: number, conversation: number, seq: number, sender: number, client_id: string, text: string, created_at: string
 * }} Message
 * @typedef {{
 *   id: number, version: number, kind: 'direct'|'group', title: string|null, context: Context|null,
 *   created_by: number, created_at: string, activity: number, last_seq: number, last_message: Message|null,
 *   member_count: number, members: Member[], unread: number
 * }} Conversation
 * @typedef {{id: number, created_at: string, seen_at: string, agent: string, current: boolean}} Session
 *
 * @typedef {{scope: string, version: number}} Head
 * @typedef {{
 *   scope: string, since: number, version: number, reset: boolean, more: boolean, conversation: Conversation|null,
 *   messages: Message[], users: User[]
 * }} Changes
 * @typedef {{
 *   user: number, cursor: string, reset: boolean, heads: Head[], gone: string[], changes: Changes[]
 * }} Heads
 * @typedef {{conversations: Conversation[], next: number|null, cursor: string}} ConversationPage
 * @typedef {{conversation: Conversation, cursor: string}} ConversationAnswer
 * @typedef {{
 *   messages: Message[], users: User[], more_before: boolean, more_after: boolean, version: number, cursor: string
 * }} MessagePage
 * @typedef {{version: number, prev: number}} Changed
 * @typedef {Changed & {message: Message, duplicate: boolean}} Sent
 * @typedef {{conversation: Conversation, found: boolean}} Opened
 * @typedef {{conversation: number, read_seq: number, delivered_seq: number, unread: number}} Marker
 * @typedef {Marker & Changed} Marked
 * @typedef {{cancelled: boolean, message: Message|null}} Cancelled
 * @typedef {{heads: Head[]}} Shown
 * @typedef {Me & {markers: Marker[], cursor: string}} MeAnswer
 * @typedef {{users: User[]}} Users
 * @typedef {{sessions: Session[]}} Sessions
 * @typedef {{name: string, sign_up: boolean, session_days: number}} Site
 *
 * @typedef {{scope: string, version: number, prev: number}} Scoped
 * @typedef {Scoped & {type: 'message.created', message: Message, sender: User, sender_read_seq: number}} MessageCreated
 * @typedef {Scoped & {type: 'conversation.created', conversation: Conversation}} ConversationCreated
 * @typedef {Scoped & {
 *   type: 'conversation.updated', title: string|null, context: Context|null, members: Member[]
 * }} ConversationUpdated
 * @typedef {Scoped & {
 *   type: 'member.updated', members: Member[], member_count: number, unread: number|null
 * }} MembersUpdated
 * @typedef {Scoped & {type: 'marker.updated'} & Marker} MarkerUpdated
 * @typedef {Scoped & {type: 'me.updated', me: Me}} MeUpdated
 * @typedef {{type: 'scope.changed', scope: string, version: number}} ScopeChanged
 * @typedef {MessageCreated|ConversationCreated|ConversationUpdated|MembersUpdated|MarkerUpdated|MeUpdated} PlacedEvent
 * @typedef {PlacedEvent|ScopeChanged} Event
 *
 * @typedef {{
 *   client_id: string, user?: number, role?: string, group?: {title: string, users: number[]},
 *   context?: {type: string, id: string}
 * }} Open
 * @typedef {{type: 'session.resume', user: number, cursor?: string}} ResumeCommand
 * @typedef {ResumeCommand
 *   | {type: 'conversation.list', before?: number, limit?: number}
 *   | {type: 'conversation.get', conversation: number}
 *   | {type: 'conversation.changes', conversation: number, since: number}
 *   | ({type: 'conversation.open'} & Open)
 *   | {type: 'conversation.show', conversations: number[]}
 *   | {type: 'conversation.mark', conversation: number, delivered?: number, read?: number}
 *   | {type: 'member.add', conversation: number, users: number[]}
 *   | {type: 'member.remove', conversation: number, user: number}
 *   | {type: 'message.send', conversation: number, client_id: string, text: string}
 *   | {type: 'message.cancel', client_id: string}
 *   | {type: 'message.list', conversation: number, before?: number, after?: number, limit?: number}
 *   | {type: 'me.get', since?: number}
 *   | {type: 'me.update', name: string}
 *   | {type: 'user.list', query: string, limit?: number}
 * } Command
 *
 * @typedef {{
 *   code: string, title: string, status: number, retryable: boolean, detail?: string, limit?: number,
 *   retry_after_ms?: number
 * }} ProblemBody
 */
export {};
