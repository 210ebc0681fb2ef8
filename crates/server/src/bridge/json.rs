//! JSON as Python's `json.dumps` writes it: `", "` and `": "` between the parts, everything but ASCII escaped.
//!
//! Differs from Python on purpose: what is not JSON is refused (bytes, extensions, and numbers that are not finite, for
//! which Python writes `NaN`).

use super::value::{Key, Value};
use std::fmt::Write as _;

/// The deepest nesting that is written.
const DEPTH_MAX: usize = 1024;

/// The value has no form in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotJson {
    /// Bytes.
    #[error("bytes are not JSON")]
    Bytes,
    /// An extension of MessagePack.
    #[error("an extension of MessagePack is not JSON")]
    Extension,
    /// Not a number, or infinite.
    #[error("a number that is not finite is not JSON")]
    NotFinite,
    /// Values are nested too deeply.
    #[error("values are nested too deeply")]
    TooDeep,
}

/// Writes a value.
///
/// # Errors
/// See [`NotJson`].
pub fn encode(value: &Value) -> Result<String, NotJson> {
    let mut output = String::new();
    write(&mut output, value, 0)?;
    Ok(output)
}

/// Reads a value.
///
/// # Errors
/// It is not JSON. Unlike in Python, `NaN` and `Infinity` are not.
pub fn decode(bytes: &[u8]) -> Result<Value, serde_json::Error> {
    serde_json::from_slice(bytes)
}

fn write(output: &mut String, value: &Value, depth: usize) -> Result<(), NotJson> {
    if depth > DEPTH_MAX {
        return Err(NotJson::TooDeep);
    }
    match value {
        Value::Null => output.push_str("null"),
        Value::Boolean(boolean) => output.push_str(if *boolean { "true" } else { "false" }),
        Value::Integer(number) => write_display(output, number),
        Value::Float(number) => write_float(output, *number)?,
        Value::Text(text) => write_text(output, text),
        Value::Bytes(_) => return Err(NotJson::Bytes),
        Value::Extension(..) => return Err(NotJson::Extension),
        Value::List(values) => {
            output.push('[');
            for (index, value) in values.iter().enumerate() {
                output.push_str(if index == 0 { "" } else { ", " });
                write(output, value, depth + 1)?;
            }
            output.push(']');
        }
        Value::Map(entries) => {
            output.push('{');
            for (index, (key, value)) in entries.iter().enumerate() {
                output.push_str(if index == 0 { "" } else { ", " });
                let Key::Text(key) = key else { return Err(NotJson::Bytes) };
                write_text(output, key);
                output.push_str(": ");
                write(output, value, depth + 1)?;
            }
            output.push('}');
        }
    }
    Ok(())
}

fn write_display(output: &mut String, shown: impl std::fmt::Display) {
    write!(output, "{shown}").expect("writing into a String does not fail");
}

fn write_text(output: &mut String, text: &str) {
    output.push('"');
    for sign in text.chars() {
        match sign {
            '"' => output.push_str("\\\""),
            '\\' => output.push_str("\\\\"),
            '\n' => output.push_str("\\n"),
            '\r' => output.push_str("\\r"),
            '\t' => output.push_str("\\t"),
            '\u{8}' => output.push_str("\\b"),
            '\u{c}' => output.push_str("\\f"),
            ' '..='~' => output.push(sign),
            _ => {
                for unit in sign.encode_utf16(&mut [0; 2]) {
                    write_display(output, format_args!("\\u{unit:04x}"));
                }
            }
        }
    }
    output.push('"');
}

/// Writes a float as Python's `repr` does: the shortest digits that give the same number, with an exponent below 1e-4
/// and from 1e16 on.
fn write_float(output: &mut String, number: f64) -> Result<(), NotJson> {
    if !number.is_finite() {
        return Err(NotJson::NotFinite);
    }
    let scientific = format!("{number:e}");
    let (digits, exponent) = scientific.split_once('e').expect("the form has an exponent");
    let exponent: i32 = exponent.parse().expect("the exponent is a small number");
    if (-4..16).contains(&exponent) {
        let plain = format!("{number}");
        output.push_str(&plain);
        output.push_str(if plain.contains('.') { "" } else { ".0" });
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        write_display(output, format_args!("{digits}e{sign}{:02}", exponent.abs()));
    }
    Ok(())
}
