/**
 * What is shown in place of a conversation: that none is selected, that there is none, or why a link did not open one.
 */
import { canRetry } from '../../sdk/problem.js';
import { h } from '../ui/dom.js';
import { drawing } from '../ui/icons.js';
import { say } from '../view/strings.js';
import { openError } from '../view/error-text.js';

/** @param {boolean} empty there is no conversation at all @param {() => void} write @returns {HTMLElement} */
export function noConversationSelected(empty, write) {
  return h('div', { class: 'nothing' }, drawing(),
    h('h2', {}, empty ? say.noConversations : say.chooseConversation),
    h('p', {}, empty ? say.noConversationsMore : say.chooseConversationMore),
    h('button', { class: `button ${empty ? 'main' : ''}`, type: 'button', onclick: write }, say.writeToSomebody));
}

/** @param {unknown} error @param {boolean} isOwn the link leads to oneself
 * @param {{again: () => void, back: () => void}} does @returns {HTMLElement} */
export function cannotOpenConversation(error, isOwn, { again, back }) {
  const { title, more } = isOwn ? say.linkReasons.own_link : openError(error);
  const button = (/** @type {string} */ words, /** @type {() => void} */ onclick) =>
    h('button', { class: 'button', type: 'button', onclick }, words);
  return h('div', { class: 'nothing', role: 'alert' }, drawing(), h('h2', {}, title), h('p', {}, more),
    canRetry(error) ? button(say.tryAgain, again) : null, button(say.backToAll, back));
}
