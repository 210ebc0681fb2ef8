/**
 * What members can do to a group: change its title, picture, members and roles.
 *
 * @import {Http} from './http.js'
 * @import {Sync} from './sync.js'
 * @import {Changed, Command, Event, Members, Role} from './wire.js'
 */

export class Groups {
  /** @param {{
   *   user: number, http: Http, sync: Sync, request: (command: Command) => Promise<any>,
   *   requestWithRetry: (command: Command) => Promise<any>, refresh: () => void,
   * }} parts */
  constructor({ user, http, sync, request, requestWithRetry, refresh }) {
    this.user = user;
    this.http = http;
    this.sync = sync;
    this.request = request;
    this.requestWithRetry = requestWithRetry;
    this.refresh = refresh;
  }

  /** @param {number} conversation @param {number[]} users @param {'from_joining'|'from_start'} [history] */
  async addMembers(conversation, users, history) {
    const more = history ? { history } : {};
    this.#markChanged(conversation, await this.request({ type: 'member.add', conversation, users, ...more }));
  }

  /** @param {number} conversation @param {number} user @param {Role} role */
  async setRole(conversation, user, role) {
    this.#markChanged(conversation, await this.requestWithRetry({ type: 'member.update', conversation, user, role }));
  }

  /** @param {number} conversation @param {string} title */
  async setTitle(conversation, title) {
    this.#markChanged(conversation, await this.requestWithRetry({ type: 'conversation.update', conversation, title }));
  }

  /** @param {number} conversation @param {Blob|null} picture null removes it */
  async setPicture(conversation, picture) {
    const changed = await this.http.setGroupPicture(conversation, picture);
    if (changed) this.#markChanged(conversation, changed);
    else this.refresh();
  }

  /** Loads a page of members, with their current markers. @param {number} conversation @param {string} [after]
   * @returns {Promise<Members>} */
  async listMembers(conversation, after) {
    /** @type {Members} */
    const page = await this.request({
      type: 'member.list', conversation, ...(after === undefined ? {} : { after }),
    });
    this.sync.applyInput({ kind: 'users', users: page.members.map((one) => one.user) });
    return page;
  }

  /** @param {number} conversation @param {number} user */
  async removeMember(conversation, user) {
    const asked = this.sync.state.turn;
    const changed = await this.request({ type: 'member.remove', conversation, user });
    if (user === this.user) this.sync.applyInput({ kind: 'gone', scope: `conversation:${conversation}`, asked });
    else this.#markChanged(conversation, changed);
  }

  /** @param {number} conversation @param {Changed} changed */
  #markChanged(conversation, changed) {
    /** @type {Event} */
    const event = { type: 'scope.changed', scope: `conversation:${conversation}`, version: changed.version };
    this.sync.applyEvent(event);
  }
}
