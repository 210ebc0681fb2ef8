//! Values of messages as JSON, as Python's `json.dumps` writes it.
//!
//! Differs from Python on purpose: what is not JSON is refused (bytes, extensions, and numbers that are not finite, for
//! which Python writes `NaN`).

use super::value::{MapKey, Value};
use crate::python_json::{write_float, write_name, write_number, write_text};

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
        Value::Integer(number) => write_number(number, output),
        Value::Float(number) if number.is_finite() => write_float(*number, output),
        Value::Float(_) => return Err(NotJson::NotFinite),
        Value::Text(text) => write_text(text, output),
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
                let MapKey::Text(key) = key else { return Err(NotJson::Bytes) };
                write_name(key, output);
                write(output, value, depth + 1)?;
            }
            output.push('}');
        }
    }
    Ok(())
}
