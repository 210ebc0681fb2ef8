//! Derives from one accent colour the five that go with it, for light and dark mode, with readable contrast.
//!
//! Invariants: text on the accent, and accent-coloured text on every background it may be on, has a contrast of 4.5:1
//! (7:1 where more contrast is requested). Hue and, where possible, chroma stay; lightness is adjusted.

use serde::{Deserialize, Deserializer, de};
use std::{fmt, fmt::Write as _, str::FromStr};

/// The accent of the built-in style sheet, whose companions a designer chose.
const BUILT_IN: Colour = Colour { red: 0x13, green: 0x61, blue: 0x6b };

/// An sRGB colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colour {
    red: u8,
    green: u8,
    blue: u8,
}

/// The text is not a colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidColour;

impl fmt::Display for InvalidColour {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("expected a colour such as #13616b")
    }
}

impl std::error::Error for InvalidColour {}

impl FromStr for Colour {
    type Err = InvalidColour;
    fn from_str(text: &str) -> Result<Self, InvalidColour> {
        let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6).ok_or(InvalidColour)?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(InvalidColour);
        }
        let number = u32::from_str_radix(digits, 16).map_err(|_| InvalidColour)?;
        let [_, red, green, blue] = number.to_be_bytes();
        Ok(Self { red, green, blue })
    }
}

impl fmt::Display for Colour {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "#{:02x}{:02x}{:02x}", self.red, self.green, self.blue)
    }
}

impl<'de> Deserialize<'de> for Colour {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// The backgrounds of accent-coloured text in one mode.
struct Mode {
    is_dark: bool,
    /// The required contrast of text.
    words: f64,
    grounds: &'static [Colour],
}

const fn grey(red: u8, green: u8, blue: u8) -> Colour {
    Colour { red, green, blue }
}

const WHITE: Colour = grey(255, 255, 255);
const BLACK: Colour = grey(0, 0, 0);
const LIGHT: Mode = Mode {
    is_dark: false,
    words: 4.5,
    grounds: &[WHITE, grey(0xf3, 0xf2, 0xef), grey(0xef, 0xed, 0xea), grey(0xe8, 0xe5, 0xe1)],
};
const DARK: Mode = Mode {
    is_dark: true,
    words: 4.5,
    grounds: &[
        grey(0x13, 0x13, 0x12),
        grey(0x1d, 0x1c, 0x1b),
        grey(0x28, 0x27, 0x25),
        grey(0x2b, 0x2a, 0x28),
        grey(0x34, 0x32, 0x30),
    ],
};
const LIGHT_MORE: Mode = Mode { is_dark: false, words: 7.0, grounds: &[WHITE, grey(0xdd, 0xdd, 0xdd)] };
const DARK_MORE: Mode = Mode { is_dark: true, words: 7.0, grounds: &[BLACK, grey(0x36, 0x36, 0x36)] };

/// The six colours of one mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Accents {
    accent: Colour,
    more: Colour,
    ink: Colour,
    tint: Colour,
    line: Colour,
    on: Colour,
}

/// The style sheet at `/theme.css`, and how the accent was adjusted.
#[derive(Clone, Debug)]
pub struct Theme {
    /// The style sheet.
    pub css: String,
    /// Whether the accent is the built-in one, which leaves this style sheet empty.
    pub is_built_in: bool,
    /// A sentence for the log if the configured accent was not readable.
    pub moved: Option<String>,
}

impl Theme {
    /// Derives the theme from an accent.
    #[must_use]
    pub fn of(accent: Colour) -> Self {
        if accent == BUILT_IN {
            return Self {
                css: "/* The built-in accent: see the inbox's own style sheet. */\n".to_owned(),
                is_built_in: true,
                moved: None,
            };
        }
        let [light, dark, light_more, dark_more] =
            [LIGHT, DARK, LIGHT_MORE, DARK_MORE].map(|mode| accents(accent, &mode));
        let usual = rules(&light, &dark);
        let more = rules(&light_more, &dark_more);
        let css = format!(
            ":root {{\n{usual}}}\n@media (prefers-contrast: more) {{ :root:not([data-contrast=\"less\"]) {{\n{more}}} }}\n\
             [data-contrast=\"more\"] {{\n{more}}}\n"
        );
        let moved = (light.accent != accent)
            .then(|| format!("the accent {accent} is too light for white text; using {} instead", light.accent));
        Self { css, is_built_in: false, moved }
    }
}

fn rules(light: &Accents, dark: &Accents) -> String {
    let mut css = String::new();
    for (name, light, dark) in [
        ("accent", light.accent, dark.accent),
        ("accent-more", light.more, dark.more),
        ("accent-ink", light.ink, dark.ink),
        ("accent-tint", light.tint, dark.tint),
        ("accent-line", light.line, dark.line),
        ("on-accent", light.on, dark.on),
    ] {
        let _ = writeln!(css, "  --parlor-{name}: light-dark({light}, {dark});");
    }
    css
}

fn accents(wanted: Colour, mode: &Mode) -> Accents {
    let base = Shade::of(wanted);
    let on = if mode.is_dark && mode.words > 5.0 { BLACK } else { WHITE };
    let readable = |shade: Shade| shade.adjust_until(on == BLACK, |colour| contrast(on, colour) >= mode.words);
    let accent = if mode.is_dark { readable(base.lighter(0.05)) } else { readable(base) };
    // Near black a small step makes no difference.
    let steps = if mode.is_dark { [0.05, -0.06, 0.15] } else { [-0.06, 0.05, 0.15] };
    let is_good = |hover: &Colour| *hover != accent && contrast(on, *hover) >= mode.words;
    let hover = steps.into_iter().map(|by| Shade::of(accent).lighter(by).colour()).find(is_good).unwrap_or(accent);
    let (tint, line) = if mode.is_dark { ((0.31, 0.04), (0.39, 0.05)) } else { ((0.945, 0.016), (0.885, 0.032)) };
    let pale = |(lightness, chroma): (f64, f64)| Shade { lightness, chroma: base.chroma.min(chroma), ..base }.colour();
    let (tint, line) = (pale(tint), pale(line));
    let start = if mode.is_dark { Shade { lightness: base.lightness.max(0.8), ..base } } else { Shade::of(accent) };
    let is_readable = |colour| mode.grounds.iter().chain([&tint]).all(|ground| contrast(colour, *ground) >= mode.words);
    Accents { accent, more: hover, ink: start.adjust_until(mode.is_dark, is_readable), tint, line, on }
}

/// A colour as lightness, chroma and hue (OKLCH), where equal steps look equal.
#[derive(Clone, Copy)]
struct Shade {
    lightness: f64,
    chroma: f64,
    hue: f64,
}

impl Shade {
    fn of(colour: Colour) -> Self {
        let [red, green, blue] = linear(colour);
        let long = (0.412_221_470_8 * red + 0.536_332_536_3 * green + 0.051_445_992_9 * blue).cbrt();
        let middle = (0.211_903_498_2 * red + 0.680_699_545_1 * green + 0.107_396_956_6 * blue).cbrt();
        let short = (0.088_302_461_9 * red + 0.281_718_837_6 * green + 0.629_978_700_5 * blue).cbrt();
        let lightness = 0.210_454_255_3 * long + 0.793_617_785_0 * middle - 0.004_072_046_8 * short;
        let a = 1.977_998_495_1 * long - 2.428_592_205_0 * middle + 0.450_593_709_9 * short;
        let b = 0.025_904_037_1 * long + 0.782_771_766_2 * middle - 0.808_675_766_0 * short;
        Self { lightness, chroma: a.hypot(b), hue: b.atan2(a) }
    }

    fn lighter(self, by: f64) -> Self {
        Self { lightness: (self.lightness + by).clamp(0.0, 1.0), ..self }
    }

    /// Adjusts the lightness until the condition holds; black or white at the end always satisfies it.
    fn adjust_until(self, up: bool, holds: impl Fn(Colour) -> bool) -> Colour {
        let mut shade = self;
        for _ in 0..200 {
            let colour = shade.colour();
            if holds(colour) {
                return colour;
            }
            shade = shade.lighter(if up { 0.005 } else { -0.005 });
        }
        if up { WHITE } else { BLACK }
    }

    /// Converts to sRGB; chroma is reduced where the screen cannot show it.
    fn colour(self) -> Colour {
        let mut chroma = self.chroma;
        loop {
            let channels = Self { chroma, ..self }.channels();
            if chroma <= 0.0 || channels.iter().all(|channel| (-0.000_5..=1.000_5).contains(channel)) {
                let [red, green, blue] = channels.map(encoded);
                return Colour { red, green, blue };
            }
            chroma -= 0.002;
        }
    }

    fn channels(self) -> [f64; 3] {
        let (a, b) = (self.chroma * self.hue.cos(), self.chroma * self.hue.sin());
        let long = (self.lightness + 0.396_337_777_4 * a + 0.215_803_757_3 * b).powi(3);
        let middle = (self.lightness - 0.105_561_345_8 * a - 0.063_854_172_8 * b).powi(3);
        let short = (self.lightness - 0.089_484_177_5 * a - 1.291_485_548_0 * b).powi(3);
        [
            4.076_741_662_1 * long - 3.307_711_591_3 * middle + 0.230_969_929_2 * short,
            -1.268_438_004_6 * long + 2.609_757_401_1 * middle - 0.341_319_396_5 * short,
            -0.004_196_086_3 * long - 0.703_418_614_7 * middle + 1.707_614_701_0 * short,
        ]
    }
}

fn linear(colour: Colour) -> [f64; 3] {
    [colour.red, colour.green, colour.blue].map(|channel| {
        let share = f64::from(channel) / 255.0;
        if share <= 0.040_45 { share / 12.92 } else { ((share + 0.055) / 1.055).powf(2.4) }
    })
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0..=255 just before")]
fn encoded(channel: f64) -> u8 {
    let channel = channel.clamp(0.0, 1.0);
    let share = if channel <= 0.003_130_8 { channel * 12.92 } else { 1.055 * channel.powf(1.0 / 2.4) - 0.055 };
    (share * 255.0).round().clamp(0.0, 255.0) as u8
}

/// Returns the contrast of two colours, from 1 to 21 (WCAG 2).
fn contrast(one: Colour, other: Colour) -> f64 {
    let luminance = |colour| {
        let [red, green, blue] = linear(colour);
        0.212_6 * red + 0.715_2 * green + 0.072_2 * blue
    };
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_of_colours_is_readable_for_any_accent() {
        for accent in [
            "#000000", "#ffffff", "#ff0000", "#00ff00", "#0000ff", "#ffee00", "#808080", "#e67e22", "#13616b",
            "#7f3fbf",
        ] {
            let wanted: Colour = accent.parse().expect("a colour");
            for mode in [LIGHT, DARK, LIGHT_MORE, DARK_MORE] {
                let found = accents(wanted, &mode);
                assert!(contrast(found.on, found.accent) >= mode.words, "{accent}: {found:?}");
                assert!(contrast(found.on, found.more) >= mode.words, "{accent}: {found:?}");
                assert_ne!(found.more, found.accent, "{accent}: {found:?}");
                for ground in mode.grounds.iter().chain([&found.tint]) {
                    assert!(contrast(found.ink, *ground) >= mode.words, "{accent} on {ground}: {found:?}");
                }
            }
        }
    }

    #[test]
    fn a_readable_accent_is_kept_and_an_unreadable_one_is_adjusted_with_a_notice() {
        assert_eq!(Theme::of("#7a1f5c".parse().expect("a colour")).moved, None);
        assert!(Theme::of("#7a1f5c".parse().expect("a colour")).css.contains("--parlor-accent: light-dark(#7a1f5c, "));
        let moved = Theme::of("#ffee00".parse().expect("a colour")).moved.expect("white on yellow cannot be read");
        assert!(moved.contains("#ffee00"), "{moved}");
        assert!(!Theme::of(BUILT_IN).css.contains("--parlor-accent"));
    }

    #[test]
    fn derived_colours_are_close_to_the_designed_ones() {
        let found = accents(BUILT_IN, &LIGHT);
        assert_eq!(found.accent, BUILT_IN);
        let tint = Shade::of(found.tint);
        assert!((tint.lightness - Shade::of(grey(0xe3, 0xf0, 0xf1)).lightness).abs() < 0.02);
    }

    #[test]
    fn only_six_digits_after_a_hash_are_a_colour() {
        assert_eq!("#0A0b0C".parse::<Colour>().map(|colour| colour.to_string()), Ok("#0a0b0c".to_owned()));
        for nonsense in ["", "#fff", "0a0b0c", "#0a0b0g", "#0a0b0c0d", "#+a0b0c", "red"] {
            assert_eq!(nonsense.parse::<Colour>(), Err(InvalidColour), "{nonsense}");
        }
    }
}
