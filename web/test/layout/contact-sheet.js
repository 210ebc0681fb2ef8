/**
 * The contact sheet: `npm run sheet` takes screenshots of every screen and state in both themes and three widths, and
 * writes them, with a page that shows them all, to the folder `SHEET`, or to a temporary one.
 *
 * `BROWSERS=chromium,firefox` selects the browsers (default: Chromium), `LOCALE=ar` the language (`pseudo`
 * for accented texts that are longer; both need PARLOR_WEB=web/src), `ONLY=group` the screens with that word in
 * their name, `WIDTHS=390` some of the widths. The faults that `checks.js` finds stand below each picture.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runJourney } from '../journeys/support/journey.js';
import { findLayoutIssues } from './checks.js';
import { visitAllScreens } from './visit-all.js';
import { REVERSING_TEXT, SETTINGS, createScene } from './scene.js';
import { pageLanguage, pseudoLanguage } from './page-language.js';
import { SIZES, chromiumViews, firefoxView } from './browser-view.js';

/** @import {View} from './browser-view.js' */

const folder = process.env.SHEET ?? join(tmpdir(), 'parlor-sheet');
const locale = process.env.LOCALE ?? 'en-GB';
const browsers = (process.env.BROWSERS ?? 'chromium').split(',');
const widths = Object.keys(SIZES).filter((one) => !process.env.WIDTHS || process.env.WIDTHS.split(',').includes(one));
/** @type {{screen: string, file: string, width: string, theme: string, browser: string, issues: string[]}[]} */
const taken = [];

mkdirSync(folder, { recursive: true });
await runJourney(async ({ server, proxy }) => {
  const conversations = await createScene(server);
  /** @type {View[]} */
  const views = [];
  try {
    const chromium = browsers.includes('chromium') ? await chromiumViews(locale === 'pseudo' ? pseudoLanguage() : pageLanguage(locale)) : null;
    if (chromium) views.push(chromium.wide, chromium.phone);
    const firefox = browsers.includes('firefox') ? await firefoxView() : null;
    if (firefox) views.push(firefox);
    const variants = widths.flatMap((width) => {
      const size = SIZES[width];
      const mine = [size.phone ? chromium?.phone : chromium?.wide, firefox];
      return mine.filter((view) => view !== undefined && view !== null).map((view) => ({ view, size, width }));
    });
    const only = process.env.ONLY ?? '';
    await visitAllScreens({ server, proxy, conversations, variants, only, visit: async ({ view, width, size }, screen, theme) => {
      const file = `${screen.replaceAll(/[^\p{L}\d]+/gu, '-')}-${width}-${theme}-${view.name.replaceAll(' ', '-')}.png`;
      await view.takeScreenshot(join(folder, file));
      const issues = await view.run(findLayoutIssues, {
        isTouch: size.phone && view.name !== 'Firefox', reversingText: REVERSING_TEXT,
      });
      for (const issue of issues) process.stdout.write(`${screen}, ${width}, ${theme}, ${view.name}: ${issue}\n`);
      taken.push({ screen, file, width, theme, browser: view.name, issues });
    } });
  } finally {
    for (const view of views) await view.close();
  }
}, SETTINGS);
writeFileSync(join(folder, 'index.html'), page());
process.stdout.write(`${taken.length} pictures: ${join(folder, 'index.html')}\n`);
process.exit(0);

/** @returns {string} */
function page() {
  const safe = (/** @type {string} */ text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  const names = [...new Set(taken.map((one) => one.screen))];
  const rows = names.map((name) => `<h2>${safe(name)}</h2><div>${taken.filter((one) => one.screen === name).map((one) =>
    `<figure><a href="${one.file}"><img src="${one.file}" loading="lazy" height="400"></a><figcaption>${one.width} ${one.theme}`
    + ` ${one.browser}${one.issues.map((issue) => `<br><b>${safe(issue)}</b>`).join('')}</figcaption></figure>`).join('')}</div>`);
  return `<!doctype html><meta charset="utf-8"><title>Screens</title><style>body{font:14px system-ui;margin:16px;background:#ddd}
div{display:flex;flex-wrap:wrap;gap:12px}figure{margin:0;max-width:640px}img{max-width:100%;border:1px solid #888}b{color:#a00}</style>${rows.join('\n')}`;
}
