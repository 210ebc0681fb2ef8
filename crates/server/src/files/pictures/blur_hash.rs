//! `BlurHash`: a picture as a short string, from which a browser draws a blurred placeholder until the picture arrives.
//! See <https://github.com/woltapp/blurhash/blob/master/Algorithm.md>.

use image::DynamicImage;
use std::f32::consts::PI;

const DIGITS: &[u8; 83] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#$%*+,-.:;=?@[]^_{|}~";
/// The side of the reduced picture: more detail would make no visible difference.
const SIDE: u32 = 32;

/// Returns the hash of a picture. Transparency counts as white.
pub(super) fn of(image: &DynamicImage) -> String {
    let preview_image = image.resize_exact(SIDE, SIDE, image::imageops::FilterType::Triangle).to_rgba8();
    let pixels: Vec<[f32; 3]> = preview_image
        .pixels()
        .map(|pixel| {
            let alpha = f32::from(pixel.0[3]) / 255.0;
            [0, 1, 2].map(|channel| linear((f32::from(pixel.0[channel]) * alpha + 255.0 * (1.0 - alpha)) / 255.0))
        })
        .collect();
    let (across, down) = if image.width() >= image.height() { (4, 3) } else { (3, 4) };
    let mut waves = Vec::with_capacity(12);
    for y in 0..down {
        for x in 0..across {
            waves.push(wave(&pixels, x, y));
        }
    }
    encode(&waves, across, down)
}

/// Returns the amplitude of one cosine wave in the picture.
#[expect(clippy::cast_precision_loss, reason = "numbers up to 1024")]
fn wave(pixels: &[[f32; 3]], x: u32, y: u32) -> [f32; 3] {
    let mut sum = [0.0; 3];
    for (position, pixel) in pixels.iter().enumerate() {
        let (column, row) = (position % SIDE as usize, position / SIDE as usize);
        let basis =
            (PI * x as f32 * column as f32 / SIDE as f32).cos() * (PI * y as f32 * row as f32 / SIDE as f32).cos();
        for (channel, value) in sum.iter_mut().zip(pixel) {
            *channel += basis * value;
        }
    }
    let scale = if x == 0 && y == 0 { 1.0 } else { 2.0 } / (SIDE * SIDE) as f32;
    sum.map(|channel| channel * scale)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "numbers within their digits")]
fn encode(waves: &[[f32; 3]], across: u32, down: u32) -> String {
    let (mean, others) = waves.split_first().expect("there is one wave at the least");
    let most = others.iter().flatten().fold(0.0_f32, |most, value| most.max(value.abs()));
    let quantised = (most * 166.0 - 0.5).floor().clamp(0.0, 82.0) as u32;
    let scale = (f64::from(quantised) + 1.0) as f32 / 166.0;
    let mut text = String::with_capacity(4 + 2 * waves.len());
    put(&mut text, across - 1 + (down - 1) * 9, 1);
    put(&mut text, quantised, 1);
    put(&mut text, mean.iter().fold(0, |colour, value| colour << 8 | srgb(*value)), 4);
    for wave in others {
        let part = |value: &f32| (signed_root(value / scale) * 9.0 + 9.5).floor().clamp(0.0, 18.0) as u32;
        put(&mut text, wave.iter().fold(0, |number, value| number * 19 + part(value)), 2);
    }
    text
}

fn put(text: &mut String, number: u32, digits: u32) {
    for place in (0..digits).rev() {
        text.push(char::from(DIGITS[(number / 83_u32.pow(place) % 83) as usize]));
    }
}

fn linear(value: f32) -> f32 {
    if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 255")]
fn srgb(value: f32) -> u32 {
    let value = value.clamp(0.0, 1.0);
    let srgb = if value <= 0.003_130_8 { value * 12.92 } else { 1.055 * value.powf(1.0 / 2.4) - 0.055 };
    (srgb * 255.0).round() as u32
}

fn signed_root(value: f32) -> f32 {
    value.abs().sqrt().copysign(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{Rgb, RgbImage};

    #[test]
    fn a_plain_picture_has_its_colour_and_no_waves() {
        let white = DynamicImage::from(RgbImage::from_pixel(40, 20, Rgb([255, 255, 255])));
        let hash = of(&white);
        // Four by three waves; the mean is 0xffffff, which is "TSUA" in base 83.
        assert_eq!((hash.len(), &hash[..1], &hash[2..6]), (28, "L", "TSUA"));
        let tall = DynamicImage::from(RgbImage::from_pixel(20, 40, Rgb([255, 255, 255])));
        assert_eq!(&of(&tall)[..1], "T");
    }

    #[test]
    fn a_picture_with_a_bright_left_side_has_a_horizontal_wave() {
        let image = RgbImage::from_fn(64, 64, |x, _| if x < 32 { Rgb([255; 3]) } else { Rgb([0; 3]) });
        let hash = of(&DynamicImage::from(image));
        let digit = |letter: u8| DIGITS.iter().position(|digit| *digit == letter).expect("a digit");
        let part = digit(hash.as_bytes()[6]) * 83 + digit(hash.as_bytes()[7]);
        assert!(part / 361 > 14 && part % 19 > 14, "the first wave across is strong: {hash}");
        let down = &hash[6 + 3 * 2..8 + 3 * 2];
        let down = digit(down.as_bytes()[0]) * 83 + digit(down.as_bytes()[1]);
        assert!((7..=11).contains(&(down / 361)) && (7..=11).contains(&(down % 19)), "hardly any down: {hash}");
    }
}
