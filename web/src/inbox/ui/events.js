/**
 * The events by which elements report what the user did: their names, their details, and how to send and receive them.
 * They bubble, so any ancestor can listen.
 *
 * @import {Filters} from '../../sdk/search.js'
 * @import {Me, Mention, MessagePlace, User} from '../../sdk/wire.js'
 * @import {ListFilter} from '../view/conversations.js'
 */

/**
 * @typedef {HTMLElement & {readonly seq: number}} MessageElement
 * @typedef {{text: string, reply?: number, mentions?: Mention[], draft?: number}} Restored what is written again: `reply`
 *   is the message that it replied to, `draft` the version of the draft that it was
 * @typedef {{element: MessageElement, at: DOMRect|{x: number, y: number}, back: HTMLElement}} MessageTarget where a menu of
 *   a message opens, and what gets the focus when it closes
 * @typedef {{quiet?: boolean, keep?: boolean}} JumpOptions `quiet`: the message is not highlighted, and a neighbour will
 *   do; `keep`: it is the current position, which has to be loaded again
 * @typedef {'person'|'conversation'|'about'|'date'} FilterName
 * @typedef {undefined} None
 *
 * @typedef {{
 *   'parlor-signed-in': {me: Me},
 *   'parlor-sign-out': None,
 *   'parlor-reconnect': None,
 *   'parlor-focus-lost': None,
 *   'parlor-open': {id: number},
 *   'parlor-back': None,
 *   'parlor-new-conversation': None,
 *   'parlor-settings': None,
 *   'parlor-reports': None,
 *   'parlor-members': None,
 *   'parlor-more-conversations': None,
 *   'parlor-filter': ListFilter,
 *   'parlor-choose-context': {at: DOMRect, back: HTMLElement, filter: ListFilter},
 *   'parlor-search-here': {id?: number},
 *   'parlor-set-search-filters': {filters: Partial<Filters>},
 *   'parlor-choose-search-filter': {filter: FilterName},
 *   'parlor-more-results': None,
 *   'parlor-retry-search': None,
 *   'parlor-end-search': None,
 *   'parlor-open-result': MessagePlace,
 *   'parlor-reload': None,
 *   'parlor-older': None,
 *   'parlor-newer': None,
 *   'parlor-latest': None,
 *   'parlor-trim': {first: number, last: number},
 *   'parlor-jump': {seq: number} & JumpOptions,
 *   'parlor-jump-to-edge': {first: boolean},
 *   'parlor-go-to-day': None,
 *   'parlor-seen': {seq: number},
 *   'parlor-message-menu': MessageTarget,
 *   'parlor-pick-reaction': MessageTarget,
 *   'parlor-react': {seq: number, emoji: string, on: boolean},
 *   'parlor-reply': {seq: number},
 *   'parlor-readers': {seq: number},
 *   'parlor-open-picture': {seq: number, file: number},
 *   'parlor-retry-send': {clientId: string},
 *   'parlor-discard': {clientId: string},
 *   'parlor-restore-message': {clientId: string},
 *   'parlor-cancel-upload': {upload: string},
 *   'parlor-send': {text: string, mentions: Mention[], reply: number|null},
 *   'parlor-save-edit': {text: string, mentions: Mention[], subject: string},
 *   'parlor-edit-changed': {text: string, mentions: Mention[], subject: string},
 *   'parlor-leave-mode': None,
 *   'parlor-edit-last': None,
 *   'parlor-reply-last': None,
 *   'parlor-focus-composer': None,
 *   'parlor-draft': {text: string, mentions: Mention[], draft?: number},
 *   'parlor-draft-subject': {subject: string|null},
 *   'parlor-restore-draft': Restored,
 *   'parlor-pick-emoji': {at: DOMRect, back: HTMLElement, choose: (emoji: string) => void},
 *   'parlor-find-members': {found: (users: User[]) => void},
 *   'parlor-use-emoji': {emoji: string},
 *   'parlor-attach': {files: File[], folders: number},
 *   'parlor-remove-upload': {clientId: string},
 *   'parlor-retry-upload': {clientId: string},
 *   'parlor-tray-emptied': None,
 *   'parlor-unblock': {user: number},
 * }} ParlorEvents
 */

/** Sends an event. @template {keyof ParlorEvents} Name @param {Element} element @param {Name} name
 * @param {ParlorEvents[Name] extends undefined ? [] : [ParlorEvents[Name]]} detail */
export function emit(element, name, ...detail) {
  element.dispatchEvent(new CustomEvent(name, { bubbles: true, detail: detail[0] }));
}

/** Calls a handler for each event that reaches an element. @param {EventTarget} target @param {{[Name in keyof
 * ParlorEvents]?: (detail: ParlorEvents[Name], event: Event) => void}} handlers @param {AbortSignal} [signal] stops
 * listening */
export function listen(target, handlers, signal) {
  for (const [name, handle] of Object.entries(handlers)) {
    const call = /** @type {(detail: unknown, event: Event) => void} */ (handle);
    target.addEventListener(name, (event) => call(/** @type {CustomEvent<unknown>} */ (event).detail, event), { signal });
  }
}
