//! A view of the host that sends messages: its path, and the form that it takes.

use http::{HeaderName, HeaderValue};
use serde::{Deserialize, Deserializer, de};
use std::collections::BTreeMap;

/// A view that sends a message, as the site's own page calls it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WriteView {
    /// Its path, from `host.url` on.
    #[serde(deserialize_with = "path")]
    pub path: String,
    /// The fields of the form, but for Django's token.
    #[serde(deserialize_with = "form")]
    pub form: Vec<(String, FormValue)>,
    /// Headers of its own.
    #[serde(default, deserialize_with = "headers")]
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// The cookie with Django's token (`CSRF_COOKIE_NAME`).
    #[serde(default = "csrf_cookie", deserialize_with = "cookie_name")]
    pub csrf_cookie: String,
}

/// The value of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FormValue {
    /// Always this.
    Constant(String),
    /// The text of the message.
    Text,
    /// The subject, or nothing.
    Subject,
    /// The id of the signed-in user.
    Sender,
    /// The id of the user to whom they write.
    Recipient,
    /// The id of the context's row, or nothing.
    Context,
}

fn csrf_cookie() -> String {
    "csrftoken".to_owned()
}

fn cookie_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let name = String::deserialize(deserializer)?;
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    if !name.is_empty() && name.bytes().all(is_name) {
        return Ok(name);
    }
    Err(de::Error::custom(format_args!("{name:?} is no name of a cookie")))
}

fn path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let path = String::deserialize(deserializer)?;
    if path.starts_with('/') && !path.starts_with("//") {
        return Ok(path);
    }
    Err(de::Error::custom(format_args!("the path {path:?} does not begin with one /")))
}

fn form<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(String, FormValue)>, D::Error> {
    let fields = BTreeMap::<String, String>::deserialize(deserializer)?;
    fields.into_iter().map(|(name, value)| Ok((name, value_of(&value).map_err(de::Error::custom)?))).collect()
}

fn headers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(HeaderName, HeaderValue)>, D::Error> {
    let headers = BTreeMap::<String, String>::deserialize(deserializer)?;
    let header = |(name, value): (String, String)| {
        let wrong = || de::Error::custom(format_args!("{name:?} is no header with such a value"));
        Ok((name.parse().map_err(|_| wrong())?, value.parse().map_err(|_| wrong())?))
    };
    headers.into_iter().map(header).collect()
}

fn value_of(text: &str) -> Result<FormValue, String> {
    match text.strip_prefix('$') {
        None => Ok(FormValue::Constant(text.to_owned())),
        Some("text") => Ok(FormValue::Text),
        Some("subject") => Ok(FormValue::Subject),
        Some("sender.id") => Ok(FormValue::Sender),
        Some("recipient.id") => Ok(FormValue::Recipient),
        Some("context.id") => Ok(FormValue::Context),
        Some(constant) if constant.starts_with('$') => Ok(FormValue::Constant(constant.to_owned())),
        Some(_) => Err(format!(
            "the variable {text} has no value in a form; there are $text, $subject, $sender.id, $recipient.id and \
             $context.id"
        )),
    }
}
