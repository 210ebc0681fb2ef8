/**
 * Keeps the direction of a text within that text. Pure.
 *
 * Directional controls (embeddings, overrides, isolates) affect the rest of their paragraph unless they are closed, and
 * a closing control without an opening one closes what is around it, even the isolation of an element. So a name could
 * reverse the words beside it. `balanced` closes what a text opens and removes unmatched closing controls; every string
 * that becomes an element's text goes through it (`dom.js`). `isolated` also isolates a text from the sentence around
 * it; every text that is inserted into a sentence goes through it (`strings.js`).
 */

/** LRE, RLE, LRO, RLO; LRI, RLI, FSI. */
const EMBEDS = /[\u202A\u202B\u202D\u202E]/u;
const ISOLATES = /[\u2066-\u2068]/u;
const POP_EMBED = '\u202C';
const POP_ISOLATE = '\u2069';
const FIRST_STRONG = '\u2068';
const CONTROLS = /[\u202A-\u202E\u2066-\u2069]/u;
/** Characters that may reverse their surroundings: controls, marks, and letters of right-to-left scripts. */
const MAY_REVERSE = new RegExp('[\\u200E\\u200F\\u061C\\u202A-\\u202E\\u2066-\\u2069\\u0590-\\u08FF\\uFB1D-\\uFDFF\\uFE70-\\uFEFC'
  + '\\u{10800}-\\u{10FFF}\\u{1E800}-\\u{1EFFF}]', 'u');
/** The depth limit of the Bidirectional Algorithm. */
const DEPTH_MAX = 125;

/** Balances the directional controls in each line of a text. @param {string} text @returns {string} */
export function balanced(text) {
  if (!CONTROLS.test(text)) return text;
  return text.split(/(\r\n|[\n\r\u0085\u2029])/u).map((part, index) => (index % 2 === 0 ? balanceLine(part) : part))
    .join('');
}

/** @param {string} line @returns {string} */
function balanceLine(line) {
  if (!CONTROLS.test(line)) return line;
  /** The open controls, as the characters that close them. @type {string[]} */
  const open = [];
  let result = '';
  for (const character of line) {
    if (EMBEDS.test(character) || ISOLATES.test(character)) {
      if (open.length >= DEPTH_MAX) continue;
      open.push(EMBEDS.test(character) ? POP_EMBED : POP_ISOLATE);
    } else if (character === POP_EMBED) {
      // It closes nothing outside its isolate.
      if (open.at(-1) !== POP_EMBED) continue;
      open.pop();
    } else if (character === POP_ISOLATE) {
      const at = open.lastIndexOf(POP_ISOLATE);
      if (at < 0) continue;
      open.length = at;
    }
    result += character;
  }
  return result + open.reverse().join('');
}

/** Isolates a text for use in a sentence, so that it cannot reverse the sentence, nor the sentence it. @param {string} text
 * @param {boolean} [always] also if the text reads from left to right @returns {string} */
export function isolated(text, always = false) {
  return MAY_REVERSE.test(text) || (always && text !== '') ? `${FIRST_STRONG}${balanced(text)}${POP_ISOLATE}` : text;
}
