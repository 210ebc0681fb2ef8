/**
 * Errors of requests: a problem that the server reports, or no answer at all.
 *
 * @import {ProblemBody} from './wire.js'
 */

/** The server refused the request, or could not handle it. */
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

/** No answer came: the outcome of the request is unknown. */
export class NoAnswer extends Error {
  /** @param {string} why */
  constructor(why) {
    super(why);
    this.name = 'Lost';
  }
}

/** Returns whether the same request may be repeated automatically. @param {unknown} error @returns {boolean} */
export function canRetry(error) {
  return error instanceof NoAnswer || (error instanceof Problem && error.retryable);
}

/** Returns whether an error means that the session of this page has ended. @param {unknown} error @returns {boolean} */
export function endsSession(error) {
  return error instanceof Problem && (error.code === 'not_signed_in' || error.code === 'wrong_user');
}
