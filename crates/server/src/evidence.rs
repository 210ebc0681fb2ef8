//! The evidence of a report as one file.

use parlor_protocol::{
    ids::UserId,
    report::{Evidence, ReportAnswer},
};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;

/// Returns the evidence of an open report, with the hash of the rest.
#[must_use]
pub fn evidence(answer: ReportAnswer, exported_at: String, exported_by: Option<UserId>) -> Evidence {
    let ReportAnswer { report, copies } = answer;
    let server = format!("parlor {}", env!("CARGO_PKG_VERSION"));
    let mut evidence = Evidence { server, exported_at, exported_by, report, copies, sha256: String::new() };
    let mut value = serde_json::to_value(&evidence).expect("evidence has string keys only");
    if let Some(object) = value.as_object_mut() {
        object.remove("sha256");
    }
    evidence.sha256 = hash(&value);
    evidence
}

/// Returns the SHA-256 of the canonical form of a value.
#[must_use]
pub fn hash(value: &Value) -> String {
    let mut text = String::new();
    write_canonical(value, &mut text);
    Sha256::digest(text.as_bytes()).iter().fold(String::with_capacity(64), |mut digits, byte| {
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}

/// Writes JSON without spaces, the names of each object in the order of their code points.
fn write_canonical(value: &Value, text: &mut String) {
    match value {
        Value::Object(object) => {
            let mut fields: Vec<_> = object.iter().collect();
            fields.sort_unstable_by_key(|(name, _)| *name);
            let mut separator = '{';
            for (name, value) in fields {
                text.push(separator);
                text.push_str(&Value::from(name.as_str()).to_string());
                text.push(':');
                write_canonical(value, text);
                separator = ',';
            }
            text.push_str(if separator == '{' { "{}" } else { "}" });
        }
        Value::Array(values) => {
            text.push('[');
            for (place, value) in values.iter().enumerate() {
                if place > 0 {
                    text.push(',');
                }
                write_canonical(value, text);
            }
            text.push(']');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => text.push_str(&value.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_canonical_form_has_sorted_names_and_no_spaces() {
        let mut text = String::new();
        write_canonical(&json!({"b": [1, {"z": null, "a": "x\n\"ü"}], "a": {}, "B": []}), &mut text);
        assert_eq!(text, r#"{"B":[],"a":{},"b":[1,{"a":"x\n\"ü","z":null}]}"#);
    }
}
