/**
 * Whether the user is at this page: it is visible, and was used within the last minutes.
 */

/** Idle after this long without input. */
const IDLE_MS = 5 * 60_000;
/** Sooner on a hidden page. */
const HIDDEN_MS = 60_000;
const TOUCHES = /** @type {const} */ (['pointerdown', 'pointermove', 'keydown', 'wheel', 'touchstart', 'focus']);

/** Reports at once when the user comes back, and when they have been idle long enough.
 * @param {(idle: boolean) => void} tell @param {AbortSignal} signal stops it */
export function watchIdle(tell, signal) {
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  let timer;
  const wait = () => {
    clearTimeout(timer);
    timer = setTimeout(() => tell(true), document.visibilityState === 'visible' ? IDLE_MS : HIDDEN_MS);
  };
  let last = 0;
  const touched = () => {
    // A moving pointer fires often; once a second is enough.
    if (performance.now() - last < 1_000) return;
    last = performance.now();
    tell(false);
    wait();
  };
  for (const name of TOUCHES) window.addEventListener(name, touched, { signal, passive: true });
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'visible') tell(false);
    wait();
  }, { signal });
  signal.addEventListener('abort', () => clearTimeout(timer));
  wait();
}

/** Calls a function when the browser has nothing else to do. @param {() => void} act */
export function whenIdle(act) {
  // Safari cannot say when that is.
  if ('requestIdleCallback' in window) requestIdleCallback(act, { timeout: 5_000 });
  else setTimeout(act, 1_000);
}
