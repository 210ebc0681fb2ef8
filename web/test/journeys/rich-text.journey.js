/**
 * Rich text that is pasted: what becomes of it, that nothing in it runs or loads, and that it cannot freeze the page.
 *
 * @import {Page} from 'playwright-core'
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ITEM } from './support/fixtures.js';
import { field } from './support/message-steps.js';
import { runJourney } from './support/journey.js';
import { UserPage } from './support/user-page.js';
import { until } from './support/wait.js';

const MODULE = '/web/inbox/thread/pasted-text.js';

/** Pastes what a browser has on the clipboard. @param {Page} page @param {Record<string, string>} data
 * @param {boolean} [picture] beside it @returns {Promise<boolean>} whether the page leaves it to the browser */
function paste(page, data, picture = false) {
  return page.getByRole('textbox', { name: 'Message' }).evaluate((element, [texts, withPicture]) => {
    const clipboard = new DataTransfer();
    for (const [type, text] of Object.entries(/** @type {Record<string, string>} */ (texts))) clipboard.setData(type, text);
    if (withPicture) {
      const bytes = Uint8Array.from(atob('iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=='), (one) => one.charCodeAt(0));
      clipboard.items.add(new File([bytes], 'image.png', { type: 'image/png' }));
    }
    return element.dispatchEvent(new ClipboardEvent('paste', { clipboardData: clipboard, bubbles: true, cancelable: true }));
  }, /** @type {const} */ ([data, picture]));
}

/** HTML, and what it is as a text. @type {Record<string, [string, string]>} */
const TEXTS = {
  'a link with words': ['See <a href="https://wien.example/karlsplatz">the map</a>, please.', 'See the map (https://wien.example/karlsplatz), please.'],
  'a link that is its own text': ['At <a href="https://wien.example/">wien.example</a>!', 'At https://wien.example/!'],
  'a link that is cut off': ['<a href="https://wien.example/karlsplatz/1">wien.example/karls…</a> <a href="https://a.example/">more…</a>', 'https://wien.example/karlsplatz/1 more… (https://a.example/)'],
  'a link without words': ['<a href="https://wien.example/a"><img src="https://wien.example/a.png" alt="A photo"></a>', 'https://wien.example/a'],
  'an address': ['<a href="mailto:ada@a.example?subject=x">ada@a.example</a> or <a href="mailto:ben@a.example">Ben</a>', 'ada@a.example or Ben (ben@a.example)'],
  'links that are none': [
    '<a href="javascript:alert(1)">one</a> <a href="/relative">two</a> <a href="#top">three</a> <a href="https://me:pw@a.example">four</a> <a href="data:text/html,x">five</a>',
    'one two three four five',
  ],
  'a text that names another address': ['<a href="https://evil.example/">https://bank.example</a>', 'https://bank.example (https://evil.example/)'],
  'brackets of a URL': ['<a href="https://a.example/b(c">x</a> <a href="https://a.example/b_(c)">y</a>', 'x (https://a.example/b%28c) y (https://a.example/b_(c))'],
  'paragraphs and lines': ['<h1>Title</h1><p>One\n  two<br>three</p>\n<div>four</div><div><div>five</div></div>', 'Title\n\nOne two\nthree\n\nfour\nfive'],
  'lists': [
    '<p>Bring</p><ul><li>a <b>key</b></li><li><p>keys</p><ol start="3"><li>red</li><li>blue</li></ol></li></ul><p>Thanks</p>',
    'Bring\n\n- a *key*\n- keys\n  3. red\n  4. blue\n\nThanks',
  ],
  'a table': ['<table><tr><th>Day</th><th>Hour</th></tr><tr><td>Monday</td><td>9</td></tr></table>', 'Day\tHour\nMonday\t9'],
  'code': ['Run <code>ls -l</code>:<pre><code>let a = 1;\n  a += 1;\n</code></pre>', 'Run `ls -l`:\n\n```\nlet a = 1;\n  a += 1;\n```'],
  'emphasis': ['<b>Bold</b>, <i>italic </i>and <em><strong>both</strong></em>.', '*Bold*, _italic_ and _*both*_.'],
  'emphasis that the markup cannot say': ['un<b>believ</b>able, 2<b>*</b>3, <b>—</b>, <b>a<br>b</b>', 'unbelievable, 2*3, —, a\nb'],
  'the wrapper of an office suite': ['<b style="font-weight:normal" id="docs-internal-guid-1"><p>Plain</p></b>', 'Plain'],
  'hidden text': [
    '<style>p{}</style><p>Seen<span style="display:none"> not</span><span hidden> nor</span><span style="font-size: 0"> this</span><span style="position: absolute; left: -9999px">far</span><span class="x sr-only">spoken</span><span style="color: red; clip: rect(0 0 0 0)">cut</span><!-- nor this --><script>alert(1)</script><template>x</template></p>',
    'Seen',
  ],
  'what only looks like a style': [
    '<a title="a>b" href="https://a.example/style=dark?online=1">x</a><span title="a>b" style="display:none">y</span>',
    'x (https://a.example/style=dark?online=1)',
  ],
  'emoji that are pictures': ['Hi <img alt="🙂" src="https://a.example/1.png"><img alt="A cat" src="https://a.example/2.png">', 'Hi 🙂'],
  'spaces': ['<p>a&nbsp;&nbsp;b <span> c</span> </p>', 'a b c'],
};

test('links, lists, lines and code of rich text are kept as text; nothing in it runs or loads', () =>
  runJourney(async ({ server, browser }) => {
    const ada = await UserPage.open(browser, server.links.ada);
    const { page } = ada;
    /** @type {string[]} */
    const foreign = [];
    page.on('request', (request) => /\.example/u.test(request.url()) && foreign.push(request.url()));
    await ada.openConversation(ITEM);
    for (const [name, [html, wanted]] of Object.entries(TEXTS)) {
      const text = await page.evaluate(async ([module, source]) => (await import(module)).textOfHtml(source), [MODULE, html]);
      assert.equal(text, wanted, name);
    }
    await field(ada).fill('Before  after');
    await field(ada).evaluate((one) => /** @type {HTMLTextAreaElement} */ (one).setSelectionRange(7, 7));
    const html = '<p onclick="alert(1)" style="color: red">the <a href="https://wien.example/a">map</a><img src="https://wien.example/b.png" onerror="alert(1)"></p>';
    assert.equal(await paste(page, { 'text/html': html, 'text/plain': 'the map' }), false);
    await until(() => field(ada).inputValue(), (text) => text === 'Before the map (https://wien.example/a) after', 'it is inserted');
    await page.keyboard.press('Control+z');
    assert.equal(await field(ada).inputValue(), 'Before  after', 'the user can undo it');
    assert.equal(await paste(page, { 'text/html': '<p>the <span>map</span></p>', 'text/plain': 'the map' }), true, 'the browser pastes it');
    await field(ada).fill('');
    await paste(page, { 'text/html': '<p>only HTML</p>' });
    await until(() => field(ada).inputValue(), (text) => text === 'only HTML', 'HTML alone is text, too');
    assert.deepEqual(foreign, []);
    assert.deepEqual(ada.errors, []);
  }));

test('a picture beside rich text is not attached, a picture alone is; megabytes of HTML do not freeze the page', () =>
  runJourney(async ({ server, browser }) => {
    const ada = await UserPage.open(browser, server.links.ada);
    const { page } = ada;
    await ada.openConversation(ITEM);
    const files = page.locator('parlor-upload-tray .upload');
    await paste(page, { 'text/html': '<table><tr><td>1</td><td>2</td></tr></table>', 'text/plain': '1\t2' }, true);
    await until(() => field(ada).inputValue(), (text) => text === '1\t2', 'the cells');
    assert.equal(await files.count(), 0);
    await paste(page, { 'text/html': '<meta charset="utf-8"><img src="https://a.example/cat.png" alt="A cat">' }, true);
    await files.first().waitFor();
    assert.equal(await files.count(), 1);
    await field(ada).fill('');
    for (const [name, source] of [
      ['much text', `<p><b>${'many words '.repeat(300_000)}</b></p>`],
      ['many links', '<a href="https://a.example/">x</a> '.repeat(28_000)],
      ['deep nesting', `${'<b><i>'.repeat(400)}x${'</i></b>'.repeat(400)}`.repeat(90)],
      ['many spaces', `<pre>${' '.repeat(180_000)}x\n${' '.repeat(180_000)}</pre>`],
      ['many marks', '<b>a</b>*<i>b</i>_'.repeat(20_000)],
      ['many comments', '<!--'.repeat(240_000)],
      ['many open tags', '<b '.repeat(330_000)],
      ['many styles', '<b style= "'.repeat(90_000)],
      ['many rows', `<table>${'<tr><td>1<td>2'.repeat(60_000)}</table>`],
    ]) {
      const took = await page.evaluate(async ([module, html]) => {
        const { textOfHtml } = await import(module);
        const begun = performance.now();
        textOfHtml(html);
        return performance.now() - begun;
      }, [MODULE, source]);
      assert.ok(took < 3_000, `${name}: ${took} ms`);
      await paste(page, { 'text/html': source, 'text/plain': name });
      if (!['many spaces', 'many comments', 'many open tags', 'many styles'].includes(name)) {
        await until(() => field(ada).inputValue(), (text) => text !== '', name);
      }
      await field(ada).fill('');
    }
    await paste(page, { 'text/html': '<li>word</li>'.repeat(9_000), 'text/plain': 'short' });
    await page.getByText(/^Not pasted: [\d,]+ characters/u).waitFor();
    assert.deepEqual(ada.errors, []);
  }));
