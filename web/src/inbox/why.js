/**
 * Why something did not work, in words for people. What the server refused is told apart from its not answering.
 */
import { Problem } from '../sdk/problem.js';
import { linkReasons, refusals } from './reasons.js';
import { say } from './strings.js';

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

/** Why a link opened nothing, in short and in full. @param {unknown} error @returns {[string, string]} */
export function whyNotOpened(error) {
  const told = error instanceof Problem ? linkReasons[error.code] : undefined;
  return told ?? [say.openFailed, whyOf(error)];
}
