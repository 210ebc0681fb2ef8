/**
 * The sound of a notice: two soft tones, made by the browser. No file.
 */

/** The frequency of each tone in hertz, and when it begins in seconds. */
const TONES = [[659.26, 0], [987.77, 0.11]];
const LOUDNESS = 0.07;
const TONE_S = 0.42;

/** @type {AudioContext|null} */
let context = null;

/** Plays the sound. @returns {Promise<boolean>} false if the browser does not allow it, which it does after the user has
 * clicked in this tab or pressed a key */
export async function chime() {
  try {
    context ??= new AudioContext();
    // It may wait for a click for ever.
    if (context.state !== 'running') await Promise.race([context.resume(), new Promise((resolve) => setTimeout(resolve, 300))]);
    if (context.state !== 'running') return false;
    for (const [hertz, after] of TONES) playTone(context, hertz, context.currentTime + after);
    return true;
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
