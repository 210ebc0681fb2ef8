/**
 * What can come back instead of an answer: a problem, which is the server's word, or nothing at all.
 *
 * @import {ProblemBody} from './wire.js'
 */

/** The server refused, or could not. */
export class Problem extends Error {
  /** @param {ProblemBody} body */
  constructor(body) {
    super(body.title);
    this.name = 'Problem';
    this.code = body.code;
    this.status = body.status;
    this.retryable = body.retryable;
    this.limit = body.limit;
    this.retryAfterMs = body.retry_after_ms;
  }
}

/** No answer came: whether it happened is not known. */
export class NoAnswer extends Error {
  /** @param {string} why */
  constructor(why) {
    super(why);
    this.name = 'Lost';
  }
}

/** Whether the same request may be tried again by itself. @param {unknown} error @returns {boolean} */
export function canRetry(error) {
  return error instanceof NoAnswer || (error instanceof Problem && error.retryable);
}

/** Whether it says that the sign-in of this page is over. @param {unknown} error @returns {boolean} */
export function endsSession(error) {
  return error instanceof Problem && (error.code === 'not_signed_in' || error.code === 'wrong_user');
}
