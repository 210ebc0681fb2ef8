/**
 * Error texts for users. A refusal by the server differs from a missing answer.
 */
import { Problem } from '../../sdk/problem.js';
import { sizeOf } from './attachments.js';
import { say, sentences, textOf } from './strings.js';

/** The codes that blame the picture itself. */
const PICTURE_CODES = ['too_large', 'unsupported_type'];

/** A longer wait is more than a moment. */
const LONG_WAIT_MS = 60_000;

/** Returns "in 40 minutes". @param {Problem} error @returns {string} */
function waitOf({ retryAfterMs = 0 }) {
  const minutes = Math.ceil(retryAfterMs / 60_000);
  const format = new Intl.RelativeTimeFormat(say.locale);
  return minutes < 60 ? format.format(minutes, 'minute') : format.format(Math.ceil(minutes / 60), 'hour');
}

/** Returns the reason of an error as one sentence. @param {unknown} error @returns {string} */
export function errorText(error) {
  if (!(error instanceof Problem)) return say.noAnswer;
  if (error.code === 'too_many') {
    return (error.retryAfterMs ?? 0) < LONG_WAIT_MS ? say.tooMuch : say.tooOften(waitOf(error));
  }
  if (error.retryable || error.status >= 500) return say.cannotNow;
  return textOf(say.refusals, error.code) ?? say.refusalElse;
}

/** @param {unknown} error @returns {string} */
export function changeError(error) {
  return sentences(say.changeFailed, errorText(error));
}

/** Returns why a picture was not changed. It blames the picture only if the server does. @param {unknown} error
 * @param {Blob|null} picture null for a removal @returns {string} */
export function pictureError(error, picture) {
  if (!picture || !(error instanceof Problem) || !PICTURE_CODES.includes(error.code)) return changeError(error);
  return error.code === 'too_large' ? say.pictureTooLarge(sizeOf(picture.size)) : say.pictureRefused;
}

/** Returns why a link opened nothing. @param {unknown} error @returns {{title: string, more: string}} */
export function openError(error) {
  const reason = error instanceof Problem ? textOf(say.linkReasons, error.code) : undefined;
  return reason ?? { title: say.openFailed, more: errorText(error) };
}
