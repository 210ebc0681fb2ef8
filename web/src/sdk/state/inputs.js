/**
 * The types of inputs, for the type checker only. `requestedAt` is the `turn` of the state at the time of the request.
 *
 * @import {Changes, Conversation, ConversationPage, Event, Heads, MeAnswer, Message, MessageChanged,
 *   MessagePage, MessagePlace, Report, ReportPage, ReportState, Sent, User} from '../wire.js'
 *
 * @typedef {{kind: 'event', event: Event}
 *   | {kind: 'heads', heads: Heads, requestedAt: number}
 *   | {kind: 'changes', changes: Changes, requestedAt: number, answered?: number}
 *   | {kind: 'conversation', conversation: Conversation, users?: User[], requestedAt: number, cursor?: string, answered?: number}
 *   | {kind: 'list', page: ConversationPage, requestedAt: number}
 *   | {kind: 'opening', conversation: number}
 *   | {kind: 'closing', conversation: number}
 *   | {kind: 'messages', conversation: number, page: MessagePage, requestedAt: number, before?: number, after?: number}
 *   | {kind: 'quoted', conversation: number, seq: number, page: MessagePage|null, requestedAt: number}
 *   | {kind: 'trim', conversation: number, first: number, last: number}
 *   | {kind: 'me', answer: MeAnswer, since: number|null, requestedAt: number, answered?: number}
 *   | {kind: 'totals'}
 *   | {kind: 'sent', sent: Sent, requestedAt: number}
 *   | {kind: 'changed', changed: MessageChanged, requestedAt: number}
 *   | {kind: 'hidden', place: MessagePlace, version: number}
 *   | {kind: 'users', users: User[]}
 *   | {kind: 'reports', list: ReportState, page: ReportPage, after?: string, requestedAt: number}
 *   | {kind: 'report', report: Report}
 *   | {kind: 'found', messages: Message[], first: boolean}
 *   | {kind: 'seen', messages: Message[]}
 *   | {kind: 'gone', scope: string, requestedAt: number}
 *   | {kind: 'limits', fanOutMax: number}
 * } Input
 */
export {};
