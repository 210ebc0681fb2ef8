/**
 * Where a press on a mouse button opens a menu, its release would close the menu again: browsers take it for a press
 * beside it. So the menu opens with the release.
 */

/** Acts when no mouse button is pressed any more. @param {MouseEvent} event @param {() => void} act */
export function whenReleased({ buttons }, act) {
  if (buttons === 0) {
    act();
    return;
  }
  const done = new AbortController();
  const options = { capture: true, signal: done.signal };
  const release = () => {
    done.abort();
    // First the browser handles the release.
    setTimeout(act);
  };
  window.addEventListener('mouseup', release, options);
  // The button may be released outside the window.
  window.addEventListener('mousemove', (move) => move.buttons === 0 && release(), options);
}
