/**
 * HTML from elsewhere, in a document of its own: nothing in it runs or loads, and it is never put into the page.
 */

/** Longer HTML is not parsed, in UTF-16 units: the page would freeze. */
const HTML_MAX = 1_000_000;

const TAG = /<[a-z](?:[^<>"']|"[^"]*"|'[^']*')*>/giu;
/** A value, which stays as it is, or the name of a style or handler. */
const VALUE_OR_NAME = /=\s*(?:"[^"]*"|'[^']*'|[^\s"'>]+)|(?<=[\s"'/])(style|on[a-z]+)(?=\s*=)/giu;

/** Styles and handlers are renamed, since the page's security policy would report each of them: `style` is `data-style`.
 * @param {string} html @returns {HTMLElement|null} its body; null if it is too long */
export function parseHtml(html) {
  if (html.length > HTML_MAX) return null;
  const tame = html.replace(/<(\/?)style(?![\w-])/giu, '<$1template').replace(TAG, (tag) =>
    tag.replace(VALUE_OR_NAME, (match, name) => (name ? `data-${name}` : match)));
  return new DOMParser().parseFromString(tame, 'text/html').body;
}
