/**
 * The screens and states of the inbox, and how to reach each. The steps run in the page, so that every browser does the
 * same.
 *
 * @import {Rooms} from './scene.js'
 */

/**
 * The helpers of the steps below, in the page.
 * @typedef {{
 *   until: (holds: () => unknown, what: string) => Promise<void>,
 *   one: (selector: string, text?: string) => HTMLElement, has: (selector: string, text?: string) => boolean,
 *   press: (selector: string, text?: string) => Promise<void>, type: (selector: string, text: string) => Promise<void>,
 *   go: (hash: string) => Promise<void>, thread: (id: number) => Promise<void>, calm: () => Promise<void>,
 *   end: () => Promise<void>,
 * }} Hands
 * @typedef {{
 *   name: string, enter: (rooms: Rooms) => unknown, only?: 'wide'|'phone',
 * }} Screen
 */

/** Defines `hands` in a loaded page. */
export function handOver() {
  const until = async (/** @type {() => unknown} */ holds, /** @type {string} */ what) => {
    const end = performance.now() + 15_000;
    for (;;) {
      if (holds()) return;
      if (performance.now() > end) throw new Error(`it did not come: ${what}`);
      await new Promise((resolve) => setTimeout(resolve, 15)); // waits for: the next check
    }
  };
  const find = (/** @type {string} */ selector, text = '') => /** @type {HTMLElement|undefined} */ (
    [...document.querySelectorAll(selector)].find((one) => one.checkVisibility()
      && `${one.textContent} ${one.getAttribute('aria-label') ?? ''}`.includes(text)));
  const has = (/** @type {string} */ selector, text = '') => find(selector, text) !== undefined;
  const one = (/** @type {string} */ selector, text = '') => /** @type {HTMLElement} */ (find(selector, text));
  /** Waits for all pictures, the fonts and two frames. */
  const calm = async () => {
    await until(() => [...document.images].every((image) => image.complete || !image.checkVisibility()), 'the pictures');
    await document.fonts.ready;
    await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
  };
  /** Closes dialogs and menus, and clears the search. */
  const end = async () => {
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
    const leave = find('.list.looking .list-head > .tool');
    leave?.click();
    /** @type {HTMLElement|null} */ (document.activeElement)?.blur();
  };
  /** @type {Hands} */
  const hands = {
    until, has, one, calm, end,
    press: async (selector, text) => {
      await until(() => has(selector, text), `${selector} ${text ?? ''}`);
      one(selector, text).click();
    },
    type: async (selector, text) => {
      await until(() => has(selector), selector);
      const field = /** @type {HTMLInputElement} */ (one(selector));
      field.focus();
      field.value = text;
      field.dispatchEvent(new Event('input', { bubbles: true }));
    },
    go: async (hash) => {
      location.hash = hash;
      await new Promise((resolve) => setTimeout(resolve, 0)); // waits for: the hashchange event
    },
    thread: async (id) => {
      location.hash = `#/c/${id}`;
      await until(() => location.hash === `#/c/${id}` && has('parlor-said, .thread .nothing') && !has('.bubble-bones'), `the thread ${id}`);
    },
  };
  Object.assign(window, { hands });
}

/* The steps run in the page, where `installHands` has defined `hands`. */
/** @type {Hands} */
const hands = /** @type {any} */ (null);

/** @type {Screen[]} */
export const SCREENS = [
  { name: 'list', enter: async () => {
    await hands.go('#/');
    await hands.until(() => hands.has('parlor-row'), 'rows');
  } },
  { name: 'list, unread only', enter: async () => {
    await hands.go('#/');
    await hands.press('.filter', 'Unread');
  } },
  { name: 'list, all again', only: 'wide', enter: async () => {
    await hands.press('.filter', 'All');
  } },
  { name: 'thread of all forms, at its end', enter: async ({ all }) => {
    await hands.go('#/');
    if (hands.has('.filter')) await hands.press('.filter', 'All');
    await hands.thread(all);
  } },
  { name: 'thread of all forms, lines', enter: async ({ all }) => {
    await hands.thread(all);
    hands.one('parlor-said', 'the second line').scrollIntoView({ block: 'start', behavior: 'instant' });
  } },
  { name: 'thread of all forms, quotes', enter: async ({ all }) => {
    await hands.thread(all);
    hands.one('parlor-said', 'The handover').scrollIntoView({ block: 'center', behavior: 'instant' });
  } },
  { name: 'message at hand', only: 'wide', enter: async ({ all }) => {
    await hands.thread(all);
    const said = hands.one('parlor-said', 'The handover');
    said.scrollIntoView({ block: 'center', behavior: 'instant' });
    said.dispatchEvent(new PointerEvent('pointerover', { bubbles: true, pointerType: 'mouse' }));
    await hands.until(() => hands.has('.at-hand'), 'the bar');
  } },
  { name: 'menu of a message', enter: async ({ all }) => {
    await hands.thread(all);
    const said = hands.one('parlor-said', 'with an umbrella');
    said.scrollIntoView({ block: 'center', behavior: 'instant' });
    said.focus();
    said.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true, cancelable: true }));
    await hands.until(() => hands.has('.menu'), 'the menu');
  } },
  { name: 'emoji', enter: async ({ all }) => {
    await hands.thread(all);
    const said = hands.one('parlor-said', 'with an umbrella');
    said.focus();
    said.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true, cancelable: true }));
    await hands.press('.menu .quick button', 'More reactions');
    await hands.until(() => hands.has('.emoji'), 'emoji');
  } },
  { name: 'emoji, nothing found', only: 'wide', enter: async () => {
    await hands.type('.emoji input', 'nothing like it');
  } },
  { name: 'question', enter: async ({ all }) => {
    await hands.thread(all);
    const said = hands.one('parlor-said', 'with an umbrella');
    said.focus();
    said.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true, cancelable: true }));
    await hands.press('.menu .item', 'Delete for everyone');
    await hands.until(() => hands.has('dialog .button.warn'), 'the question');
  } },
  { name: 'forward', enter: async ({ all }) => {
    await hands.thread(all);
    const said = hands.one('parlor-said', 'with an umbrella');
    said.focus();
    said.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true, cancelable: true }));
    await hands.press('.menu .item', 'Forward');
    await hands.press('dialog .people button');
  } },
  { name: 'who reacted', enter: async ({ all }) => {
    await hands.thread(all);
    const said = hands.one('parlor-said', 'The handover');
    said.focus();
    said.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true, cancelable: true }));
    await hands.press('.menu .item', 'Who reacted');
    await hands.until(() => hands.has('dialog .reader'), 'people');
  } },
  { name: 'an answer is written', enter: async ({ all }) => {
    await hands.thread(all);
    const said = hands.one('parlor-said', 'The handover');
    said.focus();
    said.dispatchEvent(new KeyboardEvent('keydown', { key: 'r', bubbles: true, cancelable: true }));
    await hands.until(() => hands.has('.replying'), 'the answer');
    if (!hands.has('.subject-field')) await hands.press('.subject-tool');
    await hands.until(() => hands.has('.subject-field'), 'the subject');
    await hands.type('.subject-field', 'A subject');
    await hands.type('.composer .words', 'Several\nlines\nof\nan\nanswer\nthat\nis\nlong');
  } },
  { name: 'too long', only: 'wide', enter: async ({ all }) => {
    await hands.thread(all);
    await hands.type('.composer .words', 'too long '.repeat(1_300));
    await hands.until(() => hands.has('.hint'), 'the count');
  } },
  { name: 'a message is changed', enter: async ({ all }) => {
    await hands.thread(all);
    await hands.type('.composer .words', '');
    if (hands.has('.replying')) await hands.press('.replying .tool');
    const said = hands.one('parlor-said', 'with an umbrella');
    said.focus();
    said.dispatchEvent(new KeyboardEvent('keydown', { key: 'e', bubbles: true, cancelable: true }));
    await hands.until(() => hands.has('.replying', 'Edit'), 'the change');
  } },
  { name: 'files are attached', enter: async ({ files }) => {
    if (hands.has('.replying')) await hands.press('.replying .tool');
    await hands.thread(files);
    const thread = hands.one('parlor-thread');
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [90, 60];
    canvas.getContext('2d')?.fillRect(0, 0, 60, 60);
    const picture = await new Promise((resolve) => canvas.toBlob(resolve));
    const files2 = [
      new File([picture], 'a picture with quite a long name of its own.png', { type: 'image/png' }),
      new File(['words'], 'words.txt', { type: 'text/plain' }), new File([], 'empty.txt'),
    ];
    thread.dispatchEvent(new CustomEvent('parlor-attach', { bubbles: true, detail: { files: files2, folders: 0 } }));
    await hands.until(() => document.querySelectorAll('.upload .size').length === 3
      && [...document.querySelectorAll('.upload')].every((one) => /Ready|empty/u.test(one.textContent ?? '')), 'the files');
  } },
  { name: 'pictures', enter: async ({ files }) => {
    for (let tool = document.querySelector('.upload .tool'); tool; tool = document.querySelector('.upload .tool')) {
      /** @type {HTMLElement} */ (tool).click();
      await hands.until(() => !tool?.isConnected, 'the file to go');
    }
    await hands.thread(files);
    document.querySelector('.pictures')?.scrollIntoView({ block: 'start', behavior: 'instant' });
    await hands.until(() => [...document.querySelectorAll('.picture img')].every((one) => /** @type {any} */ (one).complete), 'pictures');
  } },
  { name: 'files', enter: async ({ files }) => {
    await hands.thread(files);
    hands.one('parlor-said', 'And the papers').scrollIntoView({ block: 'end', behavior: 'instant' });
  } },
  { name: 'one picture', enter: async ({ files }) => {
    await hands.thread(files);
    await hands.press('.pictures.three .picture');
    await hands.until(() => document.querySelector('.lightbox[open] .frame img.large'), 'the picture');
  } },
  { name: 'place for files', only: 'wide', enter: async ({ files }) => {
    await hands.thread(files);
    /** @type {HTMLElement} */ (document.querySelector('.drop')).hidden = false;
  } },
  { name: 'group', enter: async ({ group }) => {
    /** @type {HTMLElement} */ (document.querySelector('.drop')).hidden = true;
    await hands.thread(group);
  } },
  { name: 'group, its beginning', enter: async ({ group }) => {
    await hands.thread(group);
    /** @type {HTMLElement} */ (document.querySelector('.talk')).scrollTop = 0;
  } },
  { name: 'people of a group', enter: async ({ group }) => {
    await hands.thread(group);
    await hands.press('.thread-head .tool', 'people');
    await hands.until(() => hands.has('dialog .reader'), 'people');
  } },
  { name: 'leave a group', only: 'wide', enter: async ({ group }) => {
    await hands.thread(group);
    await hands.press('.thread-head .tool', 'people');
    await hands.press('dialog .button.warn', 'Leave');
  } },
  { name: 'first message', enter: async ({ fresh }) => hands.thread(fresh) },
  { name: 'closed', enter: async ({ closed }) => hands.thread(closed) },
  { name: 'turned around', enter: async ({ turned }) => hands.thread(turned) },
  { name: 'new conversation', enter: async () => {
    await hands.go('#/');
    await hands.press('parlor-list .tool', 'New conversation');
    await hands.type('dialog input', 'ben');
    await hands.press('dialog .people button', 'Ben');
    await hands.type('dialog input', 'wolf');
    await hands.press('dialog .people button', 'Wolf');
  } },
  { name: 'new conversation, nobody found', only: 'wide', enter: async () => {
    await hands.press('parlor-list .tool', 'New conversation');
    await hands.type('dialog input', 'nobody like it');
    await hands.until(() => hands.has('dialog .note'), 'nobody');
  } },
  { name: 'search', enter: async () => {
    await hands.go('#/');
    await hands.type('parlor-list input[type="search"]', 'umbrella');
    await hands.until(() => hands.has('parlor-result'), 'results');
  } },
  { name: 'search, nothing found', enter: async () => {
    await hands.type('parlor-list input[type="search"]', 'nothing like it');
    await hands.until(() => hands.has('parlor-results .nothing'), 'nothing');
  } },
  { name: 'search, a choice', enter: async () => {
    await hands.type('parlor-list input[type="search"]', 'umbrella');
    await hands.press('.look-chip', 'About');
    await hands.press('dialog .people button');
    await hands.until(() => hands.has('.look-chip.set'), 'the empty thread pane');
    await hands.press('.look-chip', 'Conversation');
    await hands.until(() => hands.has('dialog .people'), 'conversations');
  } },
  { name: 'search, days', only: 'wide', enter: async () => {
    await hands.type('parlor-list input[type="search"]', 'umbrella');
    await hands.press('.look-chip', 'Date');
    await hands.until(() => hands.has('dialog input'), 'days');
  } },
  { name: 'settings', enter: async () => {
    await hands.go('#/settings');
    await hands.until(() => hands.has('.sessions li'), 'sign-ins');
  } },
  { name: 'settings, their end', enter: async () => {
    await hands.go('#/settings');
    await hands.until(() => hands.has('.sessions li'), 'sign-ins');
    await hands.press('.stack .button');
    document.querySelector('.part.last')?.scrollIntoView({ behavior: 'instant' });
  } },
  { name: 'choose a conversation', only: 'wide', enter: async () => {
    await hands.go('#/');
    await hands.until(() => hands.has('.thread .nothing'), 'the empty thread pane');
  } },
  { name: 'no such conversation', enter: async () => {
    await hands.go('#/c/987654321');
    await hands.until(() => hands.has('.thread .nothing h3'), 'nothing');
  } },
  { name: 'nothing to open', enter: async () => {
    await hands.go('#/open?type=item&id=no-such-thing&role=owner');
    await hands.until(() => hands.has('.thread .nothing h2'), 'nothing');
  } },
];
