/**
 * The types of inputs, for the type checker only. `asked` is the `turn` of the state at the time of the request.
 *
 * @import {Changes, Conversation, ConversationPage, Event, Heads, MeAnswer, Message, MessageChanged,
 *   MessagePage, MessagePlace, Sent, User} from '../wire.js'
 *
 * @typedef {{kind: 'event', event: Event}
 *   | {kind: 'heads', heads: Heads, asked: number}
 *   | {kind: 'changes', changes: Changes, asked: number, answered?: number}
 *   | {kind: 'conversation', conversation: Conversation, users?: User[], asked: number, cursor?: string, answered?: number}
 *   | {kind: 'list', page: ConversationPage, asked: number}
 *   | {kind: 'opening', conversation: number}
 *   | {kind: 'closing', conversation: number}
 *   | {kind: 'messages', conversation: number, page: MessagePage, asked: number, before?: number, after?: number}
 *   | {kind: 'quoted', conversation: number, seq: number, page: MessagePage|null, asked: number}
 *   | {kind: 'trim', conversation: number, first: number, last: number}
 *   | {kind: 'me', answer: MeAnswer, since: number|null, asked: number, answered?: number}
 *   | {kind: 'sent', sent: Sent, asked: number}
 *   | {kind: 'changed', changed: MessageChanged, asked: number}
 *   | {kind: 'hidden', place: MessagePlace, version: number}
 *   | {kind: 'users', users: User[]}
 *   | {kind: 'found', messages: Message[], first: boolean}
 *   | {kind: 'seen', messages: Message[]}
 *   | {kind: 'gone', scope: string, asked: number}
 *   | {kind: 'limits', fanOutMax: number}
 * } Input
 */
export {};
