/**
 * The icons, drawn on 20 by 20 with a stroke of 1.6, in one sprite that is added to the page once. Icons that show a
 * direction are mirrored in right-to-left text.
 */
const SVG = 'http://www.w3.org/2000/svg';

/** @type {Record<string, [string, Record<string, string>][]>} */
const shapes = {
  smile: [
    ['circle', { cx: '10', cy: '10', r: '7' }],
    ['path', { d: 'M7 11.8c.7 1.1 1.7 1.7 3 1.7s2.3-.6 3-1.7M7.7 8v.2M12.3 8v.2' }],
  ],
  more: [[
    'path',
    {
      class: 'solid',
      d: 'M4.5 8.6a1.4 1.4 0 1 1 0 2.8 1.4 1.4 0 0 1 0-2.8Zm5.5 0a1.4 1.4 0 1 1 0 2.8 1.4 1.4 0 0 1 0-2.8Z'
        + 'm5.5 0a1.4 1.4 0 1 1 0 2.8 1.4 1.4 0 0 1 0-2.8Z',
    },
  ]],
  reply: [['path', { d: 'M8 5 3.5 9.5 8 14' }], ['path', { d: 'M4 9.5h7.5a5 5 0 0 1 5 5v1' }]],
  flag: [['path', { d: 'M5.5 17V3.8M5.5 4.6c3-1.7 5.7 1.5 9.5 0v6.8c-3.8 1.5-6.5-1.7-9.5 0' }]],
  forward: [['path', { d: 'm12 5 4.5 4.5L12 14' }], ['path', { d: 'M16 9.5H8.5a5 5 0 0 0-5 5v1' }]],
  copy: [
    ['rect', { x: '7', y: '7', width: '9.5', height: '9.5', rx: '2.2' }],
    ['path', { d: 'M13 7V5.7a2.2 2.2 0 0 0-2.2-2.2H5.7a2.2 2.2 0 0 0-2.2 2.2v5.1A2.2 2.2 0 0 0 5.7 13H7' }],
  ],
  bin: [
    ['path', { d: 'M4 5.5h12M8 5.5V4.3c0-.5.4-.8.8-.8h2.4c.4 0 .8.3.8.8v1.2' }],
    ['path', { d: 'M5.5 5.5l.6 9.3c0 1 .8 1.7 1.7 1.7h4.4c.9 0 1.7-.7 1.7-1.7l.6-9.3M8.4 8.8v4.4M11.6 8.8v4.4' }],
  ],
  subject: [['path', { d: 'M4 5.5h12M4 10h12M4 14.5h7' }]],
  again: [['path', { d: 'M16 10a6 6 0 1 1-1.8-4.3L16 7.5M16 3.8v3.7h-3.7' }]],
  alert: [['circle', { cx: '10', cy: '10', r: '7' }], ['path', { d: 'M10 6.4v4.2M10 13.4v.1' }]],
  block: [['circle', { cx: '10', cy: '10', r: '7' }], ['path', { d: 'm5.1 5.1 9.8 9.8' }]],
  back: [['path', { d: 'M12.5 4.5 7 10l5.5 5.5' }]],
  archive: [
    ['rect', { x: '3.5', y: '4', width: '13', height: '3.6', rx: '1.2' }],
    ['path', { d: 'M4.8 7.6v6.7c0 1 .8 1.7 1.7 1.7h7c1 0 1.7-.8 1.7-1.7V7.6M8.2 10.6h3.6' }],
  ],
  bell: [['path', { d: 'M5 13.6h10l-1.2-1.9V9a3.8 3.8 0 0 0-7.6 0v2.7zM8.6 16h2.8' }]],
  chevron: [['path', { d: 'm5.8 8 4.2 4.2L14.2 8' }]],
  muted: [['path', { d: 'M7 13.6H5l1.2-1.9V9c0-.5.1-1 .3-1.4M8.4 5.6A3.8 3.8 0 0 1 13.8 9v1.6M11 13.6h1.4M8.6 16h2.8M3.8 3.8l12.4 12.4' }]],
  pin: [['path', { d: 'M7 3.8h6M8 3.8v4.4L5.8 11h8.4L12 8.2V3.8M10 11v5.2' }]],
  unread: [['path', { d: 'M16.5 9.5V12a3 3 0 0 1-3 3H9.5L6 17.5V15a2.5 2.5 0 0 1-2.5-2.5V7a3 3 0 0 1 3-3h4.5' }], ['circle', { cx: '15', cy: '5.5', r: '2', class: 'solid' }]],
  check: [['path', { d: 'm4.5 10.6 3.4 3.4 7.6-8' }]],
  checks: [['path', { d: 'm2 10.6 3.3 3.4 7.2-8M9.6 13.2l.8.8 7.6-8' }]],
  calendar: [
    ['rect', { x: '3.5', y: '4.5', width: '13', height: '12', rx: '2.4' }],
    ['path', { d: 'M3.5 8.5h13M7 3v3M13 3v3' }],
  ],
  clip: [['path', {
    d: 'm16 9.3-6.2 6.2a3.6 3.6 0 0 1-5.1-5.1l6.5-6.5a2.4 2.4 0 0 1 3.4 3.4l-6.4 6.4a1.2 1.2 0 0 1-1.7-1.7l5.8-5.8',
  }]],
  clock: [['circle', { cx: '10', cy: '10', r: '7' }], ['path', { d: 'M10 6.2V10l2.4 1.6' }]],
  close: [['path', { d: 'm5.5 5.5 9 9M14.5 5.5l-9 9' }]],
  down: [['path', { d: 'M10 4v11.5M5.2 10.8l4.8 4.8 4.8-4.8' }]],
  file: [
    ['path', { d: 'M11.5 3H6.7A1.7 1.7 0 0 0 5 4.7v10.6c0 1 .8 1.7 1.7 1.7h6.6c1 0 1.7-.8 1.7-1.7V6.5z' }],
    ['path', { d: 'M11.5 3v3.5H15' }],
  ],
  leave: [['path', { d: 'M7 13 14.5 5.5M8.5 5.5h6v6' }]],
  lock: [
    ['rect', { x: '4.5', y: '9', width: '11', height: '7.5', rx: '2' }],
    ['path', { d: 'M7 9V6.7a3 3 0 0 1 6 0V9' }],
  ],
  next: [['path', { d: 'M7.5 4.5 13 10l-5.5 5.5' }]],
  offline: [
    ['path', { d: 'M3 8.2a10.5 10.5 0 0 1 4-2.4M10.5 5.1c2.4.1 4.7 1.1 6.5 3.1M5.5 11a6.5 6.5 0 0 1 3.2-1.8' }],
    ['path', { d: 'M12.5 9.7c.8.3 1.5.8 2 1.3M10 15v.1M3.5 3.5l13 13' }],
  ],
  picture: [
    ['rect', { x: '3.2', y: '4', width: '13.6', height: '12', rx: '2.2' }],
    ['circle', { cx: '7.3', cy: '8', r: '1.3' }],
    ['path', { d: 'm3.6 14.2 3.7-3.6 2.9 2.8 2.3-2.2 4 3.9' }],
  ],
  plus: [['path', { d: 'M10 4.5v11M4.5 10h11' }]],
  read: [
    ['circle', { cx: '10', cy: '10', r: '8', class: 'solid' }],
    ['path', { class: 'cut', d: 'm6.4 10.3 2.5 2.5 4.8-5.2' }],
  ],
  save: [['path', { d: 'M10 3.5v9M5.8 8.6 10 12.7l4.2-4.1M4 16.5h12' }]],
  search: [['circle', { cx: '9', cy: '9', r: '5.5' }], ['path', { d: 'm13.2 13.2 3.6 3.6' }]],
  send: [['path', { d: 'M10 16V4.5M5.2 9.2 10 4.4l4.8 4.8' }]],
  up: [['path', { d: 'M10 16V4.5M5.2 9.2 10 4.4l4.8 4.8' }]],
  unfold: [['path', { d: 'm5.5 8 4.5 4.5L14.5 8' }]],
  write: [
    ['path', { d: 'M10.5 3.5H6A2.5 2.5 0 0 0 3.5 6v8A2.5 2.5 0 0 0 6 16.5h8a2.5 2.5 0 0 0 2.5-2.5V9.5' }],
    ['path', { d: 'm8 12 .6-2.6 6.2-6.2a1.4 1.4 0 0 1 2 2l-6.2 6.2z' }],
  ],
  people: [
    ['circle', { cx: '7.6', cy: '7', r: '2.9' }],
    ['path', { d: 'M2.5 16.2c.3-2.9 2.4-4.6 5.1-4.6s4.8 1.7 5.1 4.6' }],
    ['path', { d: 'M13 4.4a2.7 2.7 0 0 1 0 5.2M15 12c1.5.7 2.4 2.2 2.5 4.2' }],
  ],
};

const turning = new Set(['back', 'leave', 'next', 'write', 'reply', 'forward', 'subject']);

/** Adds the sprite to the page. @param {Document} page */
export function addSprite(page) {
  const sprite = make('svg', { width: '0', height: '0', 'aria-hidden': 'true', class: 'sprite' });
  for (const [name, parts] of Object.entries(shapes)) {
    const symbol = make('symbol', { id: `parlor-${name}`, viewBox: '0 0 20 20' });
    symbol.append(...parts.map(([tag, attributes]) => make(tag, attributes)));
    sprite.append(symbol);
  }
  page.body.prepend(sprite);
}

/** Returns an icon, with a label if it stands alone. @param {string} name
 * @param {{small?: boolean, label?: string}} [how] @returns {SVGElement} */
export function icon(name, { small = false, label } = {}) {
  const classes = ['icon', small && 'small', turning.has(name) && 'turns'].filter(Boolean).join(' ');
  /** @type {Record<string, string>} */
  const ears = label ? { role: 'img', 'aria-label': label } : { 'aria-hidden': 'true' };
  const svg = make('svg', { class: classes, viewBox: '0 0 20 20', ...ears });
  svg.append(make('use', { href: `#parlor-${name}` }));
  return svg;
}

/** Returns Parlor's logo: two overlapping bubbles. @returns {SVGElement} */
export function mark() {
  const svg = make('svg', { class: 'mark', viewBox: '0 0 40 40', 'aria-hidden': 'true' });
  svg.append(
    make('path', { d: 'M12 5h9a8 8 0 0 1 8 8v7H12a7.5 7.5 0 0 1 0-15z', fill: 'currentColor' }),
    make('path', { d: 'M28 35h-9a8 8 0 0 1-8-8v-4h17a6 6 0 0 1 0 12z', class: 'lower' }),
  );
  return svg;
}

/** Returns the illustration for empty pages. @returns {SVGElement} */
export function drawing() {
  const svg = make('svg', { class: 'drawing', viewBox: '0 0 96 72', 'aria-hidden': 'true' });
  svg.append(
    make('path', { class: 'tinted', d: 'M24 8h26a14 14 0 0 1 14 14v14H24a14 14 0 0 1 0-28z' }),
    make('path', { class: 'lower', d: 'M72 64H46a14 14 0 0 1-14-14v-8h40a11 11 0 0 1 0 22z' }),
    make('path', { d: 'M46 53h24' }),
  );
  return svg;
}

/** @param {string} tag @param {Record<string, string>} attributes @returns {SVGElement} */
function make(tag, attributes) {
  const element = /** @type {SVGElement} */ (document.createElementNS(SVG, tag));
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}
