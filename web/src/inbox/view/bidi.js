/**
 * Keeps the direction of a text within that text. Pure.
 *
 * Characters that control direction (embeddings, overrides, isolates) reach as far as their paragraph goes unless they
 * are ended, and an end without a beginning ends what is around it, be it an element's own isolation. So a name could
 * turn around the words beside it. `balanced` ends what a text begins and leaves out ends that end nothing; every string
 * that becomes an element's text goes through it (`dom.js`). `isolated` also sets a text apart from the words of a
 * sentence that it is put into; every text that is put into one goes through it (`strings.js`).
 */

/** LRE, RLE, LRO, RLO; LRI, RLI, FSI. */
const EMBEDS = /[\u202A\u202B\u202D\u202E]/u;
const ISOLATES = /[\u2066-\u2068]/u;
const POP_EMBED = '\u202C';
const POP_ISOLATE = '\u2069';
const FIRST_STRONG = '\u2068';
const CONTROLS = /[\u202A-\u202E\u2066-\u2069]/u;
/** What may turn around its neighbours: controls, marks, and the letters of scripts that run from right to left. */
const TURNS = new RegExp('[\\u200E\\u200F\\u061C\\u202A-\\u202E\\u2066-\\u2069\\u0590-\\u08FF\\uFB1D-\\uFDFF\\uFE70-\\uFEFC'
  + '\\u{10800}-\\u{10FFF}\\u{1E800}-\\u{1EFFF}]', 'u');
/** Deeper than this the Bidirectional Algorithm does not go either. */
const DEPTH_MAX = 125;

/** A text whose controls begin and end in it, in each of its lines. @param {string} text @returns {string} */
export function balanced(text) {
  if (!CONTROLS.test(text)) return text;
  return text.split(/(\r\n|[\n\r\u0085\u2029])/u).map((part, index) => (index % 2 === 0 ? balancedLine(part) : part))
    .join('');
}

/** @param {string} line @returns {string} */
function balancedLine(line) {
  if (!CONTROLS.test(line)) return line;
  /** What is open, as what ends it. @type {string[]} */
  const open = [];
  let made = '';
  for (const sign of line) {
    if (EMBEDS.test(sign) || ISOLATES.test(sign)) {
      if (open.length >= DEPTH_MAX) continue;
      open.push(EMBEDS.test(sign) ? POP_EMBED : POP_ISOLATE);
    } else if (sign === POP_EMBED) {
      // It does not end what is around the isolate that it stands in.
      if (open.at(-1) !== POP_EMBED) continue;
      open.pop();
    } else if (sign === POP_ISOLATE) {
      const at = open.lastIndexOf(POP_ISOLATE);
      if (at < 0) continue;
      open.length = at;
    }
    made += sign;
  }
  return made + open.reverse().join('');
}

/** A text to be put into a sentence: whatever is in it, the sentence around it stays as it is.
 * @param {string} text @returns {string} */
export function isolated(text) {
  return TURNS.test(text) ? `${FIRST_STRONG}${balanced(text)}${POP_ISOLATE}` : text;
}
