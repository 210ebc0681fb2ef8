/**
 * Whether somebody is at this page: it is visible, and was touched within the last minutes.
 */

/** Without a touch for so long nobody is. */
const IDLE_MS = 5 * 60_000;
/** A page that is not seen is left sooner. */
const HIDDEN_MS = 60_000;
const TOUCHES = /** @type {const} */ (['pointerdown', 'pointermove', 'keydown', 'wheel', 'touchstart', 'focus']);

/** Tells at once when somebody comes, and when it has been still for long enough.
 * @param {(idle: boolean) => void} tell @param {AbortSignal} signal ends it */
export function watchIdle(tell, signal) {
  /** @type {ReturnType<typeof setTimeout>|undefined} */
  let timer;
  const wait = () => {
    clearTimeout(timer);
    timer = setTimeout(() => tell(true), document.visibilityState === 'visible' ? IDLE_MS : HIDDEN_MS);
  };
  let last = 0;
  const touched = () => {
    // A moving pointer tells often; once a second is enough.
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
