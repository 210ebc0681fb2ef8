/**
 * How attachments are shown: grids and frames, sizes and names, previews in the list, and the blur before a picture
 * loads.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeBlurHash } from '../src/inbox/view/blurhash.js';
import {
  splitFileName, describe, filesOf, frameOf, previewContent, gridOf, kindOf, canRetry, progressOf, refusalText, cleanFileName, sizeOf,
  pendingFiles,
} from '../src/inbox/view/attachments.js';

const MB = 1024 * 1024;

test('a single picture keeps its shape between 3:4 and 16:9 and is at most 280 pixels wide', () => {
  assert.deepEqual(frameOf({ width: 4000, height: 3000 }), { width: 280, ratio: 4 / 3 });
  assert.deepEqual(frameOf({ width: 3000, height: 4000 }), { width: 210, ratio: 3 / 4 });
  assert.deepEqual(frameOf({ width: 9000, height: 1000 }), { width: 280, ratio: 16 / 9 });
  assert.deepEqual(frameOf({ width: 90, height: 9000 }), { width: 96, ratio: 3 / 4 });
  assert.deepEqual(frameOf({ width: 200, height: 200 }), { width: 200, ratio: 1 }, 'a small picture is not enlarged');
  assert.deepEqual(frameOf({ width: 1, height: 1 }), { width: 96, ratio: 1 }, 'and is still large enough to touch');
  for (const [width, height] of [[3, 4], [4000, 10], [640, 480], [300, 900]]) {
    const frame = frameOf({ width, height });
    assert.ok(frame.width <= 280 && frame.width / frame.ratio <= 280.5, `${width} × ${height}`);
  }
});

test('several pictures form a grid of two, three or four, and the fourth shows how many more there are', () => {
  assert.deepEqual([1, 2, 3, 4, 5, 10].map((count) => gridOf(count)), [
    { shape: 'one', drawn: 1, rest: 0 }, { shape: 'two', drawn: 2, rest: 0 }, { shape: 'three', drawn: 3, rest: 0 },
    { shape: 'four', drawn: 4, rest: 0 }, { shape: 'four', drawn: 4, rest: 1 }, { shape: 'four', drawn: 4, rest: 6 },
  ]);
});

test('sizes are written in readable units', () => {
  assert.deepEqual([0, 999, 1024, 182 * 1024, 1.2 * MB, 3.4 * MB, 312 * MB, 2048 * MB].map(sizeOf),
    ['0 B', '999 B', '1 KB', '182 KB', '1.2 MB', '3.4 MB', '312 MB', '2 GB']);
  assert.equal(progressOf(1.2 * MB, 3.4 * MB), '1.2 of 3.4 MB');
  assert.equal(progressOf(0, 240 * 1024), '0 of 240 KB');
  assert.equal(describe({ name: 'receipt.pdf', media_type: 'application/pdf', bytes: 182 * 1024 }), 'PDF, 182 KB');
  assert.equal(describe({ name: 'notes', media_type: 'application/octet-stream', bytes: 12 }), 'File, 12 B');
});

test('a refusal names the size and the limit', () => {
  const words = refusalText({ code: 'too_large', title: '', limit: 100 * MB }, 312 * MB);
  assert.equal(words, '312 MB. The limit is 100 MB.');
  assert.equal(refusalText({ code: 'unheard_of', title: '' }, 1), 'The server did not accept it.');
  assert.equal(canRetry({ code: 'internal', title: '' }), true);
  assert.equal(canRetry({ code: 'too_large', title: '' }), false);
});

test('a file name cannot reverse text or break the line, and its end is never cut off', () => {
  assert.equal(cleanFileName('photo\u202Egpj.exe'), 'photogpj.exe');
  assert.equal(cleanFileName('two\nlines\u2028.txt'), 'twolines.txt');
  assert.equal(cleanFileName('\u202E'), 'File');
  assert.deepEqual(splitFileName('bus-lines-and-a-very-long-name.pdf'), ['bus-lines-and-a-very-lon', 'g-name.pdf']);
  assert.equal(splitFileName('a.b').join(''), 'a.b');
  assert.equal(splitFileName('傘傘傘👩‍👩‍👧.jpg').join(''), '傘傘傘👩‍👩‍👧.jpg');
});

test('only a file that browsers can show and that has dimensions is a picture', () => {
  assert.equal(kindOf({ media_type: 'image/png', width: 1, height: 1 }), 'picture');
  assert.equal(kindOf({ media_type: 'image/png' }), 'file');
  assert.equal(kindOf({ media_type: 'image/svg+xml', width: 10, height: 10 }), 'file');
  assert.equal(kindOf({ media_type: 'text/html' }), 'file');
  assert.equal(kindOf({ media_type: 'video/mp4', width: 640, height: 480 }), 'video');
});

/** @param {string} name @param {string} type */
const attachment = (name, type) =>
  ({ id: 5, name, media_type: type, bytes: 9, url: '/v1/files/5', width: 4, height: 3 });

test('a message without text describes its attachments', () => {
  const photo = attachment('a.jpg', 'image/jpeg');
  const paper = attachment('receipt.pdf', 'application/pdf');
  assert.deepEqual(previewContent({ text: '', attachments: [photo] }), { text: 'Photo', sign: 'picture' });
  assert.deepEqual(previewContent({ text: '', attachments: [photo, photo, photo] }), { text: '3 photos', sign: 'picture' });
  assert.deepEqual(previewContent({ text: '', attachments: [paper] }), { text: 'receipt.pdf', sign: 'file' });
  assert.deepEqual(previewContent({ text: '', attachments: [paper, photo] }), { text: '2 files', sign: 'file' });
  assert.deepEqual(previewContent({ text: 'Here', attachments: [photo] }), { text: 'Here', sign: 'picture' });
  assert.deepEqual(previewContent({ text: 'Here', subject: 'Umbrella' }), { text: 'Umbrella: Here', sign: null });
});

test('a waiting file shows its progress, and a file sent from this page is not downloaded', () => {
  const file = new Blob(['x']);
  const item = /** @type {any} */ ({
    client_id: 'm', uploads: ['u'], attachments: [{ ...attachment('a.jpg', 'image/jpeg'), id: 0, url: '' }],
  });
  const [shown] = pendingFiles(item, () => /** @type {any} */ ({ sent: 4, file, attachment: null }));
  assert.deepEqual([shown.key, shown.sent, shown.underWay, shown.local === file, shown.url], ['u', 4, true, true, null]);
  const [lost] = pendingFiles(item, () => undefined);
  assert.deepEqual([lost.sent, lost.local], [0, null]);
  const message = /** @type {any} */ ({ attachments: [attachment('a.jpg', 'image/jpeg')] });
  assert.equal(filesOf(message, (id) => (id === 5 ? file : undefined))[0].local, file);
});

const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#$%*+,-.:;=?@[]^_{|}~';

/** @param {number} value @param {number} length */
function digits(value, length) {
  let text = '';
  for (let rest = value; text.length < length; rest = Math.floor(rest / 83)) text = DIGITS[rest % 83] + text;
  return text;
}

test('a hash of one colour gives that colour everywhere', () => {
  const pixels = decodeBlurHash(`00${digits(0xc86432, 4)}`, 3, 2);
  assert.deepEqual([...(pixels ?? [])], Array.from({ length: 6 }, () => [0xc8, 0x64, 0x32, 255]).flat());
});

test('a horizontal component makes the left side lighter', () => {
  const across = decodeBlurHash(`1~${digits(0x808080, 4)}${digits(18 * 361 + 18 * 19 + 18, 2)}`, 8, 2);
  assert.ok(across && across[0] > across[7 * 4], 'the wave starts at its maximum');
  assert.equal(across[0], across[8 * 4], 'and is the same in every row');
  const down = decodeBlurHash(`9~${digits(0x808080, 4)}${digits(18 * 361 + 18 * 19 + 18, 2)}`, 2, 8);
  assert.ok(down && down[0] > down[7 * 2 * 4]);
});

test('the example of the specification has its average colour, and an invalid hash gives nothing', () => {
  const pixels = decodeBlurHash('LEHV6nWB2yk8pyo0adR*.7kCMdnj', 64, 64);
  assert.ok(pixels);
  for (const [part, average] of [151, 150, 149].entries()) {
    let sum = 0;
    for (let at = part; at < pixels.length; at += 4) sum += pixels[at];
    assert.ok(Math.abs(sum / 4096 - average) < 12, `part ${part} is ${sum / 4096}`);
  }
  for (const wrong of ['', 'LEHV6', 'LEHV6nWB2yk8pyo0adR*.7kCMdn', 'LEHV6nWB2yk8pyo0adR*.7kCMd"j', '<script>']) {
    assert.equal(decodeBlurHash(wrong, 4, 4), null);
  }
});
