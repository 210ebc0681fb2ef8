/**
 * Makes bubbles as narrow as their text.
 */

/** Of a bubble, both sides together. */
const PADDING_PX = 28;

/** Fits bubbles to their text: one whose text wraps would take all the width there is, and is made as wide as its
 * longest line. All reads come before all writes, so that the page is laid out once. @param {Element} blocks */
export function fitBubbles(blocks) {
  const bubbles = /** @type {HTMLElement[]} */ ([...blocks.querySelectorAll('.bubble:not([data-fits])')]);
  for (const bubble of bubbles) bubble.style.inlineSize = '';
  const widths = bubbles.map((bubble) => {
    // A quote has lines of its own.
    if (bubble.querySelector('.quote')) return 0;
    const lines = [...bubble.querySelectorAll('.text, .subject, .edited')].flatMap(linesOf);
    if (new Set(lines.map((line) => Math.round(line.bottom))).size < 2) return 0;
    return Math.max(...lines.map((line) => line.right)) - Math.min(...lines.map((line) => line.left));
  });
  for (const [index, bubble] of bubbles.entries()) {
    if (widths[index] > 0) bubble.style.inlineSize = `${Math.ceil(widths[index]) + PADDING_PX + 1}px`;
    bubble.dataset.fits = '';
  }
}

/** Returns where the lines of a text are, whether it has its own box or not. @param {Element} text
 * @returns {DOMRect[]} */
function linesOf(text) {
  const range = document.createRange();
  range.selectNodeContents(text);
  return [...range.getClientRects()];
}
