/**
 * Decodes a BlurHash, the blurred stand-in for a picture, as described at blurha.sh. Pure.
 *
 * A hash is a sequence of base 83 numbers: the number of components across and down, the maximum amplitude, the average
 * colour, then one colour per further component. The picture is the sum of the components.
 */
const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#$%*+,-.:;=?@[]^_{|}~';

/** Returns RGBA pixels, or null for an invalid hash. @param {string} hash @param {number} width @param {number} height
 * @returns {Uint8ClampedArray<ArrayBuffer>|null} */
export function decodeBlurHash(hash, width, height) {
  const waves = parseHash(hash);
  if (!waves) return null;
  const pixels = new Uint8ClampedArray(new ArrayBuffer(width * height * 4));
  const across = cosines(waves.across, width);
  const down = cosines(waves.down, height);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const sum = [0, 0, 0];
      for (let j = 0; j < waves.down; j += 1) {
        for (let i = 0; i < waves.across; i += 1) {
          const strength = across[i][x] * down[j][y];
          const colour = waves.colours[j * waves.across + i];
          for (let part = 0; part < 3; part += 1) sum[part] += colour[part] * strength;
        }
      }
      pixels.set([...sum.map(toSrgb), 255], (y * width + x) * 4);
    }
  }
  return pixels;
}

/** @param {string} hash @returns {{across: number, down: number, colours: number[][]}|null} */
function parseHash(hash) {
  if (hash.length < 6 || [...hash].some((sign) => !DIGITS.includes(sign))) return null;
  const size = valueOf(hash.slice(0, 1));
  const across = (size % 9) + 1;
  const down = Math.floor(size / 9) + 1;
  if (hash.length !== 4 + 2 * across * down) return null;
  const strongest = (valueOf(hash.slice(1, 2)) + 1) / 166;
  const average = valueOf(hash.slice(2, 6));
  const colours = [[average >> 16, (average >> 8) & 255, average & 255].map(toLinear)];
  for (let at = 6; at < hash.length; at += 2) {
    const value = valueOf(hash.slice(at, at + 2));
    colours.push([Math.floor(value / 361), Math.floor(value / 19) % 19, value % 19].map((step) => {
      const part = (step - 9) / 9;
      return Math.sign(part) * part ** 2 * strongest;
    }));
  }
  return { across, down, colours };
}

/** @param {string} text @returns {number} */
function valueOf(text) {
  return [...text].reduce((value, sign) => value * 83 + DIGITS.indexOf(sign), 0);
}

/** Returns the cosine of each component at each position. @param {number} waves @param {number} places
 * @returns {number[][]} */
function cosines(waves, places) {
  return Array.from({ length: waves }, (_, wave) =>
    Array.from({ length: places }, (_, place) => Math.cos((Math.PI * wave * place) / places)));
}

/** Converts an sRGB byte to linear light. @param {number} byte @returns {number} */
function toLinear(byte) {
  const part = byte / 255;
  return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
}

/** Converts linear light to an sRGB byte. @param {number} light @returns {number} */
function toSrgb(light) {
  const part = Math.min(1, Math.max(0, light));
  return Math.round(255 * (part <= 0.0031308 ? part * 12.92 : 1.055 * part ** (1 / 2.4) - 0.055));
}
