/**
 * Signing in, and what users change about themselves.
 *
 * @import {Client} from './client.js'
 * @import {Http} from './http.js'
 * @import {Me, Session} from './wire.js'
 */
import { loadAllSessions } from './all-pages.js';

/** @param {Http} http @param {string} login @param {string} password @returns {Promise<Me>} */
export function signIn(http, login, password) {
  return http.request('POST', '/v1/session', { login, password });
}

/** @param {Http} http @param {string} login @param {string} name @param {string} password @returns {Promise<Me>} */
export function signUp(http, login, name, password) {
  return http.request('POST', '/v1/users', { login, name, password });
}

export class Account {
  /** @param {Client} client */
  constructor(client) {
    this.client = client;
    this.http = client.http;
  }

  /** @param {{name?: string, receipts?: boolean, presence?: boolean}} settings */
  async update(settings) {
    await this.client.requestWithRetry({ type: 'me.update', ...settings });
    await this.client.sync.loadMe();
  }

  /** @param {Blob|null} picture null removes it */
  async setPicture(picture) {
    await this.http.setPicture('/v1/me/picture', picture);
    await this.client.sync.loadMe();
  }

  /** @param {string} current @param {string} password */
  async setPassword(current, password) {
    await this.http.request('PUT', '/v1/me/password', { current, new: password });
  }

  /** Loads all sessions, the newest first. @returns {Promise<Session[]>} */
  sessions() {
    return loadAllSessions((after) =>
      this.http.request('GET', `/v1/me/sessions${after === undefined ? '' : `?${new URLSearchParams({ after })}`}`));
  }

  /** @param {number} id */
  async endSession(id) {
    await this.http.request('DELETE', `/v1/me/sessions/${id}`);
  }
}
