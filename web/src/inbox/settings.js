/**
 * The user's settings: name and picture, appearance, password, and sessions.
 *
 * @import {Client} from '../sdk/client.js'
 * @import {Me, Session, Site} from '../sdk/wire.js'
 */
import { Account } from '../sdk/account.js';
import { Problem } from '../sdk/problem.js';
import { languageOf } from './languages/language.js';
import { LANGUAGES } from './languages/names.js';
import { field } from './sign-in.js';
import { BlockedSettings } from './settings-blocked.js';
import { KeyboardSettings } from './settings-keyboard.js';
import { NoticesSettings } from './settings-notices.js';
import { followValue, h, setAttribute, setText } from './ui/dom.js';
import { avatar, avatarKey } from './ui/avatar.js';
import { shortTime } from './view/format.js';
import { truncate } from './view/graphemes.js';
import { icon } from './ui/icons.js';
import { choice, onOff, part } from './ui/settings-parts.js';
import { dialogSay } from './view/dialog-strings.js';
import { say, sentences } from './view/strings.js';
import { changeError, pictureError, errorText } from './view/error-text.js';
import { backButton } from './thread/thread.js';
import { nameError } from './view/name-rules.js';
import { emit } from './ui/events.js';

/** `before-paint.js` reads it. */
const LANGUAGE_KEY = 'parlor-language';
const THEMES = /** @type {const} */ (['system', 'light', 'dark']);

export class ParlorSettings extends HTMLElement {
  #title = h('h2', { class: 'one-line', tabindex: -1 }, dialogSay.settings);
  #avatarSlot = h('span', { class: 'avatar-slot' });
  #drawnFace = '';
  #name = field(dialogSay.name, { autocomplete: 'name' });
  #named = followValue(this.#name.input);
  #saveName = h('button', { class: 'button', type: 'submit' }, say.save);
  #file = h('input', {
    type: 'file', accept: 'image/png,image/jpeg,image/webp', hidden: true, 'aria-label': dialogSay.choosePicture,
    onchange: () => void this.#upload(),
  });
  #removePicture = h('button', {
    class: 'button plain', type: 'button', onclick: () => void this.#picture(null),
  }, dialogSay.removePicture);
  #pictureNote = h('p', { class: 'note', role: 'status' }, dialogSay.pictureHint);
  #receipts = onOff(dialogSay.receipts, dialogSay.receiptsMore, (on) => void this.#set({ receipts: on }));
  #presence = onOff(dialogSay.presence, dialogSay.presenceMore, (on) => void this.#set({ presence: on }));
  #privacyNote = h('p', { class: 'why', role: 'alert', hidden: true });
  #notices = new NoticesSettings();
  #keyboard = new KeyboardSettings();
  #blocked = new BlockedSettings();
  #current = field(dialogSay.currentPassword, { type: 'password', autocomplete: 'current-password' });
  #next = field(dialogSay.newPassword, { type: 'password', autocomplete: 'new-password' });
  #passwordNote = h('p', { class: 'note good', role: 'status', hidden: true });
  #savePassword = h('button', { class: 'button', type: 'submit' }, dialogSay.changePassword);
  #sessions = h('ul', { class: 'sessions' });
  #sessionsNote = h('p', { class: 'note', role: 'status', hidden: true });
  #signOut = h('button', {
    class: 'button warn', type: 'button', onclick: () => emit(this, 'parlor-sign-out'),
  }, dialogSay.signOut);
  #signOutLink = h('a', { class: 'button warn', hidden: true }, dialogSay.signOut);
  /** @type {HTMLElement|null} */
  #passwordPart = null;
  /** People have accounts here, so that sessions can be ended here. */
  #accounts = true;
  #outNote = h('p', { class: 'why', role: 'alert', hidden: true });
  #login = h('p', { class: 'note' });
  /** A setting is being saved; its old value is not shown again in the meantime. */
  #setting = false;
  /** @type {Client|null} */
  client = null;
  /** @type {Account|null} */
  account = null;

  connectedCallback() {
    if (this.firstChild) return;
    this.className = 'thread settings';
    setAttribute(this, 'role', 'region');
    setAttribute(this, 'aria-label', dialogSay.settings);
    const choose = h('button', {
      class: 'button', type: 'button', onclick: () => this.#file.click(),
    }, dialogSay.choosePicture);
    this.append(
      h('div', { class: 'thread-head' }, backButton(this), h('div', { class: 'person' }, this.#title)),
      h('div', { class: 'pages', tabindex: -1 },
        part(dialogSay.profile,
          h('div', { class: 'portrait' }, this.#avatarSlot, h('div', {},
            h('div', { class: 'buttons' }, choose, this.#removePicture, this.#file), this.#pictureNote)),
          h('form', {
            class: 'beside', novalidate: true, onsubmit: (/** @type {Event} */ event) => void this.#rename(event),
          }, this.#name.box, this.#saveName)),
        part(dialogSay.appearance, themeChoice()),
        part(dialogSay.language, languageChoice(), h('p', { class: 'note' }, dialogSay.languageMore)),
        this.#notices.part,
        this.#keyboard.part,
        part(dialogSay.privacy, this.#receipts.box, this.#presence.box, this.#privacyNote),
        this.#blocked.part,
        this.#passwordPart = part(dialogSay.password, h('form', {
          class: 'stack', novalidate: true, onsubmit: (/** @type {Event} */ event) => void this.#changePassword(event),
        }, this.#current.box, this.#next.box, this.#savePassword, this.#passwordNote)),
        part(dialogSay.sessions, this.#sessions, this.#sessionsNote),
        h('section', { class: 'part last' }, this.#login, this.#signOut, this.#signOutLink, this.#outNote)));
  }

  /** Shows the page, and loads what it shows. @param {Client} client */
  show(client) {
    this.client = client;
    this.account = new Account(client);
    this.#notices.show(client);
    this.#keyboard.show(client);
    this.#blocked.show(client);
    this.#passwordNote.hidden = this.#outNote.hidden = true;
    setText(this.#pictureNote, dialogSay.pictureHint);
    void client.http.site().then((site) => this.#suit(site), () => {});
    void this.#loadSessions();
  }

  /** Shows only what people can do here who sign in elsewhere. @param {Site} site */
  #suit(site) {
    this.#accounts = site.accounts;
    if (this.#passwordPart) this.#passwordPart.hidden = !site.accounts;
    this.#saveName.parentElement?.toggleAttribute('hidden', !site.accounts);
    this.#signOut.hidden = !site.accounts;
    this.#signOutLink.hidden = site.accounts || !site.sign_out_url;
    if (site.sign_out_url) this.#signOutLink.href = site.sign_out_url;
    void this.#loadSessions();
  }

  focusHead() {
    this.#title.focus();
  }

  /** @param {unknown} error */
  signOutFailed(error) {
    this.#outNote.hidden = false;
    this.#outNote.replaceChildren(icon('alert', { small: true }), sentences(dialogSay.signOutFailed, errorText(error)));
  }

  /** @param {Me|null} me */
  update(me) {
    if (!me) return;
    if (this.client) this.#blocked.update(this.client.state.blocks);
    const key = avatarKey([me]);
    if (key !== this.#drawnFace) {
      this.#drawnFace = key;
      this.#avatarSlot.replaceChildren(avatar([me], { size: 72 }));
    }
    this.#named(me.name);
    this.#removePicture.hidden = !me.picture;
    if (!this.#setting) {
      this.#receipts.input.checked = me.receipts;
      this.#presence.input.checked = me.presence;
    }
    setText(this.#login, dialogSay.signedInAs(me.login));
  }

  /** @param {{receipts?: boolean, presence?: boolean}} settings */
  async #set(settings) {
    this.#setting = true;
    this.#privacyNote.hidden = true;
    try {
      await this.account?.update(settings);
    } catch (error) {
      const refused = error instanceof Problem && error.code === 'not_allowed';
      this.#privacyNote.replaceChildren(icon('alert', { small: true }), refused ? dialogSay.receiptsOff : changeError(error));
      this.#privacyNote.hidden = false;
    }
    this.#setting = false;
    this.update(this.client?.state.me ?? null);
  }

  /** @param {Event} event */
  async #rename(event) {
    event.preventDefault();
    const name = this.#name.input.value.trim();
    const trouble = nameError(name);
    if (trouble !== '') {
      this.#name.showError(trouble);
      return;
    }
    await this.#during(this.#saveName, say.save, async () => {
      await this.account?.update({ name });
      setText(this.#saveName, dialogSay.saved);
    }, (error) => this.#name.showError(changeError(error)));
  }

  #upload() {
    const [file] = this.#file.files ?? [];
    this.#file.value = '';
    return file ? this.#picture(file) : Promise.resolve();
  }

  /** @param {Blob|null} picture */
  async #picture(picture) {
    setText(this.#pictureNote, dialogSay.saving);
    try {
      await this.account?.setPicture(picture);
      setText(this.#pictureNote, dialogSay.pictureHint);
    } catch (error) {
      setText(this.#pictureNote, pictureError(error, picture));
    }
  }

  /** @param {Event} event */
  async #changePassword(event) {
    event.preventDefault();
    const empty = [this.#current, this.#next].find((one) => one.input.value === '');
    if (empty) {
      empty.showError(say.fieldEmpty);
      empty.input.focus();
      return;
    }
    const least = this.client?.limits.password_chars_min ?? 8;
    if ([...this.#next.input.value].length < least) {
      this.#next.showError(dialogSay.passwordShort(least));
      this.#next.input.focus();
      return;
    }
    this.#passwordNote.hidden = true;
    await this.#during(this.#savePassword, dialogSay.changePassword, async () => {
      await this.account?.setPassword(this.#current.input.value, this.#next.input.value);
      this.#current.input.value = this.#next.input.value = '';
      setText(this.#passwordNote, dialogSay.passwordChanged);
      this.#passwordNote.hidden = false;
      void this.#loadSessions();
    }, (error) => {
      const code = error instanceof Problem ? error.code : '';
      if (code === 'wrong_password') this.#current.showError(dialogSay.passwordWrong);
      else if (code === 'too_many') this.#current.showError(dialogSay.tooMany);
      else this.#next.showError(changeError(error));
    });
  }

  /** Runs an action; its button shows that it is waiting. @param {HTMLButtonElement} button @param {string} words
   * @param {() => Promise<void>} act @param {(error: unknown) => void} failed */
  async #during(button, words, act, failed) {
    button.disabled = true;
    setText(button, dialogSay.saving);
    try {
      await act();
      if (button.textContent === dialogSay.saving) setText(button, words);
      else setTimeout(() => setText(button, words), 2_000);
    } catch (error) {
      setText(button, words);
      failed(error);
    } finally {
      button.disabled = false;
    }
  }

  async #loadSessions() {
    try {
      const sessions = (await this.account?.sessions()) ?? [];
      this.#sessionsNote.hidden = true;
      this.#sessions.replaceChildren(...sessions.map((session) => this.#session(session)));
    } catch (error) {
      this.#sessionsNote.hidden = false;
      setText(this.#sessionsNote, sentences(dialogSay.sessionsFailed, errorText(error)));
    }
  }

  /** @param {Session} session @returns {HTMLElement} */
  #session(session) {
    const agent = agentName(session.agent);
    const seen = dialogSay.lastSeen(shortTime(Date.parse(session.seen_at), Date.now()));
    const end = h('button', {
      class: 'button', type: 'button', 'aria-label': dialogSay.endSessionOf(agent),
      onclick: async () => {
        end.disabled = true;
        try {
          await this.account?.endSession(session.id);
        } catch (error) {
          this.#sessionsNote.hidden = false;
          setText(this.#sessionsNote, changeError(error));
        }
        void this.#loadSessions();
      },
    }, dialogSay.endSession);
    return h('li', {}, h('div', {}, h('b', { class: 'one-line' }, agent), h('span', {}, seen)),
      session.current ? h('span', { class: 'chip settled' }, dialogSay.thisDevice) : this.#accounts ? end : null);
  }
}

/** @returns {HTMLElement} */
function themeChoice() {
  const now = THEMES.find((theme) => theme === document.documentElement.dataset.theme) ?? 'system';
  return choice(dialogSay.appearance, THEMES.map((theme) => [theme, dialogSay.themes[theme]]), now, setTheme);
}

/** @returns {HTMLElement} */
function languageChoice() {
  const { otherwise = '' } = document.documentElement.dataset;
  const chosen = stored(LANGUAGE_KEY);
  const select = h('select', { 'aria-label': dialogSay.language, onchange: () => chooseLanguage(select.value) },
    h('option', { value: '' }, dialogSay.languageAutomatic(LANGUAGES[languageOf(otherwise)])),
    ...Object.entries(LANGUAGES).map(([code, name]) => h('option', { value: code, lang: code }, name)));
  select.value = chosen !== null && Object.hasOwn(LANGUAGES, chosen) ? chosen : '';
  return select;
}

/** Keeps the language in this browser, also for the sign-in page, and loads the page in it. @param {string} language
 * empty for none */
function chooseLanguage(language) {
  if (!store(LANGUAGE_KEY, language)) {
    const address = new URL(location.href);
    address.searchParams.set('lang', language);
    history.replaceState(null, '', address);
  }
  location.reload();
}

/** @param {string} key @returns {string|null} */
function stored(key) {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

/** @param {string} key @param {string} value empty to remove it @returns {boolean} whether it could be stored */
function store(key, value) {
  try {
    if (value === '') localStorage.removeItem(key);
    else localStorage.setItem(key, value);
    return true;
  } catch {
    return false;
  }
}

/** @param {typeof THEMES[number]} theme */
function setTheme(theme) {
  if (theme === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  // Where nothing can be stored it applies to this page only.
  store('parlor-theme', theme === 'system' ? '' : theme);
}

/** Returns a browser's name as people know it. @param {string} agent @returns {string} */
function agentName(agent) {
  const named = (/** @type {[string, string][]} */ names, /** @type {string} */ end) =>
    names.find(([sign]) => agent.includes(sign + end))?.[1];
  const browser = named([
    ['Edg', 'Edge'], ['OPR', 'Opera'], ['Firefox', 'Firefox'], ['Chrome', 'Chrome'], ['Safari', 'Safari'],
  ], '/');
  const system = named([
    ['Android', 'Android'], ['iPhone', 'iPhone'], ['iPad', 'iPad'], ['Windows', 'Windows'], ['Mac OS', 'Mac'],
    ['Linux', 'Linux'],
  ], '');
  if (!browser) return truncate(agent, 60) || dialogSay.unknownDevice;
  return system ? `${browser}, ${system}` : browser;
}

customElements.define('parlor-settings', ParlorSettings);
