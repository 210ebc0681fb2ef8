/**
 * The settings of notices. They are kept in this browser, for the user.
 *
 * @import {Client} from '../sdk/client.js'
 * @import {NoticeSettings} from './view/notices.js'
 */
import { NOTICE_LOG, NOTICE_SETTINGS, noticeSettings } from './view/notices.js';
import { dialogSay } from './view/dialog-strings.js';
import { openNoticeLog } from './dialogs/notice-log.js';
import { h, setText } from './ui/dom.js';
import { onOff, part } from './ui/settings-parts.js';

const { notices: words } = dialogSay;

export class NoticesSettings {
  #sound = onOff(words.sound, words.soundMore, (sound) => this.#set({ sound }));
  #desktop = onOff(words.desktop, words.desktopMore, (on) => void this.#setDesktop(on));
  #desktopNote = h('p', { class: 'note', role: 'status', hidden: true });
  #quiet = onOff(words.quiet, words.quietMore, (quiet) => this.#set({ quiet }));
  #scheduled = onOff(words.scheduled, words.scheduledMore, (scheduled) => this.#set({ scheduled }));
  #from = this.#time('from', dialogSay.filterFrom);
  #until = this.#time('until', dialogSay.filterUntil);
  #times = h('div', { class: 'buttons' }, this.#from.box, this.#until.box);
  #why = h('button', { class: 'button', type: 'button', 'aria-haspopup': 'dialog', onclick: () => this.#openLog() }, words.why);
  part = part(words.title, this.#sound.box, this.#desktop.box, this.#desktopNote, this.#quiet.box, this.#scheduled.box,
    this.#times, this.#why, h('p', { class: 'note' }, words.kept));
  /** @type {Client|null} */
  #client = null;

  /** @param {Client} client */
  show(client) {
    this.#client = client;
    this.#draw();
  }

  /** @returns {NoticeSettings} */
  get #settings() {
    return noticeSettings(this.#client?.storage.get(NOTICE_SETTINGS));
  }

  /** @param {Partial<NoticeSettings>} changed */
  #set(changed) {
    this.#client?.storage.set(NOTICE_SETTINGS, { ...this.#settings, ...changed });
    this.#draw();
  }

  #draw() {
    const { sound, desktop, quiet, scheduled, from, until } = this.#settings;
    const permission = permissionNow();
    this.#sound.input.checked = sound;
    this.#desktop.input.checked = desktop && permission === 'granted';
    const isKnown = 'Notification' in globalThis;
    this.#desktop.input.disabled = !isKnown;
    this.#note(!isKnown ? words.unsupported : permission === 'denied' ? words.denied : '');
    this.#quiet.input.checked = quiet;
    this.#scheduled.input.checked = scheduled;
    this.#times.hidden = !scheduled;
    this.#from.input.value = from;
    this.#until.input.value = until;
  }

  /** Asks the browser when it has to be asked. A question without an answer is no refusal. @param {boolean} desktop */
  async #setDesktop(desktop) {
    if (desktop && permissionNow() === 'default') await Notification.requestPermission();
    this.#set({ desktop: desktop && permissionNow() === 'granted' });
    if (desktop && permissionNow() === 'default') this.#note(words.dismissed);
  }

  /** @param {string} text */
  #note(text) {
    setText(this.#desktopNote, text);
    this.#desktopNote.hidden = text === '';
  }

  /** @param {'from'|'until'} name @param {string} label */
  #time(name, label) {
    const input = h('input', {
      type: 'time', required: true, onchange: () => input.value !== '' && this.#set({ [name]: input.value }),
    });
    return { input, box: h('label', { class: 'field' }, label, input) };
  }

  #openLog() {
    const host = /** @type {HTMLElement|null} */ (this.part.closest('.inbox'));
    const client = this.#client;
    if (host && client) void client.shared.get(NOTICE_LOG).then((log) => openNoticeLog(host, client, log ?? []));
  }
}

/** @returns {NotificationPermission} */
function permissionNow() {
  return globalThis.Notification?.permission ?? 'denied';
}
