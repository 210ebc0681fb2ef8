/**
 * The types of messages in the outbox, for the type checker only.
 *
 * @import {Attachment, Mention, MessagePlace} from './wire.js'
 */

/**
 * The content of a message. `draft` is the version of the draft that it was. `uploads` are the `client_id`s of the uploads that it waits for, in order; `attachments` is
 * how they are shown in the meantime. With `forward`, the message at that place is forwarded, and `text` is only shown.
 * @typedef {{
 *   text: string, mentions?: Mention[], draft?: number, subject?: string, reply_to?: number, uploads?: string[], attachments?: Attachment[],
 *   forward?: MessagePlace,
 * }} Content
 *
 * What became of uploads: the ids of the finished files, in the order asked; that they are still under way (then
 * `resume` is called when they are not any more); or why one of them has failed.
 * @typedef {(uploads: string[]) => {ids: number[]} | {waits: true} | {failed: {code: string, title: string}}} UploadOutcome
 *
 * `doubt`: the server does not know some of those that were finished; `remove`: nothing needs it any more.
 * @typedef {{outcome: UploadOutcome, recheck: (uploads: string[]) => void, remove: (upload: string) => void}} OutboxFiles
 *
 * @typedef {Content & {
 *   client_id: string, conversation: number, at: number,
 *   state: 'waiting'|'sending'|'refused'|'discarding',
 *   tried: boolean,
 *   kept?: boolean,
 *   problem: {code: string, title: string, limit?: number}|null,
 * }} Item `kept`: it is on the disk, or cannot be put there; absent until that is known
 */

export {};
