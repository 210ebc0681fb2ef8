/**
 * A user at a browser page: what they do, what they see, and axe's view of it.
 *
 * @import {Browser, BrowserContext, BrowserContextOptions, Page} from 'playwright-core'
 */
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import assert from 'node:assert/strict';

const axeSource = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const screenshotFolder = process.env.SCREENSHOTS;

/** A user at a browser page. */
export class UserPage {
  /** The errors of the page. @type {string[]} */
  errors = [];

  /** @param {BrowserContext} context @param {Page} page */
  constructor(context, page) {
    this.context = context;
    this.page = page;
    page.on('pageerror', (error) => this.errors.push(String(error.stack ?? error)));
    page.on('console', (message) => {
      const text = message.text();
      const network = /Failed to load resource|WebSocket connection|net::ERR/u.test(text);
      if (message.type() === 'error' && !network) this.errors.push(text);
    });
  }

  /** @param {Browser} browser @param {string} link @param {BrowserContextOptions} [options] */
  static async open(browser, link, options = {}) {
    const context = await browser.newContext({ locale: 'en-GB', viewport: { width: 1280, height: 800 }, ...options });
    const person = new UserPage(context, await context.newPage());
    await person.page.goto(link);
    await person.page.locator('parlor-row, parlor-sign-in form').first().waitFor();
    return person;
  }

  /** @param {string} name a text in the row */
  async openConversation(name) {
    await this.page.locator('parlor-row', { hasText: name }).first().click();
    await this.page.locator('parlor-message-group').first().waitFor();
  }

  /** @param {string} text */
  async send(text) {
    const field = this.page.getByRole('textbox', { name: 'Message' });
    await field.fill(text);
    // On a touch screen Enter starts a new line.
    const fingers = await this.page.evaluate(() => matchMedia('(pointer: coarse)').matches);
    if (fingers) await this.page.getByRole('button', { name: 'Send', exact: true }).tap();
    else await field.press('Enter');
  }

  /** Sends messages through the API, without the page. @param {number} conversation @param {string[]} texts
   * @param {{subject?: string, reply_to?: number, mentions?: object[]}} [more] of each */
  async sendMessages(conversation, texts, more = {}) {
    const statuses = await this.page.evaluate(async ([id, all, rest]) => {
      const answers = [];
      for (const text of /** @type {string[]} */ (all)) {
        const answer = await fetch(`/v1/conversations/${id}/messages`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ client_id: crypto.randomUUID(), text, ...rest }),
        });
        answers.push(answer.status);
      }
      return answers;
    }, /** @type {const} */ ([conversation, texts, more]));
    assert.deepEqual(statuses.filter((one) => one !== 200 && one !== 201), []);
  }

  /** Returns the keys that the browser stores for any user. @returns {Promise<string[]>} */
  storedKeys() {
    return this.page.evaluate(() => Object.keys(localStorage).filter((key) => key.startsWith('parlor:')));
  }

  /** Returns the id of the open conversation. @returns {number} */
  conversationId() {
    return Number(/#\/c\/(\d+)/u.exec(this.page.url())?.[1]);
  }

  /** @param {string} text */
  bubble(text) {
    return this.page.locator('parlor-message', { has: this.page.getByText(text, { exact: true }) });
  }

  /** Returns the texts of the open conversation, in order. @returns {Promise<string[]>} */
  async texts() {
    return this.page.locator('.bubble .text').allTextContents();
  }

  /** Returns the distance to the end of the messages, in pixels. @returns {Promise<number>} */
  async distanceToEnd() {
    return this.page.locator('.message-log').evaluate((log) => log.scrollHeight - log.scrollTop - log.clientHeight);
  }

  /** Checks that nothing can be scrolled sideways. */
  async assertNoHorizontalScroll() {
    const wide = await this.page.evaluate(() => [...document.querySelectorAll('*')]
      .filter((one) => one.scrollWidth > one.clientWidth + 1 && one.clientWidth > 1
        && /auto|scroll/u.test(getComputedStyle(one).overflowX))
      .map((one) => one.className));
    assert.deepEqual(wide, []);
    assert.equal(await this.page.evaluate(() => document.documentElement.scrollWidth > innerWidth), false);
  }

  /** Waits until everything has its size and place: what appears is scaled and moved at first. */
  async animationsEnd() {
    await this.page.evaluate(() => Promise.all(document.getAnimations().map((one) =>
      (one.effect?.getComputedTiming().endTime === Infinity ? null : one.finished.catch(() => null)))));
  }

  /** Checks that axe finds nothing. @param {string} screen */
  async checkAccessibility(screen) {
    await this.page.evaluate(axeSource);
    // A dialog that is still fading in has no contrast yet.
    await this.animationsEnd();
    const { violations } = await this.page.evaluate(() => /** @type {any} */ (window).axe.run(document));
    const place = (/** @type {any} */ node) => `${node.html.slice(0, 160)} ${node.any[0]?.message ?? ''}`;
    const found = violations.map((/** @type {any} */ one) =>
      `${one.id} (${one.impact}): ${one.nodes.map(place).join(' | ')}`);
    assert.deepEqual(found, [], `on ${screen}`);
    await this.takeScreenshot(screen);
  }

  /** Takes a screenshot if SCREENSHOTS is set. @param {string} name */
  async takeScreenshot(name) {
    if (!screenshotFolder) return;
    mkdirSync(screenshotFolder, { recursive: true });
    await this.page.screenshot({ path: join(screenshotFolder, `${name.replaceAll(' ', '-')}.png`) });
  }
}
