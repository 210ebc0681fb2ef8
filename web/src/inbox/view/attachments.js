/**
 * How attachments are shown: their kind, size and name. Pure.
 *
 * @import {Message} from '../../sdk/wire.js'
 * @import {Item} from '../../sdk/outbox-item.js'
 * @import {FileView, Refusal} from '../../sdk/upload.js'
 */
import { graphemes } from './graphemes.js';
import { oneLine, preview } from './markup.js';
import { say, textOf } from './strings.js';

/**
 * @typedef {{
 *   id: number, key: string, name: string, media_type: string, bytes: number, width: number, height: number,
 *   url: string|null, preview: string|null, blur: string|null, local: Blob|null, sent: number, underWay: boolean,
 * }} AttachmentView one file of a bubble; `local` holds its bytes if this page has them
 * @typedef {'picture'|'video'|'audio'|'file'} Kind
 * @typedef {{name: string, media_type: string, width?: number, height?: number}} NamedFile
 * @typedef {{
 *   local: (id: number) => Blob|undefined, upload: (clientId: string) => FileView|undefined,
 *   draft: (conversation: number) => FileView[],
 * }} Files the files of this page: local bytes, and uploads in progress
 */

/** The largest size of a single picture, and the limits of its aspect ratio. */
const PICTURE_PX = 280;
const TALLEST = 3 / 4;
const WIDEST = 16 / 9;
/** A tiny picture stays large enough to touch. */
const LEAST_PX = 96;
const UNITS = /** @type {const} */ (['B', 'KB', 'MB', 'GB']);
const PICTURES = /^image\/(?:jpeg|png|gif|webp|avif|bmp|apng)$/u;
const VIDEOS = /^video\/(?:mp4|webm|ogg|quicktime)$/u;
const AUDIOS = /^audio\/(?:mpeg|mp4|aac|ogg|opus|webm|wav|wave|x-wav|flac|x-flac)$/u;

/** @param {{media_type: string, width?: number, height?: number}} file @returns {Kind} */
export function kindOf({ media_type: type, width, height }) {
  if (PICTURES.test(type) && width && height) return 'picture';
  if (VIDEOS.test(type)) return 'video';
  return AUDIOS.test(type) ? 'audio' : 'file';
}

/** Returns the files of a message. @param {Message} message @param {(id: number) => Blob|undefined} local
 * @returns {AttachmentView[]} */
export function filesOf(message, local) {
  return (message.attachments ?? []).map((one) => ({
    id: one.id, key: String(one.id), name: cleanFileName(one.name), media_type: one.media_type, bytes: one.bytes,
    width: one.width ?? 0, height: one.height ?? 0, url: one.url, preview: one.preview ?? null,
    blur: one.blur_hash ?? null, local: local(one.id) ?? null, sent: one.bytes, underWay: false,
  }));
}

/** Returns the files of a pending message. @param {Item} item @param {(clientId: string) => FileView|undefined} upload
 * @returns {AttachmentView[]} */
export function pendingFiles({ client_id, uploads = [], attachments = [] }, upload) {
  return attachments.map((one, index) => {
    const key = uploads[index] ?? `${client_id}:${index}`;
    const view = upload(key);
    const done = view?.attachment ?? null;
    return {
      id: done?.id ?? 0, key, name: cleanFileName(one.name), media_type: one.media_type, bytes: one.bytes,
      width: one.width ?? view?.width ?? 0, height: one.height ?? view?.height ?? 0, url: null, preview: null,
      blur: null, local: view?.file ?? null, sent: view?.sent ?? 0, underWay: !done && view?.state !== 'refused',
    };
  });
}

/** Returns the grid for a number of pictures: its name, how many are drawn, and how many are left out.
 * @param {number} count @returns {{shape: 'one'|'two'|'three'|'four', drawn: number, rest: number}} */
export function gridOf(count) {
  const drawn = Math.min(count, 4);
  const shape = /** @type {const} */ (['one', 'one', 'two', 'three', 'four'])[drawn];
  return { shape, drawn, rest: count > 4 ? count - 4 : 0 };
}

/** Returns the frame of a single picture, which is known before the picture loads.
 * @param {{width: number, height: number}} picture @returns {{width: number, ratio: number}} */
export function frameOf({ width, height }) {
  const ratio = Math.min(WIDEST, Math.max(TALLEST, width / height));
  const most = ratio >= 1 ? PICTURE_PX : PICTURE_PX * ratio;
  const natural = Math.min(width, height * ratio);
  return { width: Math.round(Math.min(most, Math.max(natural, LEAST_PX * Math.max(1, ratio)))), ratio };
}

/** For example "3.4 MB". @param {number} bytes @returns {string} */
export function sizeOf(bytes) {
  const { number, unit } = formatSize(bytes);
  return `${number} ${unit}`;
}

/** For example "1.2 of 3.4 MB". @param {number} sent @param {number} bytes @returns {string} */
export function progressOf(sent, bytes) {
  const all = formatSize(bytes);
  return say.sentOf(formatSize(sent, all.step).number, `${all.number} ${all.unit}`);
}

/** @param {number} bytes @param {number} [as] @returns {{number: string, unit: string, step: number}} */
function formatSize(bytes, as) {
  let step = as ?? 0;
  if (as === undefined) while (step < UNITS.length - 1 && bytes >= 1000 * 1024 ** step) step += 1;
  const value = bytes / 1024 ** step;
  const digits = step > 1 && value < 10 ? 1 : 0;
  const number = new Intl.NumberFormat(say.locale, { maximumFractionDigits: digits }).format(value);
  return { number, unit: say.units[UNITS[step]], step };
}

/** For example "PDF, 182 KB". @param {{name: string, media_type: string, bytes: number}} file @returns {string} */
export function describe(file) {
  return `${typeName(file)}, ${sizeOf(file.bytes)}`;
}

/** Returns the file type in one word: the extension, unless the media type says otherwise.
 * @param {{name: string, media_type: string}} file @returns {string} */
function typeName({ name, media_type: type }) {
  const end = /\.([a-z0-9]{1,5})$/iu.exec(name)?.[1]?.toUpperCase();
  if (type === 'application/pdf') return 'PDF';
  return end ?? say.kinds[/** @type {Kind} */ (kindOfMediaType(type))];
}

/** @param {string} type @returns {Kind} */
function kindOfMediaType(type) {
  const [word] = type.split('/');
  if (word === 'image') return 'picture';
  return word === 'video' || word === 'audio' ? word : 'file';
}

/** Removes the characters that reverse text or break lines, which could make one file look like another.
 * @param {string} name @returns {string} */
export function cleanFileName(name) {
  return name.replace(/[\p{Cc}\u200E\u200F\u061C\u202A-\u202E\u2066-\u2069\u2028\u2029]/gu, '') || say.kinds.file;
}

/** Splits a name into two parts. Only the first may be truncated, because the end shows the file type.
 * @param {string} name @returns {[string, string]} */
export function splitFileName(name) {
  const signs = graphemes(name);
  const tail = Math.min(10, Math.floor(signs.length / 2));
  return [signs.slice(0, signs.length - tail).join(''), signs.slice(signs.length - tail).join('')];
}

/** Returns a message as one line: its text, or a description of its attachments.
 * @param {{text: string, subject?: string, attachments?: NamedFile[]}} message
 * @returns {{text: string, sign: 'picture'|'file'|null}} */
export function previewContent({ text, subject, attachments = [] }) {
  const pictures = attachments.filter((one) => kindOf(one) === 'picture').length;
  const sign = attachments.length === 0 ? null : pictures === attachments.length ? 'picture' : 'file';
  const words = [oneLine(subject ?? ''), preview(text)].filter((one) => one !== '').join(': ');
  if (words !== '' || attachments.length === 0) return { text: words, sign };
  if (sign === 'picture') return { text: say.photos(pictures), sign };
  if (attachments.length === 1) return { text: cleanFileName(attachments[0].name), sign };
  return { text: say.files(attachments.length), sign };
}

/** Returns why a file was refused. @param {Refusal} problem @param {number} bytes @returns {string} */
export function refusalText({ code, limit }, bytes) {
  if (code === 'too_large' && limit) return say.fileTooLarge(sizeOf(bytes), sizeOf(limit));
  if (code === 'too_many_files' && limit) return say.tooManyFiles(limit);
  return textOf(say.fileRefused, code) ?? say.fileRefusedElse;
}

/** Returns whether a retry can help. @param {Refusal} problem @returns {boolean} */
export function canRetry({ code }) {
  return !['too_large', 'too_many_files', 'file_empty', 'file_gone', 'unsupported_type'].includes(code);
}
