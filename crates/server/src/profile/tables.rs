//! The tables of an application, as its profile declares them: the names of tables and columns, which are quoted in
//! every statement, and how the URLs of its files and things are made.

use super::template::{Template, about_file, about_row};
use parlor_protocol::model::Tone;
use serde::{Deserialize, Deserializer, de};
use std::collections::BTreeMap;

/// The table of messages. Each row is a message of one user to another.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MessageTable {
    /// The table.
    #[serde(deserialize_with = "name")]
    pub table: String,
    /// The column of its primary key, an integer.
    #[serde(deserialize_with = "name")]
    pub id: String,
    /// The column of the sender's id.
    #[serde(deserialize_with = "name")]
    pub sender: String,
    /// The column of the recipient's id.
    #[serde(deserialize_with = "name")]
    pub recipient: String,
    /// The column of the id of what the message is about.
    #[serde(default, deserialize_with = "optional_name")]
    pub context: Option<String>,
    /// The column of the text.
    #[serde(deserialize_with = "name")]
    pub text: String,
    /// The column of the subject.
    #[serde(default, deserialize_with = "optional_name")]
    pub subject: Option<String>,
    /// The column of the time at which it was sent, in UTC.
    #[serde(deserialize_with = "name")]
    pub created_at: String,
    /// The column of the time of its last change, in UTC.
    #[serde(default, deserialize_with = "optional_name")]
    pub updated_at: Option<String>,
    /// The column that says whether the recipient has read it.
    #[serde(deserialize_with = "name")]
    pub is_read: String,
    /// The column that says whether it is hidden from its sender.
    #[serde(default, deserialize_with = "optional_name")]
    pub hidden_by_sender: Option<String>,
    /// The column that says whether it is hidden from its recipient.
    #[serde(default, deserialize_with = "optional_name")]
    pub hidden_by_recipient: Option<String>,
    /// The column of the path of a picture, relative to the application's media folder.
    #[serde(default, deserialize_with = "optional_name")]
    pub image: Option<String>,
    /// The URL of a picture: `{file}` is its path, `{filename}` the last part of it, `{id}` the row.
    #[serde(default, deserialize_with = "about_file")]
    pub image_url: Option<Template>,
    /// What becomes of a row when its message is deleted in Parlor.
    #[serde(default)]
    pub deleted: DeletedRow,
    /// Values of further columns in rows that Parlor inserts.
    #[serde(default)]
    pub defaults: BTreeMap<String, ColumnValue>,
}

impl MessageTable {
    /// Returns the columns that are read, in the order of the fields.
    #[must_use]
    pub fn columns(&self) -> Vec<&str> {
        let mut columns = vec![self.id.as_str(), &self.sender, &self.recipient];
        columns.extend(self.context.as_deref());
        columns.push(&self.text);
        columns.extend(self.subject.as_deref());
        columns.extend([self.created_at.as_str(), &self.is_read]);
        columns.extend(self.hidden_by_sender.as_deref());
        columns.extend(self.hidden_by_recipient.as_deref());
        columns.extend(self.image.as_deref());
        columns
    }
}

/// What becomes of a row when its message is deleted in Parlor for everyone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeletedRow {
    /// It is deleted, with its files' rows.
    #[default]
    Row,
    /// It stays, with an empty text.
    Text,
}

/// A value of a column.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum ColumnValue {
    /// True or false.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// Another number.
    Real(f64),
    /// A text.
    Text(String),
}

/// The table of the files of messages.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttachmentTable {
    /// The table.
    #[serde(deserialize_with = "name")]
    pub table: String,
    /// The column of its primary key, an integer.
    #[serde(deserialize_with = "name")]
    pub id: String,
    /// The column of the message's id.
    #[serde(deserialize_with = "name")]
    pub message: String,
    /// The column of the file's path, relative to the application's media folder.
    #[serde(deserialize_with = "name")]
    pub file: String,
    /// The column of the name that users see.
    #[serde(default, deserialize_with = "optional_name")]
    pub filename: Option<String>,
    /// The column of the size in bytes.
    #[serde(default, deserialize_with = "optional_name")]
    pub file_size: Option<String>,
    /// The URL of a file: `{file}` is its path, `{filename}` its name, `{id}` its row.
    #[serde(default, deserialize_with = "about_file")]
    pub url: Option<Template>,
    /// The URL at which a file is downloaded, if it has a separate one.
    #[serde(default, deserialize_with = "about_file")]
    pub download_url: Option<Template>,
}

/// The table of what messages are about. Wherever a column may be named, several can be: the first that the table has
/// is used, and if it has none, the field stays empty.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContextTable {
    /// The kind of thing, as in Parlor's context keys.
    #[serde(deserialize_with = "name")]
    pub kind: String,
    /// The table.
    #[serde(deserialize_with = "name")]
    pub table: String,
    /// The column of its primary key.
    #[serde(deserialize_with = "name")]
    pub id: String,
    /// The column of the title.
    #[serde(default)]
    pub title: Columns,
    /// The title of a thing without one: `{id}` is its row.
    #[serde(default, deserialize_with = "about_row")]
    pub default_title: Option<Template>,
    /// The column of a further line.
    #[serde(default)]
    pub detail: Columns,
    /// The column of the path of a picture, relative to the application's media folder.
    #[serde(default)]
    pub image: Columns,
    /// The URL of a picture: `{file}` is its path, `{filename}` the last part of it, `{id}` the row.
    #[serde(default, deserialize_with = "about_file")]
    pub image_url: Option<Template>,
    /// The column of the status, one or two words.
    #[serde(default)]
    pub status: Columns,
    /// How statuses are displayed, by their value in lower case.
    #[serde(default)]
    pub tones: BTreeMap<String, Tone>,
    /// The URL of its page: `{id}` is its row.
    #[serde(default, deserialize_with = "about_row")]
    pub url: Option<Template>,
    /// The columns of the ids of users who have a role.
    #[serde(default)]
    pub roles: BTreeMap<String, Columns>,
}

/// Names of columns, of which the first that exists is used. Written as one name or as a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Columns(pub Vec<String>);

impl<'de> Deserialize<'de> for Columns {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum OneOrMore {
            One(String),
            More(Vec<String>),
        }
        let names = match OneOrMore::deserialize(deserializer)? {
            OneOrMore::One(name) => vec![name],
            OneOrMore::More(names) => names,
        };
        names.into_iter().map(valid_name).collect::<Result<_, _>>().map(Self).map_err(de::Error::custom)
    }
}

/// The longest name of a table or column that all three databases take.
const NAME_BYTES_MAX: usize = 63;

fn valid_name(name: String) -> Result<String, &'static str> {
    match name.len() {
        0 => Err("a name is empty"),
        1..=NAME_BYTES_MAX if !name.contains(char::is_control) => Ok(name),
        _ => Err("a name has up to 63 bytes, and no control characters"),
    }
}

fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    valid_name(String::deserialize(deserializer)?).map_err(de::Error::custom)
}

fn optional_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    name(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_one_name_or_several() {
        #[derive(Deserialize)]
        struct ColumnsFile {
            found: Columns,
        }
        let read = |text: &str| toml::from_str::<ColumnsFile>(text).map(|read| read.found.0);
        assert_eq!(read("found = \"a\""), Ok(vec!["a".to_owned()]));
        assert_eq!(read("found = [\"a\", \"b\"]"), Ok(vec!["a".to_owned(), "b".to_owned()]));
        assert!(read("found = \"\"").is_err() && read("found = 5").is_err());
        assert!(read(&format!("found = \"{}\"", "x".repeat(64))).is_err());
    }
}
