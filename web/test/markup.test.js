/**
 * Markup and links in message texts, and texts that only look like them.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { previewContent } from '../src/inbox/view/attachments.js';
import { stripMarkup, parseMarkup } from '../src/inbox/view/markup.js';
import { payloads } from './journeys/support/hostile-texts.js';

/** Writes out the meaning of a text. @param {string} text @returns {string} */
function render(text) {
  return parseMarkup(text).map((piece) => {
    switch (piece.type) {
      case 'mark':
        return '';
      case 'code':
        return `<c>${piece.text}</c>`;
      case 'block':
        return `<pre>${piece.text}</pre>`;
      default: {
        const inner = piece.type === 'link' ? `<a>${piece.text}</a>` : piece.text;
        const italic = piece.italic ? `<i>${inner}</i>` : inner;
        return piece.bold ? `<b>${italic}</b>` : italic;
      }
    }
  }).join('');
}

/** @param {string} text @returns {string[]} */
function hrefs(text) {
  return parseMarkup(text).flatMap((piece) => (piece.type === 'link' ? [piece.href] : []));
}

/** @param {string} text @returns {string[]} the texts of its links */
function links(text) {
  return parseMarkup(text).flatMap((piece) => (piece.type === 'link' ? [piece.text] : []));
}

test('bold, italic and code are recognised within a line', () => {
  assert.equal(render('See *bold*, _this_ and `ref-2041`.'), 'See <b>bold</b>, <i>this</i> and <c>ref-2041</c>.');
  assert.equal(render('*bold and _both_*'), '<b>bold and </b><b><i>both</i></b>');
  assert.equal(render('_*both*_'), '<b><i>both</i></b>');
  assert.equal(render('(*so*), „_so_“!'), '(<b>so</b>), „<i>so</i>“!');
  assert.equal(render('*fünf Äpfel*'), '<b>fünf Äpfel</b>');
  assert.equal(render('*one* and *two*'), '<b>one</b> and <b>two</b>');
});

test('text that is no markup stays unchanged', () => {
  for (const text of [
    'snake_case_name', '2*3*4', '2 * 3 * 4', '* a point', '__init__', '**', '***', '_', '* *', '*a', 'a*', '*a\nb*',
    '``', '` `', 'a`b', '_a*', 'ä*ö*ü', '漢*字*漢', '*_*', '-*-', '*a *',
  ]) assert.equal(render(text), text);
});

test('markup nests and never overlaps', () => {
  assert.equal(render('*a _b* c_'), '<b>a _b</b> c_');
  assert.equal(render('_a *b_ c*'), '<i>a *b</i> c*');
  assert.equal(render('*a *b*'), '*a <b>b</b>');
});

test('code and links contain no markup', () => {
  assert.equal(render('`*a* https://a.example/`'), '<c>*a* https://a.example/</c>');
  assert.equal(render('https://a.example/a_b_c*d*'), '<a>https://a.example/a_b_c*d*</a>');
  assert.equal(render('*see https://a.example/x_y*'), '<b>see </b><b><a>https://a.example/x_y</a></b>');
  assert.equal(render('*`a`* b'), '<c>a</c> b');
});

test('a code block stands between fences', () => {
  assert.equal(render('```\nlet a = *b*;\n```'), '<pre>let a = *b*;</pre>');
  assert.equal(render('so:\n```js\na\n\nb\n```\nand *on*'), 'so:<pre>a\n\nb</pre>and <b>on</b>');
  assert.equal(render('```one line```'), '<pre>one line</pre>');
  assert.equal(render('```\na\n```\n```\nb\n```'), '<pre>a</pre><pre>b</pre>');
  assert.equal(render('```\nnever ended'), '```\nnever ended');
  assert.equal(render('``````'), '``````');
  assert.equal(render('```\n\n```'), '```\n\n```');
});

test('URLs become links', () => {
  assert.deepEqual(hrefs('https://a.example/x?y=1#z http://b.example mailto:ada@a.example'),
    ['https://a.example/x?y=1#z', 'http://b.example/', 'mailto:ada@a.example']);
  assert.deepEqual(hrefs('www.a.example and wien.example/karlsplatz'),
    ['https://www.a.example/', 'https://wien.example/karlsplatz']);
  assert.deepEqual(hrefs('write to ada.w@mail.example.'), ['mailto:ada.w@mail.example']);
  assert.deepEqual(links('HTTPS://A.Example/'), ['HTTPS://A.Example/']);
  assert.deepEqual(links('请看https://a.example/路，谢谢'), ['https://a.example/路']);
  assert.deepEqual(links('http://localhost:8080/a http://192.168.0.1/ http://[::1]/'),
    ['http://localhost:8080/a', 'http://192.168.0.1/', 'http://[::1]/']);
});

test('punctuation after a URL is not part of the link', () => {
  for (const [text, link] of [
    ['See https://a.example/.', 'https://a.example/'],
    ['(https://a.example/x)', 'https://a.example/x'],
    ['https://a.example/x_(y)', 'https://a.example/x_(y)'],
    ['(https://a.example/x_(y)).', 'https://a.example/x_(y)'],
    ['[a](https://a.example/x)', 'https://a.example/x'],
    ['"https://a.example/x"', 'https://a.example/x'],
    ['<https://a.example/x>', 'https://a.example/x'],
    ['https://a.example/x…', 'https://a.example/x'],
    ['*https://a.example/x*', 'https://a.example/x'],
    ['https://a.example/x?!', 'https://a.example/x'],
    ['“www.a.example”', 'www.a.example'],
  ]) assert.deepEqual(links(text), [link], text);
});

test('text that is no URL stays text', () => {
  for (const text of [
    'readme.md', 'e.g. this', 'and/or', '1.5/2', 'a.b/c', 'etc./usw.', 'Hello.World', '10.30/11', 'www', 'www.',
    'http://',
    'https://.', 'mailto:', 'mailto:nobody', 'javascript:alert(1)', 'JaVaScRiPt://evil.example/%0aalert(1)',
    'vbscript:msgbox(1)', 'data:text/html,<script>alert(1)</script>', 'file:///etc/passwd', 'ftp://a.example/',
    'tel:+431', 'about:blank', 'blob:https:', 'xhttps://a.example', '//evil.example/', '#/settings', 'a@b',
    '@a.example/x',
    'http://ada.example@evil.example/', 'https://user:pass@a.example/', 'http://%zz/', 'https://[', 'ws://a.example/',
    'view-source:data', 'java\u0000script:alert(1)', 'java\tscript:alert(1)',
  ]) assert.deepEqual(hrefs(text), [], text);
});

test('a URL with confusable letters shows where it leads', () => {
  const host = (/** @type {string} */ text) => parseMarkup(text).flatMap((one) => (one.type === 'link' ? [one.host] : []))[0];
  assert.equal(host('https://раrlor.example/'), 'xn--rlor-43d9g.example');
  assert.equal(host('https://аррӏе.example/'), 'xn--80ak6aa92e.example');
  for (const text of [
    'https://parlor.example/', 'https://müller.example/', 'https://例え.example/', 'https://пример.рф/',
  ]) {
    assert.equal(host(text), null, text);
  }
});

test('directional and invisible characters end a URL', () => {
  assert.deepEqual(links('https://a.example/\u202Egpj.exe'), ['https://a.example/']);
  assert.deepEqual(links('https://a.exa\u200Bmple/x'), ['https://a.exa']);
  assert.deepEqual(links('\u2067https://a.example/x\u2069'), ['https://a.example/x']);
});

/** Checks the properties that hold for any text. @param {string} text */
function assertSafe(text) {
  const pieces = parseMarkup(text);
  assert.equal(pieces.map((one) => one.text).join(''), text);
  for (const one of pieces) {
    assert.notEqual(one.text, '');
    if (one.type !== 'link') continue;
    assert.match(one.href, /^(https?:\/\/|mailto:)/u);
    assert.doesNotMatch(one.text, /[\s<>"`\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069]/u);
    assert.equal(new URL(one.href).username, '');
  }
  assert.ok(stripMarkup(text).length <= text.length);
}

test('every hostile text stays unchanged and gets no harmful link', () => {
  for (const text of payloads) assertSafe(text);
  assert.deepEqual(payloads.flatMap(hrefs).filter((one) => !/^https?:/u.test(one)), []);
});

test('the parts of any text add up to the text', () => {
  const part = fc.constantFrom('*', '_', '`', '```', '\n', ' ', 'a', 'bc', '1', '.', '/', ':', 'https://', 'www.',
    'mailto:', 'a.example', '(', ')', '[', ']', '@', '"', '<', '\u202e', '漢', '👍', '\ud83d', '\\', 'javascript:', '#', '?', '😀*', '—', '’', '\u200d', '\u200c', 'می', '\ufe0f');
  fc.assert(fc.property(fc.array(part, { maxLength: 60 }).map((parts) => parts.join('')), assertSafe), { numRuns: 3_000 });
  fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 200 }), assertSafe), { numRuns: 1_000 });
});

test('no link starts within a word', () => {
  for (const [text, expected] of /** @type {[string, string[]][]} */ ([
    ['ölmann@a.example', []], ['kölmann@a.example', []], ['иван@a.example', []], ['ιλμαν@a.example', []],
    ['öl\u00admann@a.example', []], ['o\u0308lmann@a.example', []], ['öl\u200bmann@a.example', []], ['نlmann@a.example', []],
    ['한lmann@a.example', []], ['éhttps://a.example/', []], ['яhttps://a.example/', []], ['\u{10400}www.a.example', []],
    ["o'brien@a.example", ["o'brien@a.example"]], ['R&D@a.example', ['R&D@a.example']],
    ['first_last@a.example', ['first_last@a.example']], ['_ada@a.example', ['_ada@a.example']],
    ['ü.example/x', ['ü.example/x']], ['müller.de/karte', ['müller.de/karte']], ['ämyhost.com/x', ['ämyhost.com/x']],
    ['请联系ada@a.example谢谢', ['ada@a.example']], ['電話はwww.a.example', ['www.a.example']],
    ['ดูที่https://a.example/x', ['https://a.example/x']],
    ['see:https://a.example/', ['https://a.example/']], ['url=https://a.example/', ['https://a.example/']],
    ['x@y@a.example', []], ['a.example/x@b.example', ['a.example/x@b.example']],
    ['git@host.example:group/project', []], ['user:secret@host.example', []],
  ])) assert.deepEqual(links(text), expected, text);
});

test('markup characters stay within a link, and at its end unless they also stand before it', () => {
  for (const [text, link] of [
    ["https://a.example/it's_a=b&c*d", "https://a.example/it's_a=b&c*d"],
    ['https://a.example/x_', 'https://a.example/x_'], ['https://a.example/x*', 'https://a.example/x*'],
    ['https://a.example/?q=', 'https://a.example/?q='], ['https://a.example/?a&', 'https://a.example/?a&'],
    ["https://a.example/x'", "https://a.example/x'"], ["'https://a.example/x'", 'https://a.example/x'],
    ["'https://a.example/x'.", 'https://a.example/x'], ['_https://a.example/x_', 'https://a.example/x'],
    ['**https://a.example/x**', 'https://a.example/x'], ['*https://a.example/x', 'https://a.example/x'],
    ['*see https://a.example/x_y*', 'https://a.example/x_y'], ['_see https://a.example/x_', 'https://a.example/x'],
    ['*see* https://a.example/x*', 'https://a.example/x*'], ['*https://a.example*', 'https://a.example'],
    ["'www.a.example'", 'www.a.example'],
    ['https://a.example/x*.', 'https://a.example/x*'],
    ['https://a.example/a(b)c', 'https://a.example/a(b)c'], ['(see https://a.example/a)b', 'https://a.example/a'],
    ['[https://a.example/a](x)', 'https://a.example/a'], ['https://a.example/x(', 'https://a.example/x'],
    ['https://a.example/a_(b)_(c)', 'https://a.example/a_(b)_(c)'], ['{https://a.example/{x}}', 'https://a.example/{x}'],
    ['‘https://a.example/x’', 'https://a.example/x'],
    ['_ada@a.example_', 'ada@a.example'], ['*ada@a.example*', 'ada@a.example'], ["'ada@a.example'", 'ada@a.example'],
    ['(ada@a.example)', 'ada@a.example'], ['is it ada@a.example?', 'ada@a.example'],
    ['ada@a.example: yes', 'ada@a.example'], ['mail=ada@a.example', 'ada@a.example'],
  ]) assert.deepEqual(links(text), link === '' ? [] : [link], text);
});

test('nothing directly after a host becomes part of its name', () => {
  for (const behind of [
    '😀', '✅', '❤️', '👨‍👩‍👧', '🇦🇹', '1️⃣', 'ℹ️', '—no', '–no', '’s', '‘', '”', '‟x', '،', '؟', '؛', '۔', '،ثم', '।', '॥', '›', '‹',
    '〕', '〉', '»', '…', '…and', '→', '→b', '•', '·', '™', '²', '½', '€5', '￥', '\u2044evil.example/', '谢谢', 'です', '에서',
    'ค่ะ', '\ufe0f', '〜', '～x', '／evil', '｡', '︱', '😀.', '.😀', '✅✅', '😀/x',
  ]) {
    for (const [server, href] of [
      ['https://example.com', 'https://example.com/'], ['www.example.com', 'https://www.example.com/'],
      ['https://example.com:8080', 'https://example.com:8080/'], ['https://müller.example', 'https://xn--mller-kva.example/'],
    ]) {
      assert.deepEqual(links(server + behind), [server], server + behind);
      assert.deepEqual(hrefs(server + behind), [href], server + behind);
    }
  }
  assert.deepEqual(links('mailto:ada@a.example😀'), ['mailto:ada@a.example']);
  assert.deepEqual(links('https://example.com’s and www.b.example—so'), ['https://example.com', 'www.b.example']);
  for (const name of ['https://i❤️.example/', 'https://😀.example/', 'https://my‑site.example/', 'https://x😀y@b.example/']) {
    assert.deepEqual(links(name), [], `half of ${name} is another server`);
  }
  for (const name of [
    'https://例え.jp/', 'https://例・え.jp/', 'https://col·lecció.cat/', 'https://할리스.kr/', 'https://موقع.example/',
    'https://हिन्दी.example/', 'https://می\u200cخواهم.example/', 'https://www.中文abc谢.example/',
  ]) assert.deepEqual(links(name), [name]);
});

test('punctuation after a path is dropped, and characters that the path needs stay', () => {
  for (const behind of [
    '😀', '✅', '❤️', '👨‍👩‍👧', '🇦🇹', '👍🏽', '—no', '—', '–', '’', '،', '؟', '؛', '۔', '।', '॥', '›', '〕', '»', '…', '!😀', '😀!', '.✅.',
  ]) assert.deepEqual(links(`https://a.example/way${behind}`), ['https://a.example/way'], behind);
  for (const path of [
    'می\u200cخواهم', 'क्\u200dष', '😀', '👨‍👩‍👧', 'a/👩‍🚀', 'x-😀', '?q=👍🏽', 'Paris–Roubaix', 'ב׳', '路', 'l’eau', '👨‍👩‍👧/x', '❤️‍🔥/x',
  ]) {
    const address = `https://a.example/${path}`;
    assert.deepEqual(links(address), [address]);
    assert.deepEqual(hrefs(`(${address})`), [new URL(address).href]);
  }
  for (const hidden of ['a\u200cb', 'a\u200db', '1\u200d2', 'й\u200ca', '\u200cй']) {
    assert.deepEqual(links(`https://a.example/x${hidden}`), [`https://a.example/x${hidden.split(/[\u200c\u200d]/u)[0]}`]);
  }
});

test('two adjacent links are two links', () => {
  for (const sign of [',', ';', '|']) {
    assert.deepEqual(links(`https://a.example/x${sign}https://b.example/y`),
      ['https://a.example/x', 'https://b.example/y']);
    assert.deepEqual(links(`https://a.example${sign}www.b.example${sign}ada@c.example`),
      ['https://a.example', 'www.b.example', 'ada@c.example']);
    assert.deepEqual(links(`ada@a.example${sign}ben@b.example`), ['ada@a.example', 'ben@b.example']);
  }
  assert.deepEqual(links('https://a.example/1,2;3|4'), ['https://a.example/1,2;3|4']);
  assert.deepEqual(links('https://web.example/https://b.example/'), ['https://web.example/https://b.example/']);
  assert.deepEqual(links('https://.,https://a.example/'), ['https://a.example/']);
});

test('a file name is no link', () => {
  for (const text of [
    'README.md', 'README.md/', 'README.md/x', 'main.rs/tests', 'setup.py/x', 'run.sh/now', 'a.zip/b', 'film.mov/1',
    'Node.js/React', 'index.ts/x', 'style.css/a', 'tsconfig.json/x', 'script.pl/a', 'lib.so/a', 'photo.jpg/large',
    'icon@2x.png', 'photo@3x.jpg', 'bundle@1.js', 'src/README.md', './a.md', 'v1.2.md', 'foo.unknownend/x',
  ]) assert.deepEqual(links(text), [], text);
  for (const text of ['www.readme.md/x', 'https://readme.md', 'ada@parlor.rs', 'a.co.uk/x', 'xn--mller-kva.de/x']) {
    assert.deepEqual(links(text), [text], text);
  }
});

test('a host with confusable letters shows its ASCII form', () => {
  const host = (/** @type {string} */ text) => parseMarkup(text).flatMap((one) => (one.type === 'link' ? [one.host] : []))[0];
  assert.equal(host('https://ɡoogle.com/'), 'xn--oogle-qmc.com');
  assert.equal(host('https://a．example/'), 'a.example');
  assert.equal(host('https://xn--80ak6aa92e.com/'), null, 'punycode is shown as it is written');
});

test('markup opens after a space or a bracket and closes before their counterparts', () => {
  for (const text of [
    '^_^ nice ^_^', 'src/*.js, lib/*.css', '(a+b)*(c+d)*(e+f)', '*.js, lib/*.css', 'f(x)*g(y)*h', 'a*b* c', 'x *y*z',
    '/*note*/', 'a_b_ c', '5*3*2', '>_< or >_<', '(*_*)', '*^_^*', '*...*', 'é_a_é', '1*2* 3', 'a:*b*', 'a.*b*', 'a/_b_',
    'int *p, *q', '~*x*~', '_a_b', '*a*b',
  ]) assert.equal(render(text), text);
  for (const [text, expected] of [
    ['(*a*)', '(<b>a</b>)'], ['"*a*"', '"<b>a</b>"'], ['«_a_»', '«<i>a</i>»'], ['*a*!?', '<b>a</b>!?'],
    ['[_a_], b', '[<i>a</i>], b'], ['*a*. b', '<b>a</b>. b'], ['*a* – b', '<b>a</b> – b'], ['*a*—b', '<b>a</b>—b'],
    ["'*a*'", "'<b>a</b>'"], ['¿*qué*?', '¿<b>qué</b>?'], ['*😀*', '<b>😀</b>'], ['*אבג*', '<b>אבג</b>'],
    ['_*a*_!', '<b><i>a</i></b>!'],
  ]) assert.equal(render(text), expected, text);
});

test('a preview shows no fences and no markup characters', () => {
  const previewOf = (/** @type {string} */ text, /** @type {string} */ subject = '') => previewContent({ text, subject }).text;
  assert.equal(previewOf('```js\nlet a;\n```'), 'let a;');
  assert.equal(previewOf('```js\nlet a;\n```', 'Code'), 'Code: let a;');
  assert.equal(previewOf('*a* and `b`', 'A *subject*'), 'A *subject*: a and b');
  assert.equal(previewOf('```js\nnot ended'), 'not ended');
  assert.equal(previewOf('```'), '```');
  assert.equal(previewOf('so:\n```\na\n```\nand'), 'so: a and');
});

/** Long enough that anything worse than linear time would not finish. */
const LONG = 60_000;
/** Steps per character. */
const STEPS_MAX = 80;

test('no text takes more steps than its length allows', { timeout: 60_000 }, () => {
  for (const part of [
    '*', '_', '`', '* ', ' *', '*a', '_a ', '*_', '`a', '```', '```\n', '\n```a', 'a.', 'a.a/', 'http://', 'www.', '((((',
    '))))', 'a@', '@a', 'https://a.example/', '(https://a', '.a', '-', 'a-', '%', '\\', 'mailto:a@', 'a*b_c', '\u0301',
    'ａ', '_*`', 'xhttp://', '.com/', '&', 'https://a.example/()', '[', '!?', ',a@b.', ',https://', 'https://a.example/)',
    '|www.a', 'https://.', 'https://(', "'", "a'@b.example", '.com/x)', '漢.com/', 'mailto:', 'a@b.example', '*.', ' *!!!!!!!!!!',
    '😀', 'https://a.example/x😀', 'https://a.example/x😀.😀!', '😀.', 'x😀', '—', 'https://a.b谢', 'می\u200c', '👩\u200d', '．', 'a😀.b/',
    'https://a.b😀',
  ]) {
    const text = part.repeat(Math.ceil(LONG / part.length));
    const meter = { steps: 0 };
    const pieces = parseMarkup(text, meter);
    assert.equal(pieces.reduce((sum, one) => sum + one.text.length, 0), text.length, JSON.stringify(part));
    assert.ok(pieces.length < 5_000, 'and the number of elements stays bounded');
    assert.ok(meter.steps <= STEPS_MAX * text.length, `${JSON.stringify(part)}: ${meter.steps / text.length}`);
  }
});
