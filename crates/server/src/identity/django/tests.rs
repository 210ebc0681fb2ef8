//! Every golden vector that real Django has written (`fixtures/django/auth_vectors.json`), and hostile cookies.
//!
//! Two groups of vectors are not Parlor's affair: `csrf`, because Parlor's own requests are guarded by their `Origin`,
//! and `origin_validator`, because Parlor compares whole origins, scheme and port included, and has no patterns.

use super::{
    cookies::cookie,
    session::{self, COOKIE_SALT, STORED_SALT, SessionError, is_key, user_of},
    signing::{OBJECT_BYTES_MAX, SecretKeys, SigningError, base62, hex, salted_hmac},
};
use crate::{
    config::Config,
    host::django::DjangoUser,
    identity::{passwords::Passwords, providers::django_session::DjangoRules},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use flate2::{Compression, write::ZlibEncoder};
use serde_json::Value;
use std::io::Write as _;

/// When the vectors were made.
const NOW_MS: i64 = 1_795_319_400_000;

fn vectors() -> Value {
    serde_json::from_str(include_str!("../../../../../fixtures/django/auth_vectors.json"))
        .expect("the vectors are JSON")
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("{name} is a text in {value}"))
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().expect("a list")
}

fn keys(vectors: &Value) -> SecretKeys {
    let settings = &vectors["settings"];
    let fallbacks = list(&settings["SECRET_KEY_FALLBACKS"]).iter();
    let all = [&settings["SECRET_KEY"]].into_iter().chain(fallbacks);
    SecretKeys(all.map(|key| key.as_str().expect("a key").to_owned()).collect())
}

fn rules(vectors: &Value) -> DjangoRules {
    let keys = keys(vectors).0;
    let config = Config::with(&[("django.secret_key", &keys[0]), ("django.secret_key_fallbacks", &keys[1])]);
    DjangoRules::new(&config.expect("the settings are valid").django)
}

fn users(vectors: &Value) -> Vec<DjangoUser> {
    let user = |row: &Value| DjangoUser {
        id: row["id"].to_string(),
        login: text(row, "username").to_owned(),
        password: text(row, "password").to_owned(),
        is_active: row["is_active"] == 1,
        name: String::new(),
    };
    list(&vectors["auth_user"]["rows"]).iter().map(user).collect()
}

/// `2026-12-06 03:48:58.796695` in milliseconds since 1970.
fn time_ms(text: &str) -> i64 {
    let time: jiff::Timestamp = format!("{}Z", text.replace(' ', "T")).parse().expect("a time");
    time.as_millisecond()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_password_hash_of_django_knows_its_password_and_no_other() {
    let vectors = vectors();
    let config = Config::with(&[("accounts.password_memory_kib", "8"), ("accounts.password_passes", "1")]);
    let passwords = Passwords::new(&config.expect("a configuration"), [7; 48]);
    for vector in list(&vectors["passwords"]["vectors"]) {
        let (password, encoded) = (text(vector, "password"), text(vector, "encoded"));
        let is_md5 = vector["algorithm"] == "md5";
        let right = passwords.check(password.to_owned(), Some(encoded)).await;
        assert_eq!(right, Ok(!is_md5), "{encoded}: MD5 is refused, everything else verifies");
        if vector["password_plus_bang_verifies"] == false && password.starts_with("correct") {
            assert_eq!(passwords.check(format!("{password}!"), Some(encoded)).await, Ok(false), "{encoded}");
        }
    }
    for vector in list(&vectors["passwords"]["never_verify"]) {
        let encoded = text(vector, "encoded");
        assert_eq!(passwords.check("secret".to_owned(), Some(encoded)).await, Ok(false), "{encoded}");
    }
    for absurd in [
        "pbkdf2_sha256$4000000000$salt$YQ==",
        "pbkdf2_sha256$0$salt$YQ==",
        "scrypt$1073741824$salt$8$1$YQ==",
        "scrypt$16384$salt$8$4000000000$YQ==",
        "scrypt$3$salt$8$1$YQ==",
        "bcrypt$$2b$31$SoYZWiNsTccWlzshgPa47Ol/X91HVc50cm7McUO43oqSMQf6Vb.QO",
        "bcrypt$",
        "argon2$argon2id$v=19$m=4294967295,t=2,p=8$c2FsdHNhbHQ$YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE",
        "argon2$argon2id$v=19$m=64,t=4294967295,p=8$c2FsdHNhbHQ$YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE",
        "argon2$argon2id$v=19$m=800000,t=1,p=100000$c2FsdHNhbHQ$YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE",
        "$argon2id$v=19$m=4294967295,t=2,p=8$c2FsdHNhbHQ$YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE",
    ] {
        assert_eq!(passwords.check("secret".to_owned(), Some(absurd)).await, Ok(false), "{absurd}");
    }
}

#[test]
fn the_hash_of_a_session_is_that_of_the_password_under_the_key_or_a_fallback() {
    let vectors = vectors();
    let keys = keys(&vectors);
    let salt = "django.contrib.auth.models.AbstractBaseUser.get_session_auth_hash";
    for vector in list(&vectors["session_auth_hash"]["vectors"]) {
        let password = text(vector, "password_column");
        for (secret, hash) in [("secret", "hash"), ("fallback_secret", "fallback_hash")] {
            assert_eq!(hex(&salted_hmac(salt, text(vector, secret), password.as_bytes())), text(vector, hash));
            assert!(keys.is_hex_hmac(salt, password, text(vector, hash)));
            assert!(!SecretKeys(vec!["another".to_owned()]).is_hex_hmac(salt, password, text(vector, hash)));
            assert!(!keys.is_hex_hmac(salt, "another password", text(vector, hash)));
        }
        assert!(!keys.is_hex_hmac(salt, password, ""));
    }
}

#[test]
fn every_session_of_the_database_resolves_as_in_django() {
    let vectors = vectors();
    let (rules, users) = (rules(&vectors), users(&vectors));
    for vector in list(&vectors["db_sessions"]["vectors"]) {
        let (name, row) = (text(vector, "name"), &vector["row"]);
        let expires_at = row["expire_date"].as_str().map_or(i64::MAX, time_ms);
        let now_ms = if name == "custom_expiry_300s" { expires_at - 1 } else { NOW_MS };
        let found = rules.parse_stored(text(row, "session_data"), expires_at, now_ms).ok().flatten();
        let user = found.and_then(|session| {
            let user = users.iter().find(|user| user.id == session.user.id)?;
            rules.admits(&session.user, user).then_some(user.login.as_str())
        });
        let expected = vector["resolves_to"].as_str().map(|who| who.split(' ').next().unwrap_or_default());
        assert_eq!(user, expected, "{name}");
        assert_eq!(
            rules.parse_stored(text(row, "session_data"), NOW_MS, NOW_MS).ok().flatten(),
            None,
            "{name} has expired"
        );
    }
}

#[test]
fn a_backend_may_let_in_people_who_are_not_active() {
    let vectors = vectors();
    let model = "django.contrib.auth.backends.ModelBackend";
    let key = &keys(&vectors).0[0];
    let lenient = Config::with(&[("django.secret_key", key), ("django.backends_inactive", model)]);
    let lenient = DjangoRules::new(&lenient.expect("valid").django);
    let inactive = list(&vectors["db_sessions"]["vectors"]).iter().find(|vector| vector["name"] == "inactive_user");
    let row = &inactive.expect("the vector")["row"];
    let session =
        lenient.parse_stored(text(row, "session_data"), i64::MAX, NOW_MS).expect("signed").expect("of somebody");
    let users = users(&vectors);
    assert!(lenient.admits(&session.user, &users[1]));
    assert!(!rules(&vectors).admits(&session.user, &users[1]));
}

#[test]
fn signed_values_are_read_as_django_reads_them() {
    let vectors = vectors();
    let (keys, signing) = (keys(&vectors), &vectors["signing"]);
    for vector in list(&signing["vectors"]) {
        let (salt, signed) = (text(vector, "salt"), text(vector, "signed"));
        let loaded = keys.load(salt, signed, NOW_MS, None).expect("the signature is right");
        let object: Value = serde_json::from_slice(&loaded.content).expect("JSON");
        assert_eq!((&object, loaded.signed_at), (&vector["object"], 1_700_000_000_000));
        assert_eq!(keys.load("another salt", signed, NOW_MS, None), Err(SigningError::Signature));
    }
    for vector in list(&signing["b62"]) {
        assert_eq!(base62(text(vector, "b62")), vector["n"].as_i64());
    }
    for nonsense in ["", "-", "1 2", "é", "zzzzzzzzzzzzzzzz"] {
        assert_eq!(base62(nonsense), None, "{nonsense}");
    }
    let signer = &signing["signer"];
    assert_eq!(keys.unsign(text(signer, "salt"), text(signer, "signed")), Ok(text(signer, "value")));
    let hmac = &signing["salted_hmac_sha256"];
    let found = salted_hmac(text(hmac, "key_salt"), text(hmac, "secret"), text(hmac, "value").as_bytes());
    assert_eq!(hex(&found), text(hmac, "hex"));
    let helper = &vectors["signed_cookie_helper"];
    let cookie_keys = SecretKeys(vec![format!("django.http.cookies{}", keys.0[0])]);
    let value = cookie_keys.unsign(text(helper, "v2_salt"), text(helper, "signed")).expect("the signature is right");
    assert_eq!(value.split(':').next(), helper["value"].as_str());
}

#[test]
fn sessions_in_cookies_and_files_are_read_and_those_in_caches_are_not() {
    let vectors = vectors();
    let rules = rules(&vectors);
    for vector in list(&vectors["signed_cookie_sessions"]["vectors"]) {
        let found = rules.parse_cookie(text(vector, "cookie_value"), NOW_MS).expect("the signature is right");
        let id = vector["session"]["_auth_user_id"].as_str();
        assert_eq!(found.as_ref().map(|session| session.user.id.as_str()), id);
        let later = NOW_MS + 1_209_600_000;
        let expired = rules.parse_cookie(text(vector, "cookie_value"), later);
        assert_eq!(expired, Err(SessionError::Signing(SigningError::Expired)));
    }
    let file = &vectors["file_sessions"];
    let found = rules.parse_file(text(file, "content"), NOW_MS - 1000, NOW_MS).expect("signed").expect("of somebody");
    assert_eq!(found.user.id, text(&file["session"], "_auth_user_id"));
    assert_eq!(rules.parse_file(text(file, "content"), NOW_MS - 1_209_600_000, NOW_MS), Ok(None), "an old file");
    for vector in list(&vectors["cache_sessions"]["vectors"]) {
        // A pickle without a signature: anybody could have written it.
        let value = text(vector, "value_hex");
        assert!(value.starts_with("80"), "it is a pickle");
        let bytes: Vec<u8> =
            (0..value.len() / 2).map(|at| u8::from_str_radix(&value[2 * at..2 * at + 2], 16).expect("hex")).collect();
        let unsigned = String::from_utf8_lossy(&bytes).into_owned();
        assert_eq!(
            rules.parse_stored(&unsigned, i64::MAX, NOW_MS),
            Err(SessionError::Signing(SigningError::Signature))
        );
    }
}

#[test]
fn cookies_are_parsed_as_in_django() {
    for vector in list(&vectors()["parse_cookie"]["vectors"]) {
        let header = text(vector, "header");
        for (name, value) in vector["cookies"].as_object().expect("cookies") {
            assert_eq!(cookie([header.as_bytes()], name).as_deref(), value.as_str(), "{header:?}");
        }
    }
    assert_eq!(cookie([b"sessionid=a".as_slice(), b"sessionid=b"], "sessionid").as_deref(), Some("b"));
    assert_eq!(cookie([b"sessionid=a".as_slice()], "SessionId"), None);
    assert_eq!(cookie([b"x=\"\\".as_slice(), b"y=\"\\4\\\"\""], "y").as_deref(), Some("4\""));
    assert_eq!(cookie([b"x=\xe9".as_slice()], "x").as_deref(), Some("é"));
}

/// Signs as Django does.
fn signed(key: &str, salt: &str, payload: &str, time: &str) -> String {
    let value = format!("{payload}:{time}");
    let signature = URL_SAFE_NO_PAD.encode(salted_hmac(&format!("{salt}signer"), key, value.as_bytes()));
    format!("{value}:{signature}")
}

fn compressed(content: &[u8]) -> String {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content).expect("memory");
    format!(".{}", URL_SAFE_NO_PAD.encode(encoder.finish().expect("memory")))
}

#[test]
fn hostile_cookies_sign_nobody_in() {
    let vectors = vectors();
    let rules = rules(&vectors);
    let key = rules.keys.0[0].clone();
    let now = "1xUyZW";
    let good = text(&vectors["signed_cookie_sessions"]["vectors"][0], "cookie_value").to_owned();
    let body = good.split(':').next().expect("the payload").to_owned();
    let refusal = |cookie: &str| rules.parse_cookie(cookie, NOW_MS);
    let signing = |error| Err(SessionError::Signing(error));
    assert!(refusal(&good).expect("it is right").is_some());
    let bomb = compressed(&vec![b' '; 4 * OBJECT_BYTES_MAX]);
    assert!(bomb.len() < 20_000, "a small cookie");
    let pickle = URL_SAFE_NO_PAD.encode(b"\x80\x05cos\nsystem\n(S'true'\ntR.");
    let deep = URL_SAFE_NO_PAD.encode("[".repeat(100_000));
    let long = "x".repeat(OBJECT_BYTES_MAX + 1);
    for (what, cookie, expected) in [
        ("wrong salt", signed(&key, STORED_SALT, &body, now), signing(SigningError::Signature)),
        ("other key", signed("another key", COOKIE_SALT, &body, now), signing(SigningError::Signature)),
        ("tampered", good.replacen('e', "f", 1), signing(SigningError::Signature)),
        ("tampered time", good.replacen(&format!(":{now}:"), ":1xUyZX:", 1), signing(SigningError::Signature)),
        ("without a signature", body.clone(), signing(SigningError::Signature)),
        ("empty signature", format!("{body}:{now}:"), signing(SigningError::Signature)),
        ("unsigned bomb", format!("{bomb}:{now}:{}", "A".repeat(43)), signing(SigningError::Signature)),
        ("signed bomb", signed(&key, COOKIE_SALT, &bomb, now), signing(SigningError::TooLong)),
        ("unsigned pickle", format!("{pickle}:{now}:{}", "A".repeat(43)), signing(SigningError::Signature)),
        ("signed pickle", signed(&key, COOKIE_SALT, &pickle, now), Err(SessionError::Pickle)),
        (
            "signed compressed pickle",
            signed(&key, COOKIE_SALT, &compressed(b"\x80\x05]."), now),
            Err(SessionError::Pickle),
        ),
        ("deep", signed(&key, COOKIE_SALT, &deep, now), Err(SessionError::NotJson)),
        ("expired", signed(&key, COOKIE_SALT, &body, "1r31eq"), signing(SigningError::Expired)),
        ("time of nonsense", signed(&key, COOKIE_SALT, &body, "!"), signing(SigningError::Content)),
        ("enormous time", signed(&key, COOKIE_SALT, &body, &"z".repeat(40)), signing(SigningError::Content)),
        ("not base64", signed(&key, COOKIE_SALT, "!!", now), signing(SigningError::Content)),
        ("not zlib", signed(&key, COOKIE_SALT, ".AAAA", now), signing(SigningError::Content)),
        ("overlong", long, signing(SigningError::TooLong)),
        ("empty", String::new(), signing(SigningError::Signature)),
        ("nobody", signed(&key, COOKIE_SALT, &URL_SAFE_NO_PAD.encode("{}"), now), Ok(None)),
        ("a list", signed(&key, COOKIE_SALT, &URL_SAFE_NO_PAD.encode("[1]"), now), Err(SessionError::NotJson)),
    ] {
        assert_eq!(refusal(&cookie), expected, "{what}");
    }
    for hostile in
        ["", "a", "../../../etc/passwd", "' OR 1=1 --", "a\0aaaaaaaa", "é".repeat(8).as_str(), &"a".repeat(41)]
    {
        assert!(!is_key(hostile), "{hostile:?} is not looked up");
    }
    assert!(is_key("y3zsufu4nbn9o7jzbjxw64m7eg6dj1ri"));
}

#[test]
fn a_session_names_its_user_by_text_or_number() {
    let user = |json: &str| {
        let signed = super::signing::Signed { content: json.as_bytes().to_vec(), signed_at: 0 };
        user_of(&signed).map(|user| user.map(|user| user.id))
    };
    assert_eq!(user(r#"{"_auth_user_id": "7"}"#), Ok(Some("7".to_owned())));
    assert_eq!(user(r#"{"_auth_user_id": 7}"#), Ok(Some("7".to_owned())));
    assert_eq!(user(r#"{"_auth_user_id": ""}"#), Ok(None));
    assert_eq!(user(r#"{"_auth_user_id": null}"#), Ok(None));
    let uuid = "0b4f5c1e-0000-4000-8000-000000000001";
    assert_eq!(user(&format!(r#"{{"_auth_user_id": "{uuid}"}}"#)), Ok(Some(uuid.to_owned())));
    let session = session::SessionUser {
        id: "7".to_owned(),
        backend: String::new(),
        auth_hash: String::new(),
        expiry_seconds: None,
    };
    assert!(!session.has_hash_of(&SecretKeys(vec![String::new()]), ""), "an absent hash is never right");
}
