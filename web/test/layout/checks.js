/**
 * Layout checks that run in the page. Each function is sent to a browser as text, so it depends on nothing outside.
 */

/**
 * Finds everything that is wrong with the visible boxes. An open dialog or menu is checked alone. Each issue is one
 * line of text.
 * @param {{isTouch: boolean, reversingText: string}} variant `reversingText` is a text that reverses what follows it
 * @returns {string[]}
 */
export function findLayoutIssues({ isTouch, reversingText }) {
  /** @type {Set<string>} */
  const issues = new Set();
  const over = [...document.querySelectorAll('dialog[open], .menu:popover-open')].at(-1);
  const root = over ?? document.querySelector('#parlor') ?? document.body;
  const name = (/** @type {Element} */ one) => {
    const path = [];
    for (let at = /** @type {Element|null} */ (one); at && at !== root && path.length < 3; at = at.parentElement) {
      path.unshift(`${at.localName}${[...at.classList].map((word) => `.${word}`).join('')}`);
    }
    return path.join(' > ');
  };
  const report = (/** @type {Element} */ one, /** @type {string} */ what) => issues.add(`${name(one)}: ${what}`);
  const px = (/** @type {number} */ value) => Math.round(value * 10) / 10;
  const seen = (/** @type {Element} */ one) => one.checkVisibility({ opacityProperty: true, visibilityProperty: true })
    && !one.closest('.visually-hidden, .late, .skips:not(:focus-within), [aria-hidden="true"].floating-day, .sprite');
  const all = [...root.querySelectorAll('*')].filter((one) => !(one instanceof SVGElement && one.localName !== 'svg'))
    .filter(seen);

  /** Returns the part of a box that no ancestor clips.
   * @param {DOMRect} box @param {Element|null} from the first element that may clip it */
  const uncut = (box, from) => {
    let { left, top, right, bottom } = box;
    for (let at = from; at; at = at.parentElement) {
      const style = getComputedStyle(at);
      if (style.overflowX === 'visible' && style.overflowY === 'visible') continue;
      const cut = at.getBoundingClientRect();
      [left, top, right, bottom] = [
        Math.max(left, cut.left), Math.max(top, cut.top), Math.min(right, cut.right), Math.min(bottom, cut.bottom),
      ];
      if (style.position === 'fixed') break;
    }
    return { left, top, right, bottom, width: right - left, height: bottom - top };
  };
  /** @param {Element} one @param {string} axis @returns {boolean} whether a user can scroll to the clipped part */
  const scrolls = (one, axis) => {
    for (let at = /** @type {Element|null} */ (one); at && at !== root; at = at.parentElement) {
      if (/auto|scroll/u.test(getComputedStyle(at).getPropertyValue(`overflow-${axis}`))) return true;
    }
    return false;
  };

  for (const one of all) {
    const style = getComputedStyle(one);
    const box = one.getBoundingClientRect();
    if (box.width === 0 || box.height === 0) continue;
    // Outside the window.
    if (style.position !== 'absolute' && !scrolls(one, 'x') && (box.left < -1 || box.right > innerWidth + 1)) {
      const { width } = uncut(box, one.parentElement);
      if (width < box.width - 1 || box.right > innerWidth + 1) report(one, `extends from ${px(box.left)} to ${px(box.right)} in a window of ${innerWidth}`);
    }
    // A text that is clipped without an ellipsis.
    const isCut = /hidden|clip/u.test(style.overflowX) && one.scrollWidth > one.clientWidth + 1;
    const texts = [...one.childNodes].filter((node) => node.nodeType === 3 && node.textContent?.trim());
    const clamps = style.webkitLineClamp !== 'none' && style.webkitLineClamp !== '';
    if (isCut && texts.length > 0 && style.textOverflow !== 'ellipsis' && !clamps) {
      report(one, `text of ${one.scrollWidth} in ${one.clientWidth}`);
    }
    if (one.matches('time, .badge, .count, .chip, .button, .filter, .pill, .tool, h3') && !one.matches('.about-card .chip')
      && one.scrollWidth > one.clientWidth + 4 && one.clientWidth > 0) {
      report(one, `is clipped: ${one.scrollWidth} in ${one.clientWidth}`);
    }
    if (/hidden|clip/u.test(style.overflowY) && !clamps && texts.length > 0 && one.scrollHeight > one.clientHeight + 3) {
      report(one, `lines of ${one.scrollHeight} in ${one.clientHeight}`);
    }
    // An element that can be scrolled sideways.
    if (/auto|scroll/u.test(style.overflowX) && one.scrollWidth > one.clientWidth + 1 && !one.matches('.strip, textarea, input')) {
      report(one, `scrolls sideways: ${one.scrollWidth} in ${one.clientWidth}`);
    }
    // A picture that did not load.
    if (one instanceof HTMLImageElement && one.complete && one.naturalWidth === 0) report(one, 'a picture that did not load');
  }

  // Text that overlaps other text, or is covered.
  const blocks = all.filter((one) => !one.matches('.skeleton-bar, .skeleton-bubble') && [...one.childNodes].some((node) =>
    node.nodeType === 3 && node.textContent?.trim()));
  /** @type {{one: Element, left: number, top: number, right: number, bottom: number}[]} */
  const lines = [];
  for (const one of blocks) {
    const range = document.createRange();
    for (const node of one.childNodes) {
      if (node.nodeType !== 3 || !node.textContent?.trim()) continue;
      range.selectNodeContents(node);
      for (const rect of range.getClientRects()) {
        const { left, top, right, bottom, width, height } = uncut(rect, one);
        if (width > 2 && height > 6 && bottom > 0 && top < innerHeight) lines.push({ one, left, top, right, bottom });
      }
    }
  }
  for (const { one, left, top, right, bottom } of lines) {
    const [x, y] = [(left + right) / 2, (top + bottom) / 2];
    if (x < 0 || y < 0 || x >= innerWidth || y >= innerHeight) continue;
    const covering = document.elementFromPoint(x, y);
    // What covers a message on purpose, and text that takes no clicks.
    if (!covering || one.contains(covering) || covering.contains(one)) continue;
    if (covering.closest('.pill, .unread-bar, .message-controls, .toast, .floating-day, .reactions, .choice, .jump-cover')) continue;
    if (getComputedStyle(one).pointerEvents === 'none' || one.closest('[disabled], .drop, .avatar-frame')) continue;
    report(one, `“${one.textContent?.trim().slice(0, 30)}” is covered by ${name(covering)}`);
  }
  lines.sort((a, b) => a.top - b.top);
  for (const [index, a] of lines.entries()) {
    for (let at = index + 1; at < lines.length && lines[at].top < a.bottom - 4; at += 1) {
      const b = lines[at];
      if (a.one === b.one || a.one.contains(b.one) || b.one.contains(a.one)) continue;
      if (a.one.closest('.toast, .pill, .unread-bar, .reactions, .floating-day') || b.one.closest('.toast, .pill, .unread-bar, .reactions, .floating-day')) continue;
      const [wide, high] = [Math.min(a.right, b.right) - Math.max(a.left, b.left), Math.min(a.bottom, b.bottom) - b.top];
      if (wide > 3 && high > 4) report(a.one, `its text overlaps that of ${name(b.one)}`);
    }
  }

  // Controls are large enough, and no neighbour covers them.
  const minimum = isTouch ? 38 : 24;
  for (const one of all) {
    if (!one.matches('button, [role="option"], input, select, textarea, summary, label.choice, a.button, a.about-card')) continue;
    const box = one.getBoundingClientRect();
    const part = uncut(box, one.parentElement);
    if (part.width < box.width - 1 || part.height < box.height - 1 || box.width < 2) continue;
    if (one.matches('[type="file"], [type="radio"], [disabled], .quote, .picture, .stop') || one.closest('[inert]')) continue;
    if (box.width < 20) report(one, `only ${px(box.width)} wide`);
    const hit = one.closest('label.search, label.on-off, label.reason') ?? one;
    const [x, y] = [(box.left + box.right) / 2, (box.top + box.bottom) / 2];
    const reach = (/** @type {number} */ by) => {
      if (y + by < 0 || y + by >= innerHeight) return true;
      const at = document.elementFromPoint(x, y + by);
      return at !== null && hit.contains(at);
    };
    if (document.elementFromPoint(x, y) && !reach(0)) {
      const at = document.elementFromPoint(x, y);
      if (at && !at.closest('.pill, .unread-bar, .message-controls, .toast, .floating-day, .emoji-list, .completion')) report(one, `is covered by ${name(at)}`);
      continue;
    }
    if (box.height >= minimum) continue;
    let reached = 0;
    for (let by = -21; by <= 21; by += 2) reached += Number(reach(by)) * 2;
    if (reached < minimum) report(one, `only ${px(box.height)} high, ${reached} of it touchable`);
  }

  // The look of each kind of element.
  /** @param {string} selector @param {(one: HTMLElement, box: DOMRect, style: CSSStyleDeclaration) => string|false} judge */
  const each = (selector, judge) => {
    for (const one of /** @type {HTMLElement[]} */ (all.filter((element) => element.matches(selector)))) {
      const wrong = judge(one, one.getBoundingClientRect(), getComputedStyle(one));
      if (wrong) report(one, wrong);
    }
  };
  const round = (/** @type {CSSStyleDeclaration} */ style) => style.borderTopLeftRadius === '50%'
    || Number.parseFloat(style.borderTopLeftRadius) * 2 >= Number.parseFloat(style.height) - 0.5;
  each('.avatar', (_, box, style) => {
    const size = Number.parseFloat(style.getPropertyValue('--size'));
    return Math.abs(box.width - size) + Math.abs(box.height - size) > 1 && `${px(box.width)} by ${px(box.height)} and not ${size}`;
  });
  each('.avatar-frame', (_, box, style) => (Math.abs(box.width - box.height) > 0.6 || box.width < 14 ? `${px(box.width)} by ${px(box.height)}`
    : !round(style) && 'not round'));
  each('.send, .badge, .typing-now i', (_, _box, style) => !round(style) && 'not round');
  each('.badge', (one, box) => Math.abs(box.height - (one.matches('.dot') ? 12 : 20)) > 0.5 && `${px(box.height)} high`);
  each('.reaction', (_, box) => Math.abs(box.height - 26) > 0.5 && `${px(box.height)} high`);
  each('.chip', (_, box) => (box.height < 21 || box.height > 32) && `${px(box.height)} high`);
  each('.context-picture', (_, box) => Math.abs(box.width - 18) + Math.abs(box.height - 18) > 1 && `${px(box.width)} by ${px(box.height)}`);
  each('.icon', (_, box) => ![16, 20].some((size) => Math.abs(box.width - size) + Math.abs(box.height - size) < 1)
    && `${px(box.width)} by ${px(box.height)}`);
  each('.row', (one, box) => !one.querySelector('.hit') && (box.height < 60 || box.height > 96) && `${px(box.height)} high`);
  each('.bubble:not(.file)', (one, box, style) => {
    if (one.matches('.large') || one.querySelector('.quote, .subject, .forwarded, pre')) return false;
    const text = one.querySelector('.text')?.textContent ?? '';
    const lines = text.replace(/\n+$/u, '').split('\n').length;
    const line = Number.parseFloat(style.lineHeight);
    return box.height < lines * line + 15 && `${lines} lines are ${px(box.height)} high`;
  });
  each('.picture > img, .photo > img, .avatar-frame > img, .context-picture > img, .thumb > img', (one, box) => {
    const frame = /** @type {Element} */ (one.parentElement).getBoundingClientRect();
    return Math.abs(box.width - frame.width) + Math.abs(box.height - frame.height) > 2 && 'does not fill its frame';
  });
  // The columns of the thread share their edges.
  const [blockBox, head] = ['.blocks', '.composer .box'].map((one) => root.querySelector(one)?.getBoundingClientRect());
  if (blockBox && head && blockBox.width > 0 && head.width > 0 && Math.abs(blockBox.left - head.left) > 20) issues.add('the composer and the messages have no common edge');

  // A text with directional controls affects nothing around it.
  /** @param {Node} node @param {Element} one its parent @returns {boolean} */
  const isApart = (node, one) => {
    const { display, unicodeBidi } = getComputedStyle(one);
    if (/isolate|plaintext/u.test(unicodeBidi)) return true;
    if (display !== 'inline') return [...one.childNodes].filter((other) => other.textContent?.trim()).length === 1;
    return one.parentElement !== null && isApart(one, one.parentElement);
  };
  const count = (/** @type {string} */ text, /** @type {RegExp} */ signs) => text.match(signs)?.length ?? 0;
  for (const one of blocks) {
    for (const node of one.childNodes) {
      const text = node.nodeType === 3 ? (node.textContent ?? '') : '';
      const at = text.indexOf(reversingText);
      if (at < 0) continue;
      if (count(text, /[\u2066-\u2068]/gu) !== count(text, /\u2069/gu)
        || count(text, /[\u202A\u202B\u202D\u202E]/gu) !== count(text, /\u202C/gu)) report(one, 'leaves directional controls open');
      const before = text.slice(0, at);
      if (before.lastIndexOf('\u2068') > before.lastIndexOf('\u2069') || isApart(node, one)) continue;
      report(one, `“${text.trim().slice(0, 40)}” reverses its surroundings`);
    }
  }
  const title = document.title;
  if (title.includes('\u202E') && !/\u2068[^\u2068]*\u202E.*\u202C.*\u2069/u.test(title)) issues.add('the page title has unisolated directional controls');
  return [...issues];
}

/**
 * Finds which selectors of the style sheets match something now, which classes exist, and which sizes have no effect
 * because they are set on inline elements.
 * @param {string[]} known selectors that matched before
 * @returns {{matched: string[], all: string[], classes: string[], idle: string[]}}
 */
export function checkStyles(known) {
  const before = new Set(known);
  /** @type {Set<string>[]} */
  const [all, matched, idle] = [new Set(), new Set(), new Set()];
  const rules = (/** @type {CSSRuleList} */ list, /** @type {(rule: CSSStyleRule) => void} */ take) => {
    for (const rule of list) {
      if (rule instanceof CSSStyleRule) take(rule);
      else if ('cssRules' in rule && !(rule instanceof CSSKeyframesRule)) rules(/** @type {CSSGroupingRule} */ (rule).cssRules, take);
    }
  };
  /** Splits at commas outside brackets. @param {string} text */
  const parts = (text) => {
    const found = [''];
    let depth = 0;
    for (const sign of text) {
      depth += Number(sign === '(' || sign === '[') - Number(sign === ')' || sign === ']');
      if (sign === ',' && depth === 0) found.push('');
      else found[found.length - 1] += sign;
    }
    return found.map((one) => one.trim());
  };
  // Drops what depends on the moment: hovered, focused, pressed.
  const still = (/** @type {string} */ selector) => selector
    .replace(/::?(?:before|after|backdrop|placeholder(?!-shown)|selection|-webkit-search-cancel-button|part\([^)]*\))/gu, '')
    .replace(/:(?:hover|focus-visible|focus-within|focus|active|placeholder-shown|popover-open)/gu, '')
    .replace(/:is\(\s*\)/gu, '').replace(/:has\(([^()]*)\)/gu, (whole, inside) => (inside.trim() === '' ? '' : whole));
  for (const sheet of document.styleSheets) {
    rules(sheet.cssRules, (rule) => {
      for (const selector of parts(rule.selectorText)) {
        if (/^(:root|:host|html|body|\[data-|\*)/u.test(selector)) continue;
        all.add(selector);
        if (before.has(selector) || matched.has(selector)) continue;
        /** @type {Element[]} */
        let found = [];
        try {
          found = [...document.querySelectorAll(still(selector) || '*')];
        } catch {
          found = [];
        }
        if (found.length > 0) matched.add(selector);
        const { inlineSize, blockSize } = rule.style;
        if (!/\d/u.test(inlineSize + blockSize) || /::/u.test(selector)) continue;
        for (const one of found) {
          const drawn = one.checkVisibility() && getComputedStyle(one).display === 'inline';
          const replaced = /^(?:img|svg|video|canvas|input|textarea|select|button)$/u.test(one.localName);
          if (drawn && !replaced && !(one instanceof SVGElement)) idle.add(selector);
        }
      }
    });
  }
  const classes = new Set([...document.querySelectorAll('#parlor [class]')].flatMap((one) => [...one.classList]));
  return { matched: [...matched], all: [...all], classes: [...classes], idle: [...idle] };
}
