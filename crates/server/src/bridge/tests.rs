//! All golden vectors, which were captured from channels 4.3.1 and channels-redis 4.3.0.

use super::{
    capacity::{CapacityRule, capacity_of},
    codec::{Codec, Layer, PREFIX_BYTES, Serializer},
    commands::{Arguments, Keys},
    json, msgpack,
    names::{is_channel, is_group, is_receivable, server_of},
    recipients::{CHANNELS, Recipients},
    value::{Map, MapKey, Value},
};
use crate::{environment::Environment, fernet::FernetKey};

/// When most vectors were made, in milliseconds since 1970.
const MADE_MS: i64 = 1_700_000_000_250;
const KEY: &str = "a-secret-key-one";

fn vectors() -> Value {
    json::decode(include_bytes!("../../../../fixtures/channels_redis/vectors.json")).expect("the fixture is JSON")
}

fn at<'a>(value: &'a Value, path: &[&str]) -> &'a Value {
    path.iter().fold(value, |value, name| value.get(name).unwrap_or_else(|| panic!("{path:?} is there")))
}

fn list<'a>(value: &'a Value, path: &[&str]) -> &'a [Value] {
    let Value::List(values) = at(value, path) else { panic!("{path:?} is a list") };
    values
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    at(value, &[name]).as_text().unwrap_or_else(|| panic!("{name} is text"))
}

fn number(value: &Value, name: &str) -> i64 {
    let Value::Integer(number) = at(value, &[name]) else { panic!("{name} is a number") };
    i64::try_from(*number).expect("a small number")
}

fn is_true(value: &Value, name: &str) -> bool {
    *at(value, &[name]) == Value::Boolean(true)
}

fn of_hex(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks(2);
    digits.map(|pair| u8::from_str_radix(str::from_utf8(pair).expect("ASCII"), 16).expect("hexadecimal")).collect()
}

/// The fixtures write bytes as `{"$bytes_hex": "…"}`.
fn with_bytes(value: &Value) -> Value {
    match value {
        Value::Map(entries) => match entries.as_slice() {
            [(key, Value::Text(hex))] if key.is("$bytes_hex") => Value::Bytes(of_hex(hex)),
            _ => Value::Map(entries.iter().map(|(key, value)| (key.clone(), with_bytes(value))).collect()),
        },
        Value::List(values) => Value::List(values.iter().map(with_bytes).collect()),
        other => other.clone(),
    }
}

fn map(value: &Value) -> Map {
    let Value::Map(entries) = value else { panic!("a dictionary") };
    entries.clone()
}

/// The clock of the vectors, and their randomness: a counter and a0 a1 …, or for initialization vectors 10 11 ….
fn environment(now_ms: i64, counter: u8) -> Environment {
    let fill = move |bytes: &mut [u8]| {
        let is_prefix = bytes.len() == PREFIX_BYTES;
        for (index, byte) in bytes.iter_mut().enumerate() {
            let index = u8::try_from(index).expect("few bytes");
            *byte = match (is_prefix, index) {
                (true, 0) => counter,
                (true, _) => 0x9f + index,
                (false, _) => 0x10 + index,
            };
        }
    };
    Environment::new(move || now_ms, fill)
}

fn codec(layer: Layer, serializer: Serializer, keys: &[&str]) -> Codec {
    Codec { layer, serializer, keys: keys.iter().map(|key| FernetKey::of(key)).collect(), expiry_s: 60 }
}

fn keys() -> Keys {
    Keys { prefix: "asgi".to_owned(), expiry_s: 60, group_expiry_s: 86_400 }
}

#[test]
fn messages_are_written_and_read_byte_for_byte() {
    let vectors = vectors();
    let mut compared = 0;
    for vector in list(&vectors, &["serialization", "vectors"]) {
        let input = with_bytes(at(vector, &["input"]));
        for (layer, layer_name) in [(Layer::Core, "core"), (Layer::Pubsub, "pubsub")] {
            for (serializer, keys, form) in [
                (Serializer::Msgpack, &[][..], "msgpack"),
                (Serializer::Msgpack, &[KEY][..], "msgpack_encrypted"),
                (Serializer::Json, &[][..], "json"),
            ] {
                let name = format!("{} as {layer_name}_{form}", text(vector, "name"));
                let codec = codec(layer, serializer, keys);
                let Some(expected) = vector.get(&format!("{layer_name}_{form}_hex")).and_then(Value::as_text) else {
                    assert!(vector.get("json_error").is_some(), "{name}");
                    assert!(codec.encode(&input, &environment(MADE_MS, 0)).is_err(), "{name}");
                    continue;
                };
                let expected = of_hex(expected);
                let environment = environment(MADE_MS, expected[0]);
                assert_eq!(codec.encode(&input, &environment).expect(&name), expected, "{name}");
                assert_eq!(codec.decode(&expected, &environment).expect(&name), input, "{name}");
                compared += 1;
            }
        }
    }
    assert_eq!(compared, 58);
}

#[test]
fn what_python_cannot_serialize_is_refused() {
    let vectors = vectors();
    let names = list(&vectors, &["serialization", "unserializable_inputs"]).iter().map(|input| text(input, "name"));
    // Values of Parlor have only the last of these types.
    assert_eq!(names.collect::<Vec<_>>(), ["datetime", "decimal", "uuid", "int_too_big", "set"]);
    for number in [1_i128 << 64, -(1_i128 << 63) - 1] {
        assert_eq!(msgpack::encode(&Value::Integer(number)), Err(msgpack::EncodeError::Integer));
    }
    assert_eq!(json::encode(&Value::Float(f64::NAN)), Err(json::NotJson::NotFinite));
}

/// Writes a value as Python shows it.
fn python(value: &Value) -> String {
    let bytes = |bytes: &[u8]| format!("b'{}'", String::from_utf8_lossy(bytes));
    match value {
        Value::Text(text) => format!("'{text}'"),
        Value::Bytes(content) => bytes(content),
        Value::Map(entries) => {
            let entry = |(key, value): &(MapKey, Value)| match key {
                MapKey::Text(text) => format!("'{text}': {}", python(value)),
                MapKey::Bytes(content) => format!("{}: {}", bytes(content), python(value)),
            };
            format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(", "))
        }
        Value::Extension(-1, data) => {
            let seconds = u32::from_be_bytes(data.as_slice().try_into().expect("four bytes"));
            format!("Timestamp(seconds={seconds}, nanoseconds=0)")
        }
        other => json::encode(other).expect("JSON"),
    }
}

#[test]
fn what_python_decodes_is_decoded_and_the_rest_is_refused() {
    let vectors = vectors();
    for vector in list(&vectors, &["serialization", "what_python_decodes"]) {
        let name = text(vector, "name");
        match (msgpack::decode(&of_hex(text(vector, "body_hex"))), vector.get("python_result")) {
            (Ok(value), Some(expected)) => assert_eq!(Some(python(&value).as_str()), expected.as_text(), "{name}"),
            (Err(_), None) => assert!(vector.get("python_error").is_some(), "{name}"),
            (result, _) => panic!("{name}: {result:?}"),
        }
    }
}

#[test]
fn hostile_messagepack_is_refused() {
    use msgpack::DecodeError as Why;
    let nested = |depth: usize| [vec![0x91; depth], vec![0xc0]].concat();
    for (what, bytes, expected) in [
        ("nothing", vec![], Why::Incomplete),
        ("a reserved byte", vec![0xc1], Why::Reserved),
        ("half a number", vec![0xcb, 0, 0], Why::Incomplete),
        ("a list of 2^32 - 1 values", vec![0xdd, 0xff, 0xff, 0xff, 0xff], Why::Incomplete),
        ("text of 2^32 - 1 bytes", vec![0xdb, 0xff, 0xff, 0xff, 0xff, b'a'], Why::Incomplete),
        ("no key", vec![0x81, 0xc0, 1], Why::Key),
        ("too deep", nested(1025), Why::TooDeep),
        ("a time of five bytes", vec![0xc7, 5, 0xff, 1, 2, 3, 4, 5], Why::Timestamp),
        ("too many nanoseconds", [&[0xd7, 0xff][..], &[0xff; 8]].concat(), Why::Timestamp),
    ] {
        assert_eq!(msgpack::decode(&bytes), Err(expected), "{what}");
    }
    assert!(msgpack::decode(&nested(1024)).is_ok(), "as deep as Python reads");
}

#[test]
fn floats_in_json_are_those_of_python() {
    for (number, expected) in [
        (0.0, "0.0"),
        (-0.0, "-0.0"),
        (1e15, "1000000000000000.0"),
        (1e16, "1e+16"),
        (123_456_789_012_345_680.0, "1.2345678901234568e+17"),
        (0.0001, "0.0001"),
        (0.00001, "1e-05"),
        (1.5e-7, "1.5e-07"),
        (5e-324, "5e-324"),
        (f64::MAX, "1.7976931348623157e+308"),
    ] {
        assert_eq!(json::encode(&Value::Float(number)).as_deref(), Ok(expected));
    }
}

#[test]
fn tokens_expire_in_the_core_layer_only_and_every_key_decrypts() {
    let vectors = vectors();
    let ttl = at(&vectors, &["serialization", "fernet_ttl"]);
    let token = of_hex(text(ttl, "token_hex"));
    for result in list(ttl, &["results"]) {
        let age_s = number(result, "age_seconds");
        let environment = environment((number(ttl, "made_at") + age_s) * 1000, 0);
        for (layer, name, bytes) in [(Layer::Core, "core", &token[..]), (Layer::Pubsub, "pubsub", &token[12..])] {
            let is_read = codec(layer, Serializer::Msgpack, &[KEY]).decode(bytes, &environment).is_ok();
            assert_eq!(is_read, text(result, name) == "ok", "{name} after {age_s} s");
        }
    }
    let environment = environment(MADE_MS, 0);
    let rotation = at(&vectors, &["serialization", "key_rotation"]);
    let keys: Vec<_> = list(rotation, &["keys"]).iter().filter_map(Value::as_text).collect();
    assert!(codec(Layer::Core, Serializer::Msgpack, &keys).decode(&token, &environment).is_ok());
    assert!(codec(Layer::Core, Serializer::Msgpack, &keys[..1]).decode(&token, &environment).is_err());
    for damaged in 12..token.len() {
        let mut damaged_token = token.clone();
        damaged_token[damaged] ^= 1;
        let result = codec(Layer::Core, Serializer::Msgpack, &[KEY]).decode(&damaged_token, &environment);
        assert!(result.is_err(), "byte {damaged}");
    }
}

#[test]
fn names_are_allowed_as_in_channels() {
    let vectors = vectors();
    for vector in list(&vectors, &["names", "vectors"]) {
        let name = text(vector, "name");
        let found = [is_group(name), is_channel(name), is_receivable(name)];
        assert_eq!(found, ["group", "channel", "channel_receive"].map(|kind| is_true(vector, kind)), "{name:?}");
    }
}

#[test]
fn names_are_on_the_servers_of_channels_redis() {
    let vectors = vectors();
    for vector in list(&vectors, &["consistent_hash", "vectors"]) {
        let value = text(vector, "value");
        assert_eq!(i64::from(crc32fast::hash(value.as_bytes())), number(vector, "crc32"));
        for (servers, index) in map(at(vector, &["index_by_ring_size"])) {
            let MapKey::Text(servers) = servers else { panic!("text") };
            let found = server_of(value, servers.parse().expect("a number"));
            assert_eq!(Value::Integer(found as i128), index, "{value} of {servers}");
        }
    }
}

fn rules(vectors: &Value) -> Vec<CapacityRule> {
    let rule = |(pattern, capacity): &(MapKey, Value)| match (pattern, capacity) {
        (MapKey::Text(pattern), Value::Integer(capacity)) => format!("{pattern}={capacity}").parse().expect("a rule"),
        _ => panic!("a pattern and a number"),
    };
    map(at(vectors, &["capacity", "config"])).iter().map(rule).collect()
}

#[test]
fn capacities_follow_the_first_pattern_that_matches() {
    let vectors = vectors();
    for vector in list(&vectors, &["capacity", "vectors"]) {
        let found = capacity_of(text(vector, "channel"), &rules(&vectors), 100);
        assert_eq!(i64::from(found), number(vector, "capacity"), "{}", text(vector, "channel"));
    }
    for (pattern, name, matches) in [
        ("a[!b-d]e=1", "axe", true),
        ("a[!b-d]e=1", "ace", false),
        ("a[]]=1", "a]", true),
        ("a[b=1", "a[b", true),
        ("a?c=1", "abc", true),
        ("a.c=1", "abc", false),
        ("re:b=1", "abc", false),
    ] {
        let rule: CapacityRule = pattern.parse().expect("a rule");
        assert_eq!(capacity_of(name, &[rule], 9) == 1, matches, "{pattern} {name}");
    }
    assert!("a".parse::<CapacityRule>().is_err() && "re:(=1".parse::<CapacityRule>().is_err());
}

/// The argument lists of an operation; of a script only its name.
fn commands(operation: &Value) -> Vec<Arguments> {
    let argument = |argument: &Value| {
        let hex = argument.as_text().expect("text");
        if hex.starts_with("script:") { hex.as_bytes().to_vec() } else { of_hex(hex) }
    };
    let of = |command: &Value| list(command, &["argv_hex"]).iter().map(argument).collect();
    list(operation, &["commands"]).iter().map(of).collect()
}

fn argument_texts(operation: &Value) -> Vec<&str> {
    list(operation, &["args"]).iter().filter_map(Value::as_text).collect()
}

fn clock(operation: &Value) -> f64 {
    let Some(Value::Float(clock)) = operation.get("clock") else { panic!("a time") };
    *clock
}

#[expect(clippy::cast_possible_truncation, reason = "the clock of the vectors")]
fn clock_ms(operation: &Value) -> i64 {
    (clock(operation) * 1000.0) as i64
}

/// Compares a `group_send` with what Parlor sends to the members that the vector names.
fn compare_group_send(operation: &Value, codec: &Codec) -> usize {
    let expected = commands(operation);
    let Some(script) = expected.iter().find(|command| command[0] == b"EVAL") else { return 0 };
    let count: usize = str::from_utf8(&script[2]).expect("ASCII").parse().expect("a number");
    let messages = &script[3 + count..3 + 2 * count];
    let environment = |bytes: &[u8]| environment(clock_ms(operation), bytes[0]);
    let mut members = Vec::new();
    for message in messages {
        let message = codec.decode(message, &environment(message)).expect("readable");
        members.extend(list(&message, &[CHANNELS]).iter().filter_map(Value::as_text).map(str::to_owned));
    }
    let keys = keys();
    let recipients = Recipients { keys: &keys, codec, rules: &[], capacity: 100, servers: 1 };
    let message = map(&list(operation, &["args"])[1]);
    for (index, bytes) in messages.iter().enumerate() {
        let found = recipients.messages(&members, &message, &environment(bytes)).expect("written");
        let [(0, found)] = found.as_slice() else { panic!("one server") };
        assert_eq!((found[index].queue.as_bytes(), &found[index].message), (&script[3 + index][..], bytes));
        let sent = keys.send(found, clock(operation));
        assert_eq!(sent[..1], script[..1]);
        assert_eq!(sent[2..3 + count], script[2..3 + count], "the queues");
        assert_eq!(sent[3 + 2 * count..5 + 3 * count], script[3 + 2 * count..], "capacities, score and expiry");
    }
    count
}

#[test]
fn operations_of_the_core_layer_send_the_same_commands() {
    let vectors = vectors();
    let keys = keys();
    for (name, codec) in [
        ("core_plain", codec(Layer::Core, Serializer::Msgpack, &[])),
        ("core_encrypted", codec(Layer::Core, Serializer::Msgpack, &[KEY])),
    ] {
        let mut compared = 0;
        for operation in list(&vectors, &[name]) {
            let expected = commands(operation);
            let now_s = clock(operation);
            match (text(operation, "op"), argument_texts(operation).as_slice()) {
                ("group_add", [group, channel]) => assert_eq!(expected, keys.group_add(group, channel, now_s)),
                ("group_discard", [group, channel]) => assert_eq!(expected, [keys.group_discard(group, channel)]),
                ("group_send", [group]) => {
                    assert_eq!(expected[..2], keys.group_members(group, now_s));
                    compared += compare_group_send(operation, &codec);
                }
                ("receive", [channel]) if !expected.is_empty() => {
                    assert_eq!(expected[1], keys.receive(&keys.queue(channel), 5));
                }
                ("send", [channel]) => {
                    let mut message = map(&list(operation, &["args"])[1]);
                    if channel.contains('!') {
                        message.push((CHANNELS.into(), (*channel).into()));
                    }
                    let bytes = &expected[2][3];
                    let environment = environment(clock_ms(operation), bytes[0]);
                    assert_eq!(&codec.encode(&Value::Map(message), &environment).expect("written"), bytes);
                    assert_eq!(expected[2][1], keys.queue(channel).into_bytes());
                }
                _ => {}
            }
        }
        assert_eq!(compared, 3, "messages of group_send");
    }
}

#[test]
fn members_of_another_program_are_read() {
    let vectors = vectors();
    for (name, keys) in [("core_foreign_member", &[][..]), ("core_foreign_member_encrypted", &[KEY][..])] {
        let vector = &list(&vectors, &[name])[0];
        let bytes = of_hex(text(vector, "member_hex"));
        // The token says when it was made.
        let token = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE, &bytes[12..]);
        let made_s = token
            .ok()
            .filter(|_| !keys.is_empty())
            .map_or(0, |token| i64::from_be_bytes(token[1..9].try_into().expect("eight bytes")));
        let codec = codec(Layer::Core, Serializer::Msgpack, keys);
        let decoded = codec.decode(&bytes, &environment(made_s * 1000, 0)).expect("readable");
        assert_eq!(&decoded, at(vector, &["decoded"]), "{name}");
    }
}

#[test]
fn operations_of_the_pubsub_layer_send_the_same_commands() {
    let vectors = vectors();
    let keys = keys();
    for (name, codec) in [
        ("pubsub_plain", codec(Layer::Pubsub, Serializer::Msgpack, &[])),
        ("pubsub_encrypted", codec(Layer::Pubsub, Serializer::Msgpack, &[KEY])),
    ] {
        let mut compared = 0;
        for operation in list(&vectors, &[name]) {
            let (expected, args) = (commands(operation), argument_texts(operation));
            match text(operation, "op") {
                "group_add" | "group_discard" if !expected.is_empty() => {
                    assert_eq!(expected[0][1], keys.group_topic(args[0]).into_bytes());
                    compared += 1;
                }
                "group_send" => {
                    let message = &list(operation, &["args"])[1];
                    let bytes = codec.encode(message, &environment(MADE_MS, 0)).expect("written");
                    assert_eq!(expected, [keys.broadcast(args[0], &bytes)]);
                    compared += 1;
                }
                _ => {}
            }
        }
        assert_eq!(compared, 3, "{name}");
    }
}
