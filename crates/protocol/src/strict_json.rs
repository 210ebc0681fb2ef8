//! Parses JSON and finds duplicate fields at every depth. Two parsers may take different ones for the field's value, so
//! such JSON is refused.

use serde::{
    Deserializer,
    de::{DeserializeSeed, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value};
use std::fmt;

/// A parsed value and its duplicate fields.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ParsedJson {
    pub(crate) value: Value,
    /// The first duplicate field at any depth.
    pub(crate) duplicate: Option<String>,
    /// The duplicate fields of the outermost object.
    pub(crate) outer_duplicates: Vec<String>,
}

/// Parses one value.
///
/// # Errors
/// It is not JSON, or nested too deeply.
pub(crate) fn parse(text: &str) -> serde_json::Result<ParsedJson> {
    let mut read = ParsedJson::default();
    let mut json = serde_json::Deserializer::from_str(text);
    let reader = JsonReader { doubled: &mut read.duplicate, outside: Some(&mut read.outer_duplicates) };
    let value = reader.deserialize(&mut json)?;
    json.end()?;
    read.value = value;
    Ok(read)
}

struct JsonReader<'a> {
    doubled: &'a mut Option<String>,
    /// Only for the outermost value.
    outside: Option<&'a mut Vec<String>>,
}

impl<'de> DeserializeSeed<'de> for JsonReader<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Value, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for JsonReader<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(JsonReader { doubled: &mut *self.doubled, outside: None })? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut fields: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = fields.next_key::<String>()? {
            let value = fields.next_value_seed(JsonReader { doubled: &mut *self.doubled, outside: None })?;
            if object.contains_key(&name) {
                self.doubled.get_or_insert_with(|| name.clone());
                if let Some(outside) = &mut self.outside {
                    outside.push(name.clone());
                }
            }
            object.insert(name, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_without_duplicates_parses_as_serde_json_parses_it() {
        for text in [
            "null",
            "[1, -2, 3.5, 18446744073709551615, true, \"a\\u00e9\"]",
            r#"{"a": {"a": {"a": []}}, "b": {"a": 1}, "": {}}"#,
            r#"{"$serde_json::private::RawValue": "1"}"#,
        ] {
            let read = parse(text).expect("JSON");
            assert_eq!((read.duplicate, read.outer_duplicates), (None, vec![]), "{text}");
            if !text.contains("private") {
                assert_eq!(read.value, serde_json::from_str::<Value>(text).expect("JSON"));
            }
        }
    }

    #[test]
    fn duplicates_are_found_at_every_depth_and_in_every_spelling() {
        for (text, doubled, outside) in [
            (r#"{"a":1,"a":1}"#, "a", &["a"][..]),
            (r#"{"a":1,"\u0061":2}"#, "a", &["a"]),
            (r#"{"a":[{"b":{"c":1,"c":2}}]}"#, "c", &[]),
            (r#"{"a":{"b":1,"b":2},"c":1,"c":2}"#, "b", &["c"]),
            (r#"[{"a":null,"a":null}]"#, "a", &[]),
        ] {
            let read = parse(text).expect("JSON");
            assert_eq!(read.duplicate.as_deref(), Some(doubled), "{text}");
            assert_eq!(read.outer_duplicates, outside, "{text}");
        }
    }

    #[test]
    fn invalid_json_is_refused() {
        for text in ["", "{", "{}{}", "{\"a\":1,}", "nul", &"[".repeat(100_000)] {
            assert!(parse(text).is_err(), "{text:.20}");
        }
    }
}
