/**
 * The sound of a notice: two soft tones, made by the browser. No file.
 *
 * Invariant: between sounds the audio device is not in use.
 */

/** The frequency of each tone in hertz, and when it begins in seconds. */
const TONES = [[659.26, 0], [987.77, 0.11]];
const LOUDNESS = 0.07;
const TONE_S = 0.42;
/** How long the tones last together, with some room. */
const SOUND_MS = 800;
/** The gestures of a user: Safari allows sounds only to a context that is made in one. */
const USER_GESTURES = /** @type {const} */ (['pointerdown', 'pointerup', 'keydown']);

/** @type {AudioContext|null} */
let context = null;
let isAllowed = false;
/** @type {ReturnType<typeof setTimeout>|undefined} */
let suspendTimer;

/** Lets the next click or key allow sounds. @param {AbortSignal} signal */
export function allowChime(signal) {
  const done = new AbortController();
  signal.addEventListener('abort', () => done.abort());
  const allow = async () => {
    if (await resumeAudio()) done.abort();
  };
  for (const name of USER_GESTURES) window.addEventListener(name, () => void allow(), { signal: done.signal, capture: true });
}

/** Returns whether the user has clicked in this tab or pressed a key, so that it may play. @returns {boolean} */
export function mayChime() {
  return isAllowed || navigator.userActivation?.hasBeenActive === true;
}

/** Plays the sound. @returns {Promise<boolean>} false if the browser does not allow it, which it does after the user has
 * clicked in this tab or pressed a key */
export async function chime() {
  if (!(await resumeAudio()) || !context) return false;
  for (const [hertz, after] of TONES) playTone(context, hertz, context.currentTime + after);
  return true;
}

/** Starts the audio for the length of a sound. @returns {Promise<boolean>} whether it runs */
async function resumeAudio() {
  clearTimeout(suspendTimer);
  suspendTimer = setTimeout(() => void context?.suspend().catch(() => {}), SOUND_MS);
  try {
    context ??= new AudioContext();
    // It may wait for a click forever.
    if (context.state !== 'running') await Promise.race([context.resume(), new Promise((resolve) => setTimeout(resolve, 300))]);
    isAllowed ||= context.state === 'running';
    return context.state === 'running';
  } catch {
    return false;
  }
}

/** @param {AudioContext} audio @param {number} hertz @param {number} at */
function playTone(audio, hertz, at) {
  const tone = new OscillatorNode(audio, { type: 'sine', frequency: hertz });
  const loudness = new GainNode(audio, { gain: 0 });
  loudness.gain.setValueAtTime(0, at);
  loudness.gain.linearRampToValueAtTime(LOUDNESS, at + 0.012);
  loudness.gain.exponentialRampToValueAtTime(0.0001, at + TONE_S);
  tone.connect(loudness).connect(audio.destination);
  tone.start(at);
  tone.stop(at + TONE_S);
}
