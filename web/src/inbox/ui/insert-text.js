/**
 * Inserts text into a field so that the user can undo it.
 */

/** Replaces a part of a field's text, and puts the caret behind it. The field reports it as `input`, as if it were typed.
 * @param {HTMLTextAreaElement} field @param {string} text @param {number} from @param {number} to */
export function insertText(field, text, from, to) {
  field.focus({ preventScroll: true });
  field.setSelectionRange(from, to);
  if (text === '' || document.execCommand('insertText', false, text)) return;
  // The command is not in every browser.
  field.setRangeText(text, from, to, 'end');
  field.dispatchEvent(new Event('input', { bubbles: true }));
}
