/**
 * The screens and states of the inbox, and how to reach each. The steps run in the page, so that every browser does the
 * same.
 *
 * @import {Conversations} from './scene.js'
 */

/**
 * The helpers of the steps below, in the page.
 * @typedef {{
 *   until: (holds: () => unknown, what: string) => Promise<void>,
 *   get: (selector: string, text?: string) => HTMLElement, has: (selector: string, text?: string) => boolean,
 *   press: (selector: string, text?: string) => Promise<void>, type: (selector: string, text: string) => Promise<void>,
 *   goTo: (hash: string) => Promise<void>, openThread: (id: number) => Promise<void>, settle: () => Promise<void>,
 *   closeAll: () => Promise<void>,
 * }} Driver
 * @typedef {{
 *   name: string, enter: (conversations: Conversations) => unknown, only?: 'wide'|'phone',
 * }} Screen
 */

/** Defines `driver` in a loaded page. The steps name texts in English.
 * @param {Record<string, string>} [words] the texts of the page's language, by the English ones */
export function installDriver(words = {}) {
  const until = async (/** @type {() => unknown} */ holds, /** @type {string} */ what) => {
    const end = performance.now() + 15_000;
    for (;;) {
      if (holds()) return;
      if (performance.now() > end) throw new Error(`timed out: ${what}`);
      await new Promise((resolve) => setTimeout(resolve, 15)); // waits for: the next check
    }
  };
  const find = (/** @type {string} */ selector, text = '') => /** @type {HTMLElement|undefined} */ (
    [...document.querySelectorAll(selector)].find((one) => one.checkVisibility()
      && `${one.textContent} ${one.getAttribute('aria-label') ?? ''}`.includes(words[text] ?? text)));
  const has = (/** @type {string} */ selector, text = '') => find(selector, text) !== undefined;
  const get = (/** @type {string} */ selector, text = '') => /** @type {HTMLElement} */ (find(selector, text));
  /** Waits for all pictures, the fonts and two frames. */
  const settle = async () => {
    await until(() => [...document.images].every((image) => image.complete || !image.checkVisibility()), 'the pictures');
    await document.fonts.ready;
    await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
  };
  /** Closes dialogs, menus and toasts, and clears the search. */
  const closeAll = async () => {
    for (let more = true; more;) {
      const dialog = /** @type {HTMLDialogElement|null} */ ([...document.querySelectorAll('dialog[open]')].at(-1) ?? null);
      const menu = /** @type {HTMLElement|null} */ (document.querySelector('.menu:popover-open'));
      dialog?.close();
      menu?.hidePopover();
      more = dialog !== null || menu !== null;
      await new Promise((resolve) => setTimeout(resolve, 0)); // waits for: the close event
    }
    const field = /** @type {HTMLInputElement|null} */ (document.querySelector('parlor-list input[type="search"]'));
    if (field && field.value !== '') {
      field.value = '';
      field.dispatchEvent(new Event('input', { bubbles: true }));
    }
    for (const toast of document.querySelectorAll('.toast')) toast.remove();
    const leave = find('.list.looking .list-head > .tool');
    leave?.click();
    /** @type {HTMLElement|null} */ (document.activeElement)?.blur();
  };
  /** @type {Driver} */
  const driver = {
    until, has, get, settle, closeAll,
    press: async (selector, text) => {
      await until(() => has(selector, text), `${selector} ${text ?? ''}`);
      get(selector, text).click();
    },
    type: async (selector, text) => {
      await until(() => has(selector), selector);
      const field = /** @type {HTMLInputElement} */ (get(selector));
      field.focus();
      field.value = text;
      field.dispatchEvent(new Event('input', { bubbles: true }));
    },
    goTo: async (hash) => {
      location.hash = hash;
      await new Promise((resolve) => setTimeout(resolve, 0)); // waits for: the hashchange event
    },
    openThread: async (id) => {
      location.hash = `#/c/${id}`;
      await until(() => location.hash === `#/c/${id}` && has('parlor-message, .thread .nothing') && !has('.skeleton-bubbles'), `the thread ${id}`);
    },
  };
  Object.assign(window, { driver });
}

/* The steps run in the page, where `installDriver` has defined `driver`. */
/** @type {Driver} */
const driver = /** @type {any} */ (null);

/** @type {Screen[]} */
export const SCREENS = [
  { name: 'list', enter: async () => {
    await driver.goTo('#/');
    await driver.until(() => driver.has('parlor-row'), 'rows');
  } },
  { name: 'list, unread only', enter: async () => {
    await driver.goTo('#/');
    await driver.press('.filter', 'Unread');
  } },
  { name: 'list, nothing archived', enter: async () => {
    await driver.press('.filter', 'Archived');
  } },
  { name: 'list, muted and marked as unread', enter: async () => {
    await driver.press('.filter', 'All');
    await driver.until(() => driver.has('parlor-row'), 'rows');
    const { conversations } = await (await fetch('/v1/conversations')).json();
    const { id } = conversations.find((/** @type {{unread: number}} */ one) => one.unread === 0);
    await fetch(`/v1/conversations/${id}/settings`, {
      method: 'PATCH', headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ muted: true, marked_unread: true }),
    });
    await driver.until(() => driver.has('.badge.dot.quiet'), 'the dot');
  } },
  { name: 'list, menu of a row', enter: async () => {
    document.querySelector('parlor-row')?.dispatchEvent(new MouseEvent('contextmenu', { bubbles: true, cancelable: true }));
    await driver.until(() => driver.has('[role="menu"]'), 'the menu');
  } },
  { name: 'clear a conversation', enter: async () => {
    const { conversations } = await (await fetch('/v1/conversations')).json();
    const written = new Set(conversations.flatMap((/** @type {any} */ one) => (one.last_seq > 0 ? [one.id] : [])));
    const row = [...document.querySelectorAll('parlor-row')].find((one) => written.has(/** @type {any} */ (one).conversation));
    row?.dispatchEvent(new MouseEvent('contextmenu', { bubbles: true, cancelable: true }));
    await driver.press('[role="menuitem"]', 'Clear for me…');
    await driver.until(() => driver.has('dialog .button.warn'), 'the question');
  } },
  { name: 'list, all again', only: 'wide', enter: async () => {
    await driver.press('.filter', 'All');
  } },
  { name: 'thread with all kinds, at its end', enter: async ({ all }) => {
    await driver.goTo('#/');
    if (driver.has('.filter')) await driver.press('.filter', 'All');
    await driver.openThread(all);
  } },
  { name: 'thread with all kinds, lines', enter: async ({ all }) => {
    await driver.openThread(all);
    driver.get('parlor-message', 'the second line').scrollIntoView({ block: 'start', behavior: 'instant' });
  } },
  { name: 'thread with all kinds, quotes', enter: async ({ all }) => {
    await driver.openThread(all);
    driver.get('parlor-message', 'The handover').scrollIntoView({ block: 'center', behavior: 'instant' });
  } },
  { name: 'message controls', only: 'wide', enter: async ({ all }) => {
    await driver.openThread(all);
    const element = driver.get('parlor-message', 'The handover');
    element.scrollIntoView({ block: 'center', behavior: 'instant' });
    element.dispatchEvent(new PointerEvent('pointerover', { bubbles: true, pointerType: 'mouse' }));
    await driver.until(() => driver.has('.message-controls'), 'the bar');
  } },
  { name: 'go to a day', enter: async ({ all }) => {
    await driver.openThread(all);
    await driver.press('.day button');
    await driver.until(() => driver.has('dialog input[type="date"]'), 'the day');
  } },
  { name: 'menu of a message', enter: async ({ all }) => {
    await driver.openThread(all);
    const element = driver.get('parlor-message', 'with an umbrella');
    element.scrollIntoView({ block: 'center', behavior: 'instant' });
    element.focus();
    element.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true, cancelable: true }));
    await driver.until(() => driver.has('.menu'), 'the menu');
  } },
  { name: 'emoji', enter: async ({ all }) => {
    await driver.openThread(all);
    const element = driver.get('parlor-message', 'with an umbrella');
    element.focus();
    element.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true, cancelable: true }));
    await driver.press('.menu .quick button', 'More reactions');
    await driver.until(() => driver.has('.emoji'), 'emoji');
  } },
  { name: 'emoji, nothing found', only: 'wide', enter: async () => {
    await driver.type('.emoji input', 'nothing like it');
  } },
  { name: 'question', enter: async ({ all }) => {
    await driver.openThread(all);
    const element = driver.get('parlor-message', 'with an umbrella');
    element.focus();
    element.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true, cancelable: true }));
    await driver.press('.menu .item', 'Delete for everyone');
    await driver.until(() => driver.has('dialog .button.warn'), 'the question');
  } },
  { name: 'forward', enter: async ({ all }) => {
    await driver.openThread(all);
    const element = driver.get('parlor-message', 'with an umbrella');
    element.focus();
    element.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true, cancelable: true }));
    await driver.press('.menu .item', 'Forward');
    await driver.press('dialog .people button');
  } },
  { name: 'who reacted', enter: async ({ all }) => {
    await driver.openThread(all);
    const element = driver.get('parlor-message', 'The handover');
    element.focus();
    element.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true, cancelable: true }));
    await driver.press('.menu .item', 'Who reacted');
    await driver.until(() => driver.has('dialog .reader'), 'people');
  } },
  { name: 'writing a reply', enter: async ({ all }) => {
    await driver.openThread(all);
    const element = driver.get('parlor-message', 'The handover');
    element.focus();
    element.dispatchEvent(new KeyboardEvent('keydown', { key: 'r', bubbles: true, cancelable: true }));
    await driver.until(() => driver.has('.replying'), 'the answer');
    if (!driver.has('.subject-field')) await driver.press('.subject-tool');
    await driver.until(() => driver.has('.subject-field'), 'the subject');
    await driver.type('.subject-field', 'A subject');
    await driver.type('.composer .text', 'Several\nlines\nof\nan\nanswer\nthat\nis\nlong');
  } },
  { name: 'emoji by name', enter: async ({ all }) => {
    await driver.openThread(all);
    await driver.type('.composer .text', 'Bring :umb');
    await driver.until(() => driver.has('.completion .item'), 'the names');
  } },
  { name: 'text too long', only: 'wide', enter: async ({ all }) => {
    await driver.openThread(all);
    await driver.type('.composer .text', 'too long '.repeat(1_300));
    await driver.until(() => driver.has('.hint'), 'the count');
  } },
  { name: 'editing a message', enter: async ({ all }) => {
    await driver.openThread(all);
    await driver.type('.composer .text', '');
    if (driver.has('.replying')) await driver.press('.replying .tool');
    const element = driver.get('parlor-message', 'with an umbrella');
    element.focus();
    element.dispatchEvent(new KeyboardEvent('keydown', { key: 'e', bubbles: true, cancelable: true }));
    await driver.until(() => driver.has('.replying', 'Edit message'), 'the change');
  } },
  { name: 'attached files', enter: async ({ files }) => {
    if (driver.has('.replying')) await driver.press('.replying .tool');
    await driver.openThread(files);
    const thread = driver.get('parlor-thread');
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [90, 60];
    canvas.getContext('2d')?.fillRect(0, 0, 60, 60);
    const picture = await new Promise((resolve) => canvas.toBlob(resolve));
    const attached = [
      new File([picture], 'a picture with quite a long name of its own.png', { type: 'image/png' }),
      new File(['words'], 'words.txt', { type: 'text/plain' }), new File([], 'empty.txt'),
    ];
    thread.dispatchEvent(new CustomEvent('parlor-attach', { bubbles: true, detail: { files: attached, folders: 0 } }));
    await driver.until(() => document.querySelectorAll('.upload .size').length === 3
      && [...document.querySelectorAll('.upload')].every((one) => one.querySelector('.bar') === null), 'the files');
  } },
  { name: 'pictures', enter: async ({ files }) => {
    for (let tool = document.querySelector('.upload .tool'); tool; tool = document.querySelector('.upload .tool')) {
      /** @type {HTMLElement} */ (tool).click();
      await driver.until(() => !tool?.isConnected, 'the file to go');
    }
    await driver.openThread(files);
    document.querySelector('.pictures')?.scrollIntoView({ block: 'start', behavior: 'instant' });
    await driver.until(() => [...document.querySelectorAll('.picture img')].every((one) => /** @type {any} */ (one).complete), 'pictures');
  } },
  { name: 'files', enter: async ({ files }) => {
    await driver.openThread(files);
    driver.get('parlor-message', 'And the papers').scrollIntoView({ block: 'end', behavior: 'instant' });
  } },
  { name: 'one picture', enter: async ({ files }) => {
    await driver.openThread(files);
    await driver.press('.pictures.three .picture');
    await driver.until(() => document.querySelector('.lightbox[open] .frame img.large'), 'the picture');
  } },
  { name: 'drop overlay', only: 'wide', enter: async ({ files }) => {
    await driver.openThread(files);
    /** @type {HTMLElement} */ (document.querySelector('.drop')).hidden = false;
  } },
  { name: 'group', enter: async ({ group }) => {
    /** @type {HTMLElement} */ (document.querySelector('.drop')).hidden = true;
    await driver.openThread(group);
  } },
  { name: 'group, at its start', enter: async ({ group }) => {
    await driver.openThread(group);
    /** @type {HTMLElement} */ (document.querySelector('.message-log')).scrollTop = 0;
  } },
  { name: 'names after an at sign', enter: async ({ group }) => {
    await driver.openThread(group);
    await driver.type('.composer .text', 'And @');
    await driver.until(() => driver.has('.completion .item'), 'the names');
  } },
  { name: 'group members', enter: async ({ group }) => {
    await driver.openThread(group);
    await driver.type('.composer .text', '');
    await driver.press('.thread-head .tool:has([href="#parlor-people"])');
    await driver.until(() => driver.has('dialog .reader'), 'people');
  } },
  { name: 'leave a group', only: 'wide', enter: async ({ group }) => {
    await driver.openThread(group);
    await driver.press('.thread-head .tool:has([href="#parlor-people"])');
    await driver.press('dialog .button.warn', 'Leave group');
  } },
  { name: 'first message', enter: async ({ fresh }) => driver.openThread(fresh) },
  { name: 'closed', enter: async ({ closed }) => driver.openThread(closed) },
  { name: 'blocked', enter: async ({ turned }) => {
    await driver.openThread(turned);
    const { client } = /** @type {any} */ (document.querySelector('parlor-inbox'));
    const other = client.state.conversations.get(turned).members.find((/** @type {{user: {id: number}}} */ one) => one.user.id !== client.user);
    await fetch(`/v1/me/blocks/${other.user.id}`, { method: 'PUT' });
    await driver.until(() => driver.has('.closed .button', 'Unblock'), 'the notice');
  } },
  { name: 'settings, blocked people', enter: async () => {
    await driver.goTo('#/settings');
    await driver.until(() => driver.has('.sessions .button', 'Unblock'), 'somebody');
    [...document.querySelectorAll('.sessions .button')].find((one) => one.textContent === 'Unblock')?.scrollIntoView({ block: 'center', behavior: 'instant' });
  } },
  { name: 'unblocked', enter: async ({ turned }) => {
    await driver.openThread(turned);
    if (driver.has('.closed .button', 'Unblock')) await driver.press('.closed .button', 'Unblock');
    await driver.until(() => driver.has('parlor-composer textarea'), 'the composer');
  } },
  { name: 'report a message', enter: async ({ all }) => {
    await driver.openThread(all);
    await driver.until(() => driver.has('.message-group:not(.own) parlor-message', 'The handover'), 'the message');
    const element = driver.get('.message-group:not(.own) parlor-message', 'The handover');
    element.focus();
    element.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true, cancelable: true }));
    await driver.press('.menu .item', 'Report…');
    await driver.press('dialog .button.main', 'Report');
    await driver.until(() => driver.has('dialog .why'), 'what is missing');
  } },
  { name: 'reports', enter: async () => {
    await driver.goTo('#/reports');
    if (driver.has('.reports .filter', 'Open')) await driver.press('.reports .filter', 'Open');
    await driver.until(() => driver.has('.report-row'), 'reports');
  } },
  { name: 'a report', enter: async () => {
    await driver.goTo('#/reports');
    await driver.press('.report-row');
    await driver.until(() => driver.has('.msg.reported'), 'the message');
  } },
  { name: 'a report of an edited message', enter: async () => {
    await driver.goTo('#/reports');
    await driver.press('.report-row', 'what was added');
    await driver.until(() => driver.has('.msg.reported', 'what was added'), 'both copies');
    driver.get('.msg.reported', 'what was added').scrollIntoView({ block: 'end', behavior: 'instant' });
  } },
  { name: 'a settled report', enter: async () => {
    const open = await (await fetch('/v1/reports')).json();
    const { reports: [settled] } = await (await fetch('/v1/reports?state=settled')).json();
    const { id } = settled ?? open.reports.at(-1);
    if (!settled) {
      await fetch(`/v1/reports/${id}/settlement`, {
        method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ note: 'A joke between friends, as both say.' }),
      });
    }
    await driver.goTo(`#/reports/${id}`);
    await driver.until(() => driver.has('.decision'), 'the decision');
  } },
  { name: 'settled reports', enter: async () => {
    await driver.goTo('#/reports');
    await driver.press('.reports .filter', 'Settled');
    await driver.until(() => driver.has('.report-row .chip.settled'), 'a settled report');
  } },
  { name: 'no such report', enter: async () => {
    await driver.goTo('#/reports/987654321');
    await driver.until(() => driver.has('.reports .nothing'), 'nothing');
  } },
  { name: 'a warning', enter: async ({ all }) => {
    await driver.goTo('#/');
    const inbox = /** @type {any} */ (document.querySelector('parlor-inbox'));
    const { sync } = inbox.client;
    sync.state = { ...sync.state, warnings: [1, 2].map((report) => ({ report, conversation: all, seq: 1, at: '2026-11-22T09:00:00.000Z' })) };
    inbox.render();
    await driver.until(() => driver.has('.warning'), 'the warning');
  } },
  { name: 'no warning', enter: async () => {
    const inbox = /** @type {any} */ (document.querySelector('parlor-inbox'));
    const { sync } = inbox.client;
    sync.state = { ...sync.state, warnings: [] };
    inbox.render();
    await driver.until(() => !driver.has('.warning'), 'the end of the warning');
  } },
  { name: 'reversing text', enter: async ({ turned }) => driver.openThread(turned) },
  { name: 'new conversation', enter: async () => {
    await driver.goTo('#/');
    await driver.press('parlor-list .tool', 'New conversation');
    await driver.type('dialog input', 'ben');
    await driver.press('dialog .people button', 'Ben');
    await driver.type('dialog input', 'wolf');
    await driver.press('dialog .people button', 'Wolf');
  } },
  { name: 'new conversation, nobody found', only: 'wide', enter: async () => {
    await driver.press('parlor-list .tool', 'New conversation');
    await driver.type('dialog input', 'nobody like it');
    await driver.until(() => driver.has('dialog .note'), 'nobody');
  } },
  { name: 'search', enter: async () => {
    await driver.goTo('#/');
    await driver.type('parlor-list input[type="search"]', 'umbrella');
    await driver.until(() => driver.has('parlor-result'), 'results');
  } },
  { name: 'search, nothing found', enter: async () => {
    await driver.type('parlor-list input[type="search"]', 'nothing like it');
    await driver.until(() => driver.has('parlor-results .nothing'), 'nothing');
  } },
  { name: 'search, filters', enter: async () => {
    await driver.type('parlor-list input[type="search"]', 'umbrella');
    await driver.press('.look-chip', 'About');
    await driver.press('dialog .people button');
    await driver.until(() => driver.has('.look-chip.set'), 'the empty thread pane');
    await driver.press('.look-chip', 'Conversation');
    await driver.until(() => driver.has('dialog .people'), 'conversations');
  } },
  { name: 'search, dates', only: 'wide', enter: async () => {
    await driver.type('parlor-list input[type="search"]', 'umbrella');
    await driver.press('.look-chip', 'Date');
    await driver.until(() => driver.has('dialog input'), 'days');
  } },
  { name: 'settings', enter: async () => {
    await driver.goTo('#/settings');
    await driver.until(() => driver.has('.sessions li'), 'sign-ins');
  } },
  { name: 'settings, at the end', enter: async () => {
    await driver.goTo('#/settings');
    await driver.until(() => driver.has('.sessions li'), 'sign-ins');
    await driver.press('.stack .button');
    document.querySelector('.part.last')?.scrollIntoView({ behavior: 'instant' });
  } },
  { name: 'settings, notices', enter: async () => {
    await driver.goTo('#/settings');
    const scheduled = /** @type {HTMLInputElement} */ (document.querySelectorAll('.settings [role="switch"]')[3]);
    if (!scheduled.checked) scheduled.click();
    scheduled.scrollIntoView({ block: 'center', behavior: 'instant' });
  } },
  { name: 'why notified', enter: async ({ all }) => {
    await driver.goTo('#/settings');
    const { shared } = /** @type {any} */ (document.querySelector('parlor-inbox')).client;
    await shared.update('notice-log', () => ['shown', 'here', 'quiet'].map((rule) =>
      ({ at: Date.now(), conversation: all, rule, show: rule === 'shown', sound: rule !== 'quiet' })));
    await driver.press('.settings .button', 'Why was I notified, or not?');
    await driver.until(() => driver.has('dialog .sessions li'), 'the reasons');
  } },
  { name: 'keyboard shortcuts', enter: async () => {
    await driver.goTo('#/settings');
    await driver.press('.settings .button', 'Keyboard shortcuts');
    await driver.until(() => driver.has('dialog .keys'), 'the keys');
  } },
  { name: 'switcher', enter: async () => {
    await driver.goTo('#/');
    document.dispatchEvent(new KeyboardEvent('keydown', { key: 'k', code: 'KeyK', ctrlKey: true, bubbles: true }));
    await driver.until(() => driver.has('dialog [role="option"]'), 'conversations');
    await driver.type('dialog input', 'ben');
  } },
  { name: 'no conversation selected', only: 'wide', enter: async () => {
    await driver.goTo('#/');
    await driver.until(() => driver.has('.thread .nothing'), 'the empty thread pane');
  } },
  { name: 'no such conversation', enter: async () => {
    await driver.goTo('#/c/987654321');
    await driver.until(() => driver.has('.thread .nothing h3'), 'nothing');
  } },
  { name: 'nothing to open', enter: async () => {
    await driver.goTo('#/open?type=item&id=no-such-thing&role=owner');
    await driver.until(() => driver.has('.thread .nothing h2'), 'nothing');
  } },
];
