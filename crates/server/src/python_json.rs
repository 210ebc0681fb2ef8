//! JSON as Python's `json.dumps` writes it with its defaults: `", "` and `": "` between values, and ASCII only. So a
//! frame is the same to the byte as the one that the application sent by itself.
//!
//! Differs from Python on purpose: numbers that are not finite, for which Python writes `NaN`, have no form.

use serde_json::Value;
use std::fmt::{self, Write as _};

/// Writes a value.
pub(crate) fn write_value(value: &Value, output: &mut String) {
    match value {
        Value::String(text) => write_text(text, output),
        Value::Array(items) => write_list(items, output, write_value),
        Value::Object(fields) => write_object(fields, output, |(name, value), output| {
            write_name(name, output);
            write_value(value, output);
        }),
        Value::Number(number) if number.is_f64() => write_float(number.as_f64().expect("it is one"), output),
        Value::Null | Value::Bool(_) | Value::Number(_) => push(format_args!("{value}"), output),
    }
}

/// Writes a list whose items write themselves.
pub(crate) fn write_list<T>(items: impl IntoIterator<Item = T>, output: &mut String, write: impl Fn(T, &mut String)) {
    write_between(['[', ']'], items, output, write);
}

/// Writes an object whose fields write themselves, with their names.
pub(crate) fn write_object<T>(
    fields: impl IntoIterator<Item = T>,
    output: &mut String,
    write: impl Fn(T, &mut String),
) {
    write_between(['{', '}'], fields, output, write);
}

fn write_between<T>(
    [begin, end]: [char; 2],
    items: impl IntoIterator<Item = T>,
    output: &mut String,
    write: impl Fn(T, &mut String),
) {
    output.push(begin);
    for (at, item) in items.into_iter().enumerate() {
        if at > 0 {
            output.push_str(", ");
        }
        write(item, output);
    }
    output.push(end);
}

/// Writes the name of a field, up to its value.
pub(crate) fn write_name(name: &str, output: &mut String) {
    write_text(name, output);
    output.push_str(": ");
}

/// Writes a whole number.
pub(crate) fn write_number(number: impl fmt::Display, output: &mut String) {
    push(format_args!("{number}"), output);
}

/// Writes a finite float as Python's `repr` does: the shortest digits that give the same number, with an exponent below
/// 1e-4 and from 1e16 on.
pub(crate) fn write_float(number: f64, output: &mut String) {
    let scientific = format!("{number:e}");
    let (digits, exponent) = scientific.split_once('e').expect("the form has an exponent");
    let exponent: i32 = exponent.parse().expect("the exponent is a small number");
    if (-4..16).contains(&exponent) {
        let plain = format!("{number}");
        output.push_str(&plain);
        output.push_str(if plain.contains('.') { "" } else { ".0" });
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        push(format_args!("{digits}e{sign}{:02}", exponent.abs()), output);
    }
}

/// Writes a text: `ensure_ascii` of Python's encoder.
pub(crate) fn write_text(text: &str, output: &mut String) {
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
            _ => sign.encode_utf16(&mut [0; 2]).iter().for_each(|unit| push(format_args!("\\u{unit:04x}"), output)),
        }
    }
    output.push('"');
}

fn push(text: fmt::Arguments<'_>, output: &mut String) {
    output.write_fmt(text).expect("writing into a String");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_python_writes_them() {
        let value = serde_json::json!([{"a": "é\u{7f}😀\"\\\n\u{1}/", "b": [1, -2.5, 1e16, true, null, {}]}, []]);
        let mut output = String::new();
        write_value(&value, &mut output);
        let expected = r#"[{"a": "\u00e9\u007f\ud83d\ude00\"\\\n\u0001/", "b": [1, -2.5, 1e+16, true, null, {}]}, []]"#;
        assert_eq!(output, expected);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&output).expect("JSON"), value);
    }
}
