//! The properties of the fuzz targets, checked on their whole corpus and on mutated frames.

#[expect(unreachable_pub, reason = "it is the library of the fuzz package")]
#[path = "../../../fuzz/src/lib.rs"]
mod properties;

use parlor_protocol::{command_names::NAMES, error::Code, frame::CommandFrame};
use proptest::{
    collection::vec,
    prelude::*,
    sample::{Index, select},
};
use serde_json::{Value, json};
use std::{fs, path::PathBuf};

fn files(folder: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(folder);
    let paths = fs::read_dir(folder).expect("the folder").map(|entry| entry.expect("a file").path());
    let files: Vec<_> = paths.map(|path| (path.clone(), fs::read(path).expect("a readable file"))).collect();
    assert!(!files.is_empty());
    files
}

/// Every command of the fixtures.
fn commands() -> Vec<Value> {
    let of_commands =
        |path: &PathBuf| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"command."));
    let lists = files("frames").into_iter().filter(|(path, _)| of_commands(path));
    let lists = lists.map(|(_, bytes)| serde_json::from_slice::<Vec<Value>>(&bytes).expect("a list of examples"));
    lists.flatten().map(|example| example["frame"].clone()).collect()
}

#[test]
fn the_corpus_of_frames_has_the_properties() {
    for (_, bytes) in files("fuzz/frame") {
        properties::frame(&bytes);
    }
    for command in commands() {
        properties::frame(command.to_string().as_bytes());
    }
}

#[test]
fn the_corpus_of_cursors_has_the_properties() {
    for (_, bytes) in files("fuzz/cursor") {
        properties::cursor(&bytes);
    }
}

/// A change of a frame's bytes.
#[derive(Clone, Debug)]
enum Cut {
    Replace(Index, u8),
    Insert(Index, u8),
    Remove(Index, Index),
    Repeat(Index, Index),
}

fn cut() -> impl Strategy<Value = Cut> {
    let byte = prop_oneof![any::<u8>(), select(b"{}[]:,\"\\-0.9e \n".to_vec())];
    prop_oneof![
        (any::<Index>(), byte.clone()).prop_map(|(at, byte)| Cut::Replace(at, byte)),
        (any::<Index>(), byte).prop_map(|(at, byte)| Cut::Insert(at, byte)),
        any::<(Index, Index)>().prop_map(|(from, to)| Cut::Remove(from, to)),
        any::<(Index, Index)>().prop_map(|(from, to)| Cut::Repeat(from, to)),
    ]
}

fn apply(bytes: &mut Vec<u8>, cut: &Cut) {
    let ends = bytes.len() + 1;
    let span = |a: &Index, b: &Index| a.index(ends).min(b.index(ends))..a.index(ends).max(b.index(ends));
    match cut {
        Cut::Insert(at, byte) => bytes.insert(at.index(ends), *byte),
        Cut::Replace(at, byte) if !bytes.is_empty() => {
            let at = at.index(bytes.len());
            bytes[at] = *byte;
        }
        Cut::Replace(..) => {}
        Cut::Remove(from, to) => drop(bytes.drain(span(from, to))),
        Cut::Repeat(from, to) => bytes.extend_from_within(span(from, to)),
    }
}

fn odd_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        any::<(u64, u64)>().prop_map(|(epoch, version)| Value::from(format!("{epoch}.{version}"))),
        vec(any::<i64>(), 0..4).prop_map(Value::from),
        any::<(String, i64)>().prop_map(|(key, number)| json!({ key: number })),
    ]
}

/// The paths of all values in a command, except `id` and `type`.
fn places(value: &Value, path: &str) -> Vec<String> {
    let mut found = Vec::new();
    let inner: Vec<(String, &Value)> = match value {
        Value::Object(fields) => fields.iter().map(|(key, value)| (key.clone(), value)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(at, value)| (at.to_string(), value)).collect(),
        _ => Vec::new(),
    };
    for (key, value) in inner {
        let place = format!("{path}/{key}");
        if place != "/id" && place != "/type" {
            found.extend(places(value, &place));
            found.push(place);
        }
    }
    found
}

/// Values that a field of this value's type must not have.
fn unfit(value: &Value) -> Vec<Value> {
    let mut unfit = vec![json!({"x": 1}), json!([[]]), json!(1.5), json!(-1), json!("\u{0}x")];
    match value {
        Value::Number(_) => unfit.extend([json!(true), json!("1"), json!(1e19), json!([1])]),
        Value::String(_) => {
            unfit.extend([json!(true), json!(1)]);
            // The server validates texts; here only values that are not texts are invalid.
            unfit.retain(|value| !value.is_string());
        }
        Value::Bool(_) => unfit.extend([json!(0), json!(1), json!("true"), json!([true])]),
        // A field that can be cleared is a text.
        Value::Null => unfit.retain(|value| !value.is_string()),
        _ => unfit.extend([json!(true), json!("9"), json!(9)]),
    }
    unfit
}

#[test]
fn no_field_of_any_command_accepts_a_foreign_value() {
    let refused = |frame: &Value| CommandFrame::parse(&frame.to_string()).err().map(|refused| refused.problem.code);
    let mut tried = 0;
    for command in commands() {
        for place in places(&command, "") {
            let before = command.pointer(&place).expect("it is there");
            for value in unfit(before) {
                let mut frame = command.clone();
                *frame.pointer_mut(&place).expect("it is there") = value.clone();
                assert_eq!(refused(&frame), Some(Code::InvalidField), "{place} as {value} in {command}");
                tried += 1;
            }
        }
        for key in ["user_id", "sender_id", "scope", "__proto__", "Id", ""] {
            let mut frame = command.clone();
            let object = frame.as_object_mut().expect("commands are objects");
            if object.insert(key.to_owned(), json!(1)).is_none() {
                assert_eq!(refused(&frame), Some(Code::InvalidField), "{key:?} in {command}");
            }
        }
    }
    assert!(tried > 500, "{tried}");
}

#[test]
fn every_command_has_a_frame_that_is_refused() {
    let text = fs::read(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/refused.json"));
    let list: Vec<Value> = serde_json::from_slice(&text.expect("a readable file")).expect("a list");
    let texts: Vec<&str> = list.iter().filter_map(|frame| frame["text"].as_str()).collect();
    for name in NAMES {
        assert!(texts.iter().any(|text| text.contains(&format!("\"type\":\"{name}\""))), "{name}");
    }
}

proptest! {
    // A failure prints its smallest input; it belongs into the corpus, not into a file beside the tests.
    #![proptest_config(ProptestConfig { cases: 1024, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_frame_with_mutated_bytes_has_the_properties(frame in select(commands()), cuts in vec(cut(), 1..6)) {
        let mut bytes = frame.to_string().into_bytes();
        for cut in &cuts {
            apply(&mut bytes, cut);
        }
        properties::frame(&bytes);
    }

    #[test]
    fn a_frame_with_mutated_values_has_the_properties(
        frame in select(commands()),
        other in select(commands()),
        changes in vec((any::<Index>(), odd_value()), 1..4),
    ) {
        let mut frame = frame.as_object().expect("commands are objects").clone();
        let keys: Vec<String> = frame.keys().chain(other.as_object().expect("as above").keys()).cloned().collect();
        for (at, value) in changes {
            frame.insert(keys[at.index(keys.len())].clone(), value);
        }
        properties::frame(Value::from(frame).to_string().as_bytes());
    }

    #[test]
    fn a_cursor_of_any_numbers_has_the_properties(epoch in any::<u64>(), version in any::<u64>(), cuts in vec(cut(), 0..3)) {
        let mut bytes = format!("{epoch}.{version}").into_bytes();
        for cut in &cuts {
            apply(&mut bytes, cut);
        }
        properties::cursor(&bytes);
    }
}
