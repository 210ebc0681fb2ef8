//! A frame of an old socket as a profile declares it: a table whose strings that begin with `$` are variables.
//!
//! `"$id"` is a variable, `"$subject or No Subject"` has a value for when it is empty, `"$sender.id as text"` is a
//! string where the value is a number. `"$$5"` is the text `$5`. Anything else is itself. The keys keep their order.

use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, SeqAccess, Visitor},
};
use std::{fmt, str::FromStr};

/// See the module documentation.
#[derive(Clone, Debug, PartialEq)]
pub enum FrameTemplate {
    /// A value that is always the same.
    Constant(serde_json::Value),
    /// A value that depends on what the frame is about.
    Variable(TemplateVariable),
    /// A nested object.
    Object(Vec<(String, FrameTemplate)>),
    /// A list of values.
    List(Vec<FrameTemplate>),
}

/// A variable, and how it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateVariable {
    /// Which value.
    pub name: Variable,
    /// What is written instead of a value that is absent or an empty text.
    pub default: Option<String>,
    /// Whether a number is written as a string.
    pub as_text: bool,
}

/// A value that a frame can contain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Variable {
    /// The id of the message's row.
    Id,
    /// The text of the message.
    Text,
    /// The subject.
    Subject,
    /// When the message was written, in the format and the zone of the socket.
    CreatedAt,
    /// The same, in milliseconds since 1970.
    CreatedAtMs,
    /// Whether the recipient has read the message.
    IsRead,
    /// The id of the context's row.
    ContextId,
    /// The attachments, each by the template for attachments.
    Attachments,
    /// The user who wrote the message.
    Sender(PersonField),
    /// The user to whom it was written.
    Recipient(PersonField),
    /// The id of the signed-in user.
    MyId,
    /// A field of an attachment.
    Attachment(AttachmentField),
    /// How many unread messages the signed-in user has.
    UnreadCount,
    /// A sentence about an error.
    Error,
    /// The name of an error.
    ErrorCode,
    /// A field of the frame that is answered, as it came.
    Frame(FieldPath),
    /// A part of the socket's path.
    Path(String),
}

/// A field of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PersonField {
    /// The id in the host's user table.
    Id,
    /// The full name, or the login name where there is none.
    Name,
    /// The login name.
    Login,
}

/// A field of an attachment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttachmentField {
    /// The id of its row.
    Id,
    /// The name of the file.
    FileName,
    /// Its size in bytes.
    FileSize,
    /// Where it is.
    Url,
    /// Where it is downloaded.
    DownloadUrl,
}

/// The path to a field of a frame: `data.id` is the field `id` of the object `data`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldPath(Vec<String>);

/// Where a template is used, which decides what it may contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TemplateScope {
    /// About a message.
    Message,
    /// One attachment of a message.
    Attachment,
    /// The answer to a frame that sent a message.
    SendAnswer,
    /// The answer to a frame that marked a message as read.
    ReadAnswer,
    /// The answer with the number of unread messages.
    CountAnswer,
    /// Any other answer.
    Answer,
    /// An error.
    Error,
}

impl FrameTemplate {
    /// Checks that everything in it exists where it is used.
    ///
    /// # Errors
    /// Names the variable that does not.
    pub fn check(&self, scope: TemplateScope) -> Result<(), String> {
        match self {
            Self::Constant(_) => Ok(()),
            Self::Variable(variable) if variable.name.is_in(scope) => Ok(()),
            Self::Variable(variable) => Err(format!("{:?} has no value here", variable.name)),
            Self::Object(fields) => fields.iter().try_for_each(|(_, field)| field.check(scope)),
            Self::List(items) => items.iter().try_for_each(|item| item.check(scope)),
        }
    }
}

impl Variable {
    const fn is_in(&self, scope: TemplateScope) -> bool {
        use TemplateScope as Scope;
        match self {
            Self::MyId | Self::Path(_) => true,
            Self::Attachment(_) => matches!(scope, Scope::Attachment),
            Self::Id => matches!(scope, Scope::Message | Scope::SendAnswer | Scope::ReadAnswer),
            Self::Text
            | Self::Subject
            | Self::CreatedAt
            | Self::CreatedAtMs
            | Self::IsRead
            | Self::ContextId
            | Self::Attachments
            | Self::Sender(_)
            | Self::Recipient(_) => matches!(scope, Scope::Message | Scope::SendAnswer),
            Self::UnreadCount => matches!(scope, Scope::CountAnswer),
            Self::Error | Self::ErrorCode => matches!(scope, Scope::Error),
            Self::Frame(_) => !matches!(scope, Scope::Message | Scope::Attachment),
        }
    }
}

impl FieldPath {
    /// Returns the field of a frame, if it is there.
    #[must_use]
    pub fn find<'a>(&self, frame: &'a serde_json::Value) -> Option<&'a serde_json::Value> {
        self.0.iter().try_fold(frame, |value, name| value.get(name))
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.join("."))
    }
}

impl FromStr for FieldPath {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names: Vec<String> = text.split('.').map(str::to_owned).collect();
        if names.iter().any(String::is_empty) { Err(format!("`{text}` is not a field")) } else { Ok(Self(names)) }
    }
}

impl<'de> Deserialize<'de> for FieldPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl FromStr for Variable {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let unknown = || format!("the variable ${name} does not exist");
        let (object, field) = name.split_once('.').map_or((name, None), |(object, field)| (object, Some(field)));
        let person = || match field {
            Some("id") => Ok(PersonField::Id),
            Some("name") => Ok(PersonField::Name),
            Some("login") => Ok(PersonField::Login),
            _ => Err(unknown()),
        };
        Ok(match (object, field) {
            ("id", None) => Self::Id,
            ("text", None) => Self::Text,
            ("subject", None) => Self::Subject,
            ("created_at", None) => Self::CreatedAt,
            ("created_at_ms", None) => Self::CreatedAtMs,
            ("is_read", None) => Self::IsRead,
            ("context", Some("id")) => Self::ContextId,
            ("attachments", None) => Self::Attachments,
            ("unread_count", None) => Self::UnreadCount,
            ("error", None) => Self::Error,
            ("error", Some("code")) => Self::ErrorCode,
            ("sender", _) => Self::Sender(person()?),
            ("recipient", _) => Self::Recipient(person()?),
            ("me", Some("id")) => Self::MyId,
            ("attachment", Some("id")) => Self::Attachment(AttachmentField::Id),
            ("attachment", Some("filename")) => Self::Attachment(AttachmentField::FileName),
            ("attachment", Some("file_size")) => Self::Attachment(AttachmentField::FileSize),
            ("attachment", Some("url")) => Self::Attachment(AttachmentField::Url),
            ("attachment", Some("download_url")) => Self::Attachment(AttachmentField::DownloadUrl),
            ("frame", Some(field)) => Self::Frame(field.parse()?),
            ("path", Some(part)) => Self::Path(part.to_owned()),
            _ => return Err(unknown()),
        })
    }
}

impl FromStr for TemplateVariable {
    type Err = String;

    /// Parses what follows the `$`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (text, default) = match text.split_once(" or ") {
            Some((variable, default)) => (variable, Some(default.to_owned())),
            None => (text, None),
        };
        let (name, as_text) = text.strip_suffix(" as text").map_or((text, false), |name| (name, true));
        Ok(Self { name: name.parse()?, default, as_text })
    }
}

impl<'de> Deserialize<'de> for FrameTemplate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TemplateVisitor)
    }
}

struct TemplateVisitor;

impl<'de> Visitor<'de> for TemplateVisitor {
    type Value = FrameTemplate;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a text, a number, true or false, a list or a table")
    }

    fn visit_bool<E>(self, value: bool) -> Result<FrameTemplate, E> {
        Ok(FrameTemplate::Constant(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<FrameTemplate, E> {
        Ok(FrameTemplate::Constant(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<FrameTemplate, E> {
        Ok(FrameTemplate::Constant(value.into()))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<FrameTemplate, E> {
        match text.strip_prefix('$') {
            Some(constant) if constant.starts_with('$') => Ok(FrameTemplate::Constant(constant.into())),
            Some("null") => Ok(FrameTemplate::Constant(serde_json::Value::Null)),
            Some(variable) => variable.parse().map(FrameTemplate::Variable).map_err(E::custom),
            None => Ok(FrameTemplate::Constant(text.into())),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<FrameTemplate, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(FrameTemplate::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<FrameTemplate, A::Error> {
        let mut fields = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            fields.push(entry);
        }
        Ok(FrameTemplate::Object(fields))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct FrameFile {
        frame: FrameTemplate,
    }

    fn read(text: &str) -> Result<FrameTemplate, String> {
        toml::from_str(text).map(|file: FrameFile| file.frame).map_err(|error| error.to_string())
    }

    #[test]
    fn strings_with_a_dollar_are_variables_and_keys_keep_their_order() {
        let template = read(
            "[frame]\ntype = \"new_message\"\nid = \"$id as text\"\nprice = \"$$5\"\ncount = 3\nnone = \"$null\"\n\
             data = { subject = \"$subject or No Subject\", by = \"$sender.name\", list = [\"$text\", true] }\n",
        );
        let variable = |name, default: Option<&str>, as_text| {
            let default = default.map(str::to_owned);
            FrameTemplate::Variable(TemplateVariable { name, default, as_text })
        };
        let fields = vec![
            ("type", FrameTemplate::Constant("new_message".into())),
            ("id", variable(Variable::Id, None, true)),
            ("price", FrameTemplate::Constant("$5".into())),
            ("count", FrameTemplate::Constant(3.into())),
            ("none", FrameTemplate::Constant(serde_json::Value::Null)),
            (
                "data",
                FrameTemplate::Object(vec![
                    ("subject".to_owned(), variable(Variable::Subject, Some("No Subject"), false)),
                    ("by".to_owned(), variable(Variable::Sender(PersonField::Name), None, false)),
                    (
                        "list".to_owned(),
                        FrameTemplate::List(vec![
                            variable(Variable::Text, None, false),
                            FrameTemplate::Constant(true.into()),
                        ]),
                    ),
                ]),
            ),
        ];
        let fields = fields.into_iter().map(|(name, field)| (name.to_owned(), field)).collect();
        assert_eq!(template, Ok(FrameTemplate::Object(fields)));
    }

    #[test]
    fn an_unknown_variable_is_refused_with_its_line() {
        for name in ["nothing", "sender", "sender.age", "attachment.x", "frame", "frame.a..b", "id as number"] {
            let error = read(&format!("[frame]\na = 1\nb = {{ c = \"${name}\" }}\n")).expect_err(name);
            assert!(error.contains("line 3"), "{error}");
        }
    }

    #[test]
    fn a_variable_without_a_value_where_it_is_used_is_refused() {
        let count = read("frame = { n = [\"$unread_count\"] }").expect("a template");
        assert_eq!(count.check(TemplateScope::CountAnswer), Ok(()));
        assert!(count.check(TemplateScope::Message).is_err());
    }
}
