/**
 * Why something did not work, in words for people. What the server refused is told apart from its not answering.
 */
import { Problem } from '../../sdk/problem.js';
import { linkReasons, refusals } from './refusal-text.js';
import { say } from './strings.js';

/** With these the server says that it is the picture. */
const PICTURE_CODES = ['too_large', 'unsupported_type'];

/** One sentence. @param {unknown} error @returns {string} */
export function whyOf(error) {
  if (!(error instanceof Problem)) return say.noAnswer;
  if (error.code === 'too_many') return say.tooMuch;
  if (error.retryable || error.status >= 500) return say.cannotNow;
  return refusals[error.code] ?? error.message;
}

/** @param {unknown} error @returns {string} */
export function notChanged(error) {
  return `${say.changeFailed} ${whyOf(error)}`;
}

/** Why a picture was not changed: the fault is the picture's only where the server says so.
 * @param {unknown} error @param {Blob|null} picture none was to take it away @returns {string} */
export function pictureTrouble(error, picture) {
  if (!picture || !(error instanceof Problem) || !PICTURE_CODES.includes(error.code)) return notChanged(error);
  return error.code === 'too_large' ? say.pictureTooLarge(say.size(picture.size)) : say.pictureRefused;
}

/** Why a link opened nothing, in short and in full. @param {unknown} error @returns {[string, string]} */
export function whyNotOpened(error) {
  const told = error instanceof Problem ? linkReasons[error.code] : undefined;
  return told ?? [say.openFailed, whyOf(error)];
}
