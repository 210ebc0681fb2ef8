/**
 * The layout of every screen and state, in both themes and three widths, in Chromium and Firefox: nothing is cut off,
 * covered, outside the window or too small, avatars are round, and every rule of the style sheets matches something.
 *
 * `npm run sheet` takes screenshots of the same screens.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkStyles, findLayoutIssues } from '../layout/checks.js';
import { visitAllScreens } from '../layout/visit-all.js';
import { REVERSING_TEXT, SETTINGS, createScene } from '../layout/scene.js';
import { SIZES, chromiumViews, firefoxView } from '../layout/browser-view.js';
import { runJourney } from './support/journey.js';

/** @import {View} from '../layout/browser-view.js' */
/** @typedef {{issues: Set<string>, matched: Set<string>, all: Set<string>, classes: Set<string>, screens: number}} Seen */

/** Rules that match nothing here, and why. @type {[RegExp, string][]} */
const UNMATCHED = [
  [/\.skeleton-|\.late|\.jump-cover/u, 'loading states, shown only for moments'],
  [/\.toast/u, 'toasts'],
  [/typing|\.writing/u, 'typing indicators'],
  [/online|idle|\.banner\.good/u, 'presence, and a recovered connection'],
  [/\.jumped/u, 'a message that was jumped to, for a moment'],
  [/\.bar\b|\.stop|\.unsent|\.rest\b|\.blur|\.lost\b/u, 'uploads in progress, and lost pictures'],
  [/\.plays|video|audio/u, 'audio and video'],
  [/\.lightbox/u, 'lightbox buttons that only some pictures have'],
  [/\[dir="rtl"\]/u, 'right-to-left pages'],
  [/data-contrast|data-accent/u, 'another theme of the host'],
  [/\.settings|\.pages/u, 'results of changed settings'],
  [/\.field\.wrong|\.why|\.note\.good/u, 'field errors and confirmations'],
  [/\.edited|\.subject\b|\.forwarded/u, 'kinds of messages'],
  [/\.choosing|\.photo/u, 'pictures of items'],
  [/a\.about-card|\[data-host\]/u, 'external links'],
  [/\.w[1-6]$/u, 'six pairs of colours, chosen by the user id'],
  [/\.skips:/u, 'skip links without focus'],
  [/\.says .*\.(?:draft|failed)|\.no-messages|\.message-group\.same/u, 'a draft and a failure in a row; a search that finds only conversations'],
  [/\.quoted \.icon|\.own \.message-controls|\.chosen$|\[aria-pressed\]$|\.own .*\.file/u, 'own messages with files, one’s own reactions'],
  [/\.skeleton/u, 'the skeleton before the script has loaded'],
  [/\.meta\.warn/u, 'a refused message'],
  [/\.picker \.place|\.report-row \.without|\.excerpt \.icon|\.more-reports/u, 'pages in the switcher; reports of files, and more than a page of them'],
  [/\.reader time|only-avatar|\[readonly\]|\.beside:has|\.picker select/u, 'readers; a group that the user may not change'],
];
/** Classes without a rule of their own, and why. */
const WITHOUT_RULE = new Set([
  'readers', 'who-read', 'sheet-body', 'quote-place', 'found-count', 'mine', 'role', 'plain', 'asks', 'settled', 'large', 'sent',
  'under', 'last', 'offline', 'sending',
]);

test('in Chromium every screen has a correct layout, and every style rule matches something', () =>
  runJourney(async ({ server, proxy }) => {
    const conversations = await createScene(server);
    const { wide, phone } = await chromiumViews();
    const seen = newRecord();
    try {
      const variants = Object.entries(SIZES).map(([width, size]) => ({ width, size, view: size.phone ? phone : wide }));
      await visitAllScreens({ server, proxy, conversations, variants, visit: async ({ view, width, size }, screen, theme) => {
        await checkLayout(seen, view, `${screen}, ${width}, ${theme}`, size.phone);
        if (theme === 'light') await checkRules(seen, view);
      } });
      assert.deepEqual([...wide.errors, ...phone.errors], []);
    } finally {
      await wide.close();
      await phone.close();
    }
    assert.ok(seen.screens > 150, `${seen.screens} screens were checked`);
    const idle = [...seen.all].filter((one) => !seen.matched.has(one) && !UNMATCHED.some(([known]) => known.test(one)));
    const ruled = [...seen.all].join(' ');
    const bare = [...seen.classes].filter((one) => !new RegExp(`\\.${one}(?![\\w-])`, 'u').test(ruled) && !WITHOUT_RULE.has(one));
    const found = { issues: [...seen.issues], 'rules that match nothing': idle, 'classes without a rule': bare };
    assert.deepEqual(found, { issues: [], 'rules that match nothing': [], 'classes without a rule': [] });
  }, SETTINGS));

test('in Firefox every screen has a correct layout', () =>
  runJourney(async ({ server, proxy }) => {
    const conversations = await createScene(server);
    const view = await firefoxView();
    const seen = newRecord();
    try {
      const variants = Object.entries(SIZES).map(([width, size]) => ({ width, size, view }));
      await visitAllScreens({ server, proxy, conversations, variants, visit: ({ width }, screen, theme) =>
        checkLayout(seen, view, `${screen}, ${width}, ${theme}`, false) });
      assert.deepEqual(view.errors, []);
    } finally {
      await view.close();
    }
    assert.deepEqual([...seen.issues], []);
    assert.ok(seen.screens > 150, `${seen.screens} screens were checked`);
  }, SETTINGS));

/** @returns {Seen} */
function newRecord() {
  return { issues: new Set(), matched: new Set(), all: new Set(), classes: new Set(), screens: 0 };
}

/** @param {Seen} seen @param {View} view @param {string} where @param {boolean} isTouch */
async function checkLayout(seen, view, where, isTouch) {
  seen.screens += 1;
  for (const issue of await view.run(findLayoutIssues, { isTouch, reversingText: REVERSING_TEXT })) {
    seen.issues.add(`${where}: ${issue}`);
  }
}

/** @param {Seen} seen @param {View} view */
async function checkRules(seen, view) {
  const { matched, all, classes, idle } = await view.run(checkStyles, [...seen.matched]);
  for (const one of matched) seen.matched.add(one);
  for (const one of all) seen.all.add(one);
  for (const one of classes) seen.classes.add(one);
  for (const one of idle) seen.issues.add(`${one}: a size on what is drawn inline`);
}
