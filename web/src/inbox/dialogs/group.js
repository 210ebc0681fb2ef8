/**
 * The group dialog: the group's name, picture, members and roles. It stays up to date while it is open.
 *
 * Owners can do everything; moderators add and remove members and rename the group; every member can leave.
 *
 * @import {Client} from '../../sdk/client.js'
 * @import {Conversation, Member, Role, User} from '../../sdk/wire.js'
 * @import {Dot} from '../view/presence.js'
 */
import { Groups } from '../../sdk/groups.js';
import { Problem } from '../../sdk/problem.js';
import { openConfirmDialog, openDialog } from '../ui/dialog.js';
import { followValue, h, updateKeyed, setAttribute, setText } from '../ui/dom.js';
import { avatar, avatarKey } from '../ui/avatar.js';
import { icon } from '../ui/icons.js';
import { hintOf, openUserPicker } from './new-conversation.js';
import { dialogSay } from '../view/dialog-strings.js';
import { say } from '../view/strings.js';
import { nameError } from '../view/name-rules.js';
import { changeError, pictureError } from '../view/error-text.js';

/**
 * @typedef {{
 *   conversation: Conversation, faces: User[], known: (user: User) => User, dot: (user: number) => Dot,
 * }} GroupView
 * @typedef {{member: Member, user: User, dot: Dot, isMe: boolean, may: {role: boolean, remove: boolean}}} PersonView
 */

const ROLES = /** @type {Role[]} */ (['owner', 'moderator', 'member']);

export class GroupDialog {
  #avatarSlot = h('span', { class: 'avatar-slot' });
  #drawnFace = '';
  #name = h('input', { autocomplete: 'off', 'aria-label': dialogSay.groupName, maxlength: 200 });
  /** Follows renames by others, unless the user has written another name. */
  #named = followValue(this.#name);
  #save = h('button', { class: 'button', type: 'submit' }, say.save);
  #naming = h('form', {
    class: 'beside', novalidate: true, onsubmit: (/** @type {Event} */ event) => void this.#rename(event),
  }, h('label', { class: 'field' }, dialogSay.groupName, this.#name), this.#save);
  #file = h('input', {
    type: 'file', accept: 'image/png,image/jpeg,image/webp', hidden: true, 'aria-label': dialogSay.choosePicture,
    onchange: () => void this.#choose(),
  });
  #remove = h('button', { class: 'button plain', type: 'button', onclick: () => void this.#picture(null) },
    dialogSay.removePicture);
  #pictures = h('div', { class: 'group-head' }, this.#avatarSlot, h('div', { class: 'buttons' },
    h('button', { class: 'button', type: 'button', onclick: () => this.#file.click() }, dialogSay.choosePicture),
    this.#remove, this.#file));
  #count = h('h3', {});
  #people = h('ul', { class: 'readers members' });
  #more = h('button', { class: 'button plain', type: 'button', hidden: true, onclick: () => void this.#next() },
    dialogSay.showMore);
  #why = h('p', { class: 'why', role: 'alert', hidden: true });
  #add = h('button', { class: 'button', type: 'button', onclick: () => this.#pick() }, icon('plus', { small: true }),
    dialogSay.addPeople);
  /** The loaded members of a large group. @type {Member[]} */
  #pages = [];
  /** @type {string|null|undefined} */
  #after;
  /** @type {GroupView} */
  #view;

  /** @param {HTMLElement} host @param {Client} client @param {GroupView} view @param {() => void} left */
  constructor(host, client, view, left) {
    this.host = host;
    this.client = client;
    this.groups = new Groups(client);
    this.left = left;
    this.#view = view;
    const leave = h('button', { class: 'button warn', type: 'button', onclick: () => this.#leave() }, dialogSay.leaveGroup);
    this.dialog = openDialog(host, dialogSay.group, this.#pictures, this.#naming, this.#count, this.#people, this.#more,
      this.#why, h('footer', {}, this.#add, leave));
    this.dialog.classList.add('group');
    this.update(view);
    if (this.#isLarge()) void this.#next();
  }

  get id() {
    return this.#view.conversation.id;
  }

  get isOpen() {
    return this.dialog.isConnected;
  }

  close() {
    this.dialog.close();
  }

  #isLarge() {
    const { conversation } = this.#view;
    return conversation.member_count > conversation.members.length;
  }

  /** @param {GroupView} view */
  update(view) {
    this.#view = view;
    const { conversation } = view;
    const mine = conversation.members.find((one) => one.user.id === this.client.user);
    const role = mine?.role ?? 'member';
    const leads = role !== 'member';
    const key = (conversation.picture ?? '') + avatarKey(view.faces);
    if (key !== this.#drawnFace) {
      this.#drawnFace = key;
      this.#avatarSlot.replaceChildren(avatar(view.faces, { size: 72, pair: true, picture: conversation.picture }));
    }
    this.#pictures.classList.toggle('only-avatar', !leads);
    this.#remove.hidden = !conversation.picture;
    this.#named(conversation.title ?? '');
    setAttribute(this.#name, 'readonly', !leads);
    this.#save.hidden = !leads;
    this.#add.hidden = !leads;
    setText(this.#count, say.people(conversation.member_count));
    updateKeyed(this.#people, this.#rows(role), (row) => String(row.user.id), () => this.#person());
    this.#more.hidden = this.#after === null || !this.#isLarge();
  }

  /** Owners first, then moderators, then members; the user first among equals. @param {Role} mine
   * @returns {PersonView[]} */
  #rows(mine) {
    const { conversation, known, dot } = this.#view;
    const members = new Map(conversation.members.map((one) => [one.user.id, one]));
    for (const one of this.#isLarge() ? this.#pages : []) if (!members.has(one.user.id)) members.set(one.user.id, one);
    const me = this.client.user;
    const rank = (/** @type {Member} */ one) => ROLES.indexOf(one.role) * 2 + (one.user.id === me ? 0 : 1);
    return [...members.values()].sort((a, b) => rank(a) - rank(b)).map((member) => ({
      member,
      user: known(member.user),
      dot: dot(member.user.id),
      isMe: member.user.id === me,
      may: {
        role: mine === 'owner' && member.user.id !== me,
        remove: member.user.id !== me && (mine === 'owner' || (mine === 'moderator' && member.role === 'member')),
      },
    }));
  }

  /** @returns {HTMLElement & {update(row: PersonView): void}} */
  #person() {
    const place = h('span', { class: 'avatar-slot' });
    const name = h('span', { class: 'one-line', dir: 'auto' });
    const you = h('span', { class: 'chip mine', hidden: true }, say.you);
    const role = h('span', { class: 'note' });
    /** @type {PersonView|null} */
    let now = null;
    const choice = h('select', {
      onchange: () => {
        const wanted = /** @type {Role} */ (choice.value);
        if (now) void this.#try(this.groups.setRole(this.id, now.user.id, wanted));
        if (now) choice.value = now.member.role;
      },
    }, ...ROLES.map((one) => h('option', { value: one }, dialogSay.roles[one])));
    const remove = h('button', {
      class: 'tool', type: 'button',
      onclick: () => { if (now) this.#removeMember(now.user); },
    }, icon('close'));
    const row = h('li', { class: 'reader' }, place, name, you, role, choice, remove);
    let drawn = '';
    return Object.assign(row, {
      update: (/** @type {PersonView} */ view) => {
        now = view;
        const key = avatarKey([view.user]) + view.dot;
        if (key !== drawn) place.replaceChildren(avatar([view.user], { size: 34, dot: view.dot }));
        drawn = key;
        setText(name, view.user.name);
        you.hidden = !view.isMe;
        choice.hidden = !view.may.role;
        choice.value = view.member.role;
        setAttribute(choice, 'aria-label', dialogSay.roleOfPerson(view.user.name));
        role.hidden = view.may.role || view.member.role === 'member';
        setText(role, dialogSay.roles[view.member.role] ?? view.member.role);
        remove.hidden = !view.may.remove;
        setAttribute(remove, 'aria-label', dialogSay.remove(view.user.name));
        setAttribute(remove, 'title', dialogSay.remove(view.user.name));
      },
    });
  }

  /** The next page of a large group. */
  async #next() {
    await this.#try(this.groups.listMembers(this.id, this.#after ?? undefined).then((page) => {
      this.#pages.push(...page.members);
      this.#after = page.next;
      this.update(this.#view);
    }));
  }

  /** @param {User} user */
  #removeMember(user) {
    openConfirmDialog(this.host, {
      title: dialogSay.removeQuestion(user.name), more: dialogSay.removeMore, keep: dialogSay.keepPerson, act: dialogSay.remove(user.name),
      then: () => void this.#try(this.groups.removeMember(this.id, user.id).then(() => {
        this.#pages = this.#pages.filter((one) => one.user.id !== user.id);
        this.update(this.#view);
      })),
    });
  }

  /** @param {Event} event */
  async #rename(event) {
    event.preventDefault();
    const title = this.#name.value.trim();
    const trouble = title === '' ? dialogSay.groupNeedsName : nameError(title);
    if (trouble !== '') {
      this.#tell(trouble);
      return;
    }
    this.#save.disabled = true;
    setText(this.#save, dialogSay.saving);
    const done = await this.#try(this.groups.setTitle(this.id, title));
    this.#save.disabled = false;
    setText(this.#save, done ? dialogSay.saved : say.save);
    if (done) setTimeout(() => setText(this.#save, say.save), 2_000);
  }

  #choose() {
    const [file] = this.#file.files ?? [];
    this.#file.value = '';
    return file ? this.#picture(file) : Promise.resolve();
  }

  /** @param {Blob|null} picture */
  async #picture(picture) {
    await this.#try(this.groups.setPicture(this.id, picture), (problem) => pictureError(problem, picture));
  }

  #pick() {
    const { conversation } = this.#view;
    const history = h('select', { 'aria-label': dialogSay.newcomersSee },
      h('option', { value: 'from_joining' }, dialogSay.seeFromJoining), h('option', { value: 'from_start' }, dialogSay.seeAll));
    openUserPicker(this.host, {
      title: dialogSay.addPeople,
      people: (query) => this.client.findUsers(query),
      without: new Set([...conversation.members, ...this.#pages].map((one) => one.user.id)),
      groups: false,
      hint: hintOf(this.client.limits),
      action: () => dialogSay.add,
      more: h('label', { class: 'field' }, dialogSay.newcomersSee, history),
      done: (users) => this.groups.addMembers(this.id, users.map((one) => one.id),
        history.value === 'from_start' ? 'from_start' : 'from_joining'),
    });
  }

  #leave() {
    const { title } = this.#view.conversation;
    openConfirmDialog(this.host, {
      title: dialogSay.leaveQuestion(title ?? ''), more: dialogSay.leaveMore, keep: dialogSay.stay, act: dialogSay.leaveGroup,
      then: () => void this.#try(this.groups.removeMember(this.id, this.client.user).then(() => {
        this.close();
        this.left();
      })),
    });
  }

  /** Shows here what failed. @param {Promise<unknown>} doing @param {(problem: Problem|null) => string} [words]
   * @returns {Promise<boolean>} whether it succeeded */
  async #try(doing, words) {
    this.#why.hidden = true;
    try {
      await doing;
      return true;
    } catch (error) {
      const problem = error instanceof Problem ? error : null;
      const refused = problem?.code === 'not_allowed' ? dialogSay.notAllowedHere : changeError(error);
      this.#tell(words ? words(problem) : refused);
      return false;
    }
  }

  /** @param {string} words */
  #tell(words) {
    this.#why.replaceChildren(icon('alert', { small: true }), words);
    this.#why.hidden = false;
  }
}
