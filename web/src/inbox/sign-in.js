/**
 * The sign-in page, also for signing up if the operator allows it, or a link to where people sign in. Errors are shown
 * at the field they are about.
 *
 * @import {Http} from '../sdk/http.js'
 * @import {Site} from '../sdk/wire.js'
 */
import { signIn, signUp } from '../sdk/account.js';
import { Problem, endsSession } from '../sdk/problem.js';
import { isolated } from './view/bidi.js';
import { h, setAttribute, setText } from './ui/dom.js';
import { icon, mark } from './ui/icons.js';
import { dialogSay } from './view/dialog-strings.js';
import { say, sentences } from './view/strings.js';
import { nameError } from './view/name-rules.js';
import { errorText } from './view/error-text.js';
import { emit } from './ui/events.js';

/** The sign-in worked, but the browser did not store it. */
class NoCookie extends Error {}

let fields = 0;

/** Returns a field with its label and its error. @param {string} words @param {Record<string, string>} attributes
 * @returns {{box: HTMLElement, input: HTMLInputElement, showError: (why: string) => void}} */
export function field(words, attributes) {
  const id = `field-${(fields += 1)}`;
  const why = h('span', { class: 'why', id: `${id}-why`, role: 'alert', hidden: true });
  const input = h('input', { id, ...attributes });
  const box = h('div', { class: 'field' }, h('label', { for: id }, words), input, why);
  const showError = (/** @type {string} */ text) => {
    why.hidden = text === '';
    why.replaceChildren(...(text ? [icon('alert', { small: true }), h('span', {}, text)] : []));
    box.classList.toggle('wrong', text !== '');
    setAttribute(input, 'aria-invalid', text ? 'true' : null);
    setAttribute(input, 'aria-describedby', text ? why.id : null);
  };
  input.addEventListener('input', () => showError(''));
  return { box, input, showError };
}

export class ParlorSignIn extends HTMLElement {
  #signsUp = false;
  #busy = false;
  #login = field(dialogSay.login, { autocomplete: 'username', autocapitalize: 'none', spellcheck: 'false' });
  #name = field(dialogSay.yourName, { autocomplete: 'name' });
  #password = field(dialogSay.password, { type: 'password', autocomplete: 'current-password' });
  #title = h('h1');
  #go = h('button', { class: 'button main', type: 'submit' });
  #other = h('button', { class: 'button plain', type: 'button', onclick: () => this.#turn() });

  /** @param {{site: Site, http: Http}} parts */
  show({ site, http }) {
    this.http = http;
    this.className = 'parlor sign-in';
    setAttribute(this, 'role', 'main');
    if (!site.accounts) {
      this.#showLink(site);
      return;
    }
    const form = h('form', { novalidate: true, onsubmit: (/** @type {Event} */ event) => void this.#submit(event) },
      h('div', { class: 'brand' }, mark(), site.name),
      h('div', { class: 'card' }, this.#title, this.#name.box, this.#login.box, this.#password.box, this.#go,
        site.sign_up ? this.#other : null),
      h('p', { class: 'fine' }, dialogSay.staySignedIn(site.session_days), h('br'), dialogSay.by));
    this.replaceChildren(form);
    document.title = `${dialogSay.signIn} · ${isolated(site.name)}`;
    this.#draw();
    this.#login.input.focus();
  }

  /** Shows where people sign in who have no account here. @param {Site} site */
  #showLink(site) {
    const back = encodeURIComponent(location.pathname + location.search + location.hash);
    const address = site.sign_in_url?.replace('{return}', back);
    const link = address ? h('a', { class: 'button main', href: address }, dialogSay.signIn) : null;
    this.replaceChildren(h('div', { class: 'brand' }, mark(), site.name),
      h('div', { class: 'card' }, h('h1', {}, dialogSay.signIn), link), h('p', { class: 'fine' }, dialogSay.by));
    document.title = `${dialogSay.signIn} · ${isolated(site.name)}`;
    link?.focus();
  }

  #turn() {
    this.#signsUp = !this.#signsUp;
    this.#draw();
    (this.#signsUp ? this.#name : this.#login).input.focus();
  }

  #draw() {
    this.#name.box.hidden = !this.#signsUp;
    setText(this.#title, this.#signsUp ? dialogSay.signUp : dialogSay.signIn);
    setText(this.#other, this.#signsUp ? dialogSay.haveAccount : dialogSay.noAccount);
    setAttribute(this.#password.input, 'autocomplete', this.#signsUp ? 'new-password' : 'current-password');
    const waiting = this.#signsUp ? dialogSay.signingUp : dialogSay.signingIn;
    setText(this.#go, this.#busy ? waiting : this.#signsUp ? dialogSay.signUp : dialogSay.signIn);
    this.#go.disabled = this.#busy;
  }

  /** @param {Event} event */
  async #submit(event) {
    event.preventDefault();
    const shown = this.#signsUp ? [this.#name, this.#login, this.#password] : [this.#login, this.#password];
    const empty = shown.filter((one) => one.input.value === '');
    for (const one of empty) one.showError(say.fieldEmpty);
    const trouble = this.#signsUp && this.#name.input.value !== '' ? nameError(this.#name.input.value) : '';
    if (trouble !== '') {
      this.#name.showError(trouble);
      empty.push(this.#name);
    }
    if (this.#busy || !this.http) return;
    if (empty.length > 0) {
      empty[0].input.focus();
      return;
    }
    this.#busy = true;
    this.#draw();
    const [login, name, password] = [this.#login, this.#name, this.#password].map((one) => one.input.value);
    try {
      if (this.#signsUp) await signUp(this.http, login, name, password);
      const me = await signIn(this.http, login, password);
      // The browser may not store the cookie; then later requests would not be signed in.
      await this.http.me().catch((error) => {
        throw endsSession(error) ? new NoCookie() : error;
      });
      emit(this, 'parlor-signed-in', { me });
    } catch (error) {
      this.#showError(error);
    } finally {
      this.#busy = false;
      this.#draw();
    }
  }

  /** @param {unknown} error */
  #showError(error) {
    if (error instanceof NoCookie) {
      this.#password.showError(dialogSay.cookiesBlocked);
      this.#go.focus();
      return;
    }
    const code = error instanceof Problem ? error.code : 'lost';
    if (code === 'name_taken') {
      this.#login.showError(dialogSay.nameTaken);
      this.#login.input.focus();
      return;
    }
    const limit = error instanceof Problem ? error.limit : undefined;
    /** @type {Record<string, string>} */
    const words = {
      wrong_credentials: dialogSay.wrongCredentials,
      too_many: dialogSay.tooMany,
      lost: say.noServer,
      ...(limit !== undefined && this.#signsUp ? { invalid_field: dialogSay.passwordShort(limit) } : {}),
    };
    this.#password.showError(words[code] ?? sentences(dialogSay.signInFailed, errorText(error)));
    this.#password.input.focus();
    this.#password.input.select();
  }
}

customElements.define('parlor-sign-in', ParlorSignIn);
