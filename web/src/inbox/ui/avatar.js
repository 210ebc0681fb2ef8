/**
 * Pictures of users and contexts. Users are round, contexts have corners.
 *
 * @import {Context, User} from '../../sdk/wire.js'
 */
import { h } from './dom.js';
import { colourClass, initials } from '../view/format.js';
import { icon } from './icons.js';
import { addressOf } from './root.js';

/** The avatar of a user, or of two members of a group, or the group's picture; with a dot for presence.
 * @param {User[]} users @param {{size?: number, pair?: boolean, picture?: string|null, dot?: 'online'|'idle'|''}} [how]
 * @returns {HTMLElement} */
export function avatar(users, { size, pair = false, picture, dot = '' } = {}) {
  const both = pair && users.length > 1 && !picture;
  const box = h('span', { class: `avatar${both ? ' pair' : ''}${dot && ` ${dot}`}`, 'aria-hidden': 'true' });
  if (size) box.style.setProperty('--size', `${size}px`);
  if (picture) {
    box.append(framed(picture, h('span', { class: 'avatar-frame' }, icon('people', { small: true }))));
    return box;
  }
  for (const user of both ? users.slice(0, 2) : users.slice(0, 1)) box.append(skin(user));
  if (users.length === 0) box.append(h('span', { class: 'avatar-frame' }, icon('people', { small: true })));
  return box;
}

/** @param {User} user @returns {HTMLElement} */
function skin(user) {
  // Drawn by the style sheet, since they are a picture and not text.
  const letters = h('span', { class: `avatar-frame ${colourClass(user.id)}`, 'data-letters': initials(user.name) });
  if (!user.picture) return letters;
  return framed(user.picture, letters);
}

/** @param {string} src @param {HTMLElement} instead what is shown when it cannot be loaded @returns {HTMLElement} */
function framed(src, instead) {
  const picture = h('img', { src: addressOf(src), alt: '', decoding: 'async' });
  const frame = h('span', { class: 'avatar-frame' }, picture);
  picture.addEventListener('error', () => frame.replaceWith(instead), { once: true });
  return frame;
}

/** Returns a key of what an avatar shows, so that it is drawn again only if that changes. @param {User[]} users
 * @returns {string} */
export function avatarKey(users) {
  return users.map((one) => `${one.id} ${one.name} ${one.picture ?? ''}`).join('|');
}

/** Returns the picture of a context, or an icon if there is none. @param {Context} context @param {string} className
 * @returns {HTMLElement} */
export function contextPicture(context, className) {
  const sign = () => icon('picture', { small: className === 'context-picture' });
  const box = h('span', { class: className, 'aria-hidden': 'true' });
  if (!context.image) {
    box.append(sign());
    return box;
  }
  const picture = h('img', { src: context.image, alt: '', decoding: 'async', referrerpolicy: 'no-referrer' });
  picture.addEventListener('error', () => picture.replaceWith(sign()), { once: true });
  box.append(picture);
  return box;
}
