//! The `Cookie` header as Django reads it (`django.http.cookie.parse_cookie`): the last of several cookies of a name
//! wins, and quoted values are unquoted as Python's `http.cookies` does.

/// Cookies of Parlor itself, which are not passed on, begin with one of these.
const OWN_COOKIES: [&[u8]; 3] = [b"parlor_", b"__Host-parlor_", b"__Secure-parlor_"];

/// Returns all cookies in the lines of the header, to be passed on to the host: byte by byte, without those of Parlor.
pub(crate) fn of_host(lines: &[&[u8]]) -> Vec<u8> {
    let pairs = lines.iter().flat_map(|line| line.split(|byte| *byte == b';')).map(<[u8]>::trim_ascii);
    let pairs = pairs.filter(|pair| !pair.is_empty() && !OWN_COOKIES.iter().any(|own| pair.starts_with(own)));
    pairs.collect::<Vec<_>>().join(b"; ".as_slice())
}

/// Bytes as a text, each of them as a character of Latin-1.
pub(crate) mod latin_1 {
    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer, de::Error as _};

    pub(crate) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        bytes.iter().copied().map(char::from).collect::<String>().serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.chars().map(u8::try_from).collect::<Result<_, _>>().map_err(D::Error::custom)
    }
}

/// Returns the value of the last cookie of this name in the lines of the header.
pub(crate) fn cookie<'a>(lines: impl IntoIterator<Item = &'a [u8]>, name: &str) -> Option<String> {
    let mut found = None;
    for line in lines {
        // Bytes are characters of Latin-1, as in WSGI.
        let line: String = line.iter().copied().map(char::from).collect();
        for pair in line.split(';') {
            let (key, value) = pair.split_once('=').unwrap_or(("", pair));
            let (key, value) = (key.trim(), value.trim());
            if key == name && !(key.is_empty() && value.is_empty()) {
                found = Some(unquoted(value));
            }
        }
    }
    found
}

/// `"…"` without its quotes, `\ooo` as the character of this octal number, and `\x` as x.
fn unquoted(value: &str) -> String {
    let Some(inner) = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return value.to_owned();
    };
    let characters: Vec<char> = inner.chars().collect();
    let mut text = String::with_capacity(inner.len());
    let mut at = 0;
    while let Some(&character) = characters.get(at) {
        at += 1;
        if character != '\\' || at == characters.len() {
            text.push(character);
            continue;
        }
        let octal: String = characters[at..].iter().take(3).collect();
        let is_octal = octal.len() == 3
            && octal.starts_with(['0', '1', '2', '3'])
            && octal.bytes().all(|digit| (b'0'..=b'7').contains(&digit));
        if is_octal {
            let number = u8::from_str_radix(&octal, 8).expect("three octal digits up to 377");
            text.push(char::from(number));
            at += 3;
        } else {
            text.push(characters[at]);
            at += 1;
        }
    }
    text
}
