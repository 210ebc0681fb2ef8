/**
 * What members can do to a group: change its title, picture, members and roles.
 *
 * @import {Client} from './client.js'
 * @import {Changed, Event, Members, Role} from './wire.js'
 */

export class Groups {
  /** @param {Client} client */
  constructor(client) {
    this.client = client;
  }

  /** @param {number} conversation @param {number[]} users @param {'from_joining'|'from_start'} [history] */
  async addMembers(conversation, users, history) {
    const more = history ? { history } : {};
    const command = /** @type {const} */ ({ type: 'member.add', conversation, users, ...more });
    this.#markChanged(conversation, await this.client.connection.request(command));
  }

  /** @param {number} conversation @param {number} user @param {Role} role */
  async setRole(conversation, user, role) {
    const changed = await this.client.requestWithRetry({ type: 'member.update', conversation, user, role });
    this.#markChanged(conversation, changed);
  }

  /** @param {number} conversation @param {string} title */
  async setTitle(conversation, title) {
    const changed = await this.client.requestWithRetry({ type: 'conversation.update', conversation, title });
    this.#markChanged(conversation, changed);
  }

  /** @param {number} conversation @param {Blob|null} picture null removes it */
  async setPicture(conversation, picture) {
    /** @type {Changed|null} */
    const changed = await this.client.http.setPicture(`/v1/conversations/${conversation}/picture`, picture);
    if (changed) this.#markChanged(conversation, changed);
    else void this.client.connection.refresh();
  }

  /** Loads a page of members, with their current markers. @param {number} conversation @param {string} [after]
   * @param {number} [limit] how many, as far as the server allows @returns {Promise<Members>} */
  async listMembers(conversation, after, limit) {
    /** @type {Members} */
    const page = await this.client.request({
      type: 'member.list', conversation, ...(after === undefined ? {} : { after }), ...(limit === undefined ? {} : { limit }),
    });
    this.client.sync.applyInput({ kind: 'users', users: page.members.map((one) => one.user) });
    return page;
  }

  /** @param {number} conversation @param {number} user */
  async removeMember(conversation, user) {
    const requestedAt = this.client.state.turn;
    const changed = await this.client.connection.request({ type: 'member.remove', conversation, user });
    if (user === this.client.user) this.client.sync.applyInput({ kind: 'gone', scope: `conversation:${conversation}`, requestedAt });
    else this.#markChanged(conversation, changed);
  }

  /** @param {number} conversation @param {Changed} changed */
  #markChanged(conversation, changed) {
    /** @type {Event} */
    const event = { type: 'scope.changed', scope: `conversation:${conversation}`, version: changed.version };
    this.client.sync.applyEvent(event);
  }
}
