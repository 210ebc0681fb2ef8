//! Writes the frames of an old socket from the templates of its profile.

use crate::{
    mirror::message_row::{HostFile, HostMessageRow, HostPerson},
    profile::{
        frame_template::{AttachmentField, FrameTemplate, PersonField, TemplateVariable, Variable},
        path_template::PathParts,
        sockets::{SocketError, SocketProfile},
    },
    python_json::{write_list, write_name, write_number, write_object, write_text, write_value},
};
use jiff::tz::TimeZone;
use serde_json::Value;

/// What the frames of one socket have in common.
#[derive(Debug)]
pub(super) struct Renderer<'a> {
    pub(super) profile: &'a SocketProfile,
    /// The zone in which times are written.
    pub(super) zone: &'a TimeZone,
    /// The host's id of the signed-in user.
    pub(super) me: &'a str,
    /// The parts of the socket's path.
    pub(super) path: &'a PathParts,
}

/// What one frame is about. The profile was checked, so a template names only what is there.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Subject<'a> {
    pub(super) message: Option<&'a HostMessageRow>,
    /// The id of the message, where nothing more is known.
    pub(super) message_id: Option<i64>,
    pub(super) attachment: Option<&'a HostFile>,
    pub(super) unread_count: Option<i64>,
    pub(super) error: Option<SocketError>,
    /// The frame that is answered.
    pub(super) frame: Option<&'a Value>,
}

/// A value of a variable.
enum VariableValue<'a> {
    Nothing,
    Text(&'a str),
    Owned(String),
    Number(i64),
    Boolean(bool),
    Json(&'a Value),
    Attachments(&'a [HostFile]),
}

impl Renderer<'_> {
    /// Writes a frame.
    pub(super) fn frame(&self, template: &FrameTemplate, subject: Subject<'_>) -> String {
        let mut output = String::new();
        self.write(template, subject, &mut output);
        output
    }

    fn write(&self, template: &FrameTemplate, subject: Subject<'_>, output: &mut String) {
        match template {
            FrameTemplate::Constant(value) => write_value(value, output),
            FrameTemplate::Variable(variable) => self.write_variable(variable, subject, output),
            FrameTemplate::Object(fields) => write_object(fields, output, |(name, field), output| {
                write_name(name, output);
                self.write(field, subject, output);
            }),
            FrameTemplate::List(items) => {
                write_list(items, output, |item, output| self.write(item, subject, output));
            }
        }
    }

    fn write_variable(&self, variable: &TemplateVariable, subject: Subject<'_>, output: &mut String) {
        let TemplateVariable { name, default, as_text } = variable;
        let found = self.find(name, subject);
        let is_empty = match &found {
            VariableValue::Nothing => true,
            VariableValue::Text(text) => text.is_empty(),
            VariableValue::Owned(text) => text.is_empty(),
            VariableValue::Json(value) => value.is_null() || value.as_str().is_some_and(str::is_empty),
            VariableValue::Number(_) | VariableValue::Boolean(_) | VariableValue::Attachments(_) => false,
        };
        if let Some(default) = default.as_ref().filter(|_| is_empty) {
            return write_text(default, output);
        }
        self.write_found(found, *as_text, subject, output);
    }

    fn write_found(&self, found: VariableValue<'_>, as_text: bool, subject: Subject<'_>, output: &mut String) {
        match found {
            VariableValue::Nothing => write_value(&Value::Null, output),
            VariableValue::Text(text) => write_text(text, output),
            VariableValue::Owned(text) => write_text(&text, output),
            VariableValue::Number(number) if as_text => write_text(&number.to_string(), output),
            VariableValue::Number(number) => write_number(number, output),
            VariableValue::Boolean(yes) => write_value(&yes.into(), output),
            VariableValue::Json(value) => write_value(value, output),
            VariableValue::Attachments(attachments) => write_list(attachments, output, |attachment, output| {
                self.write_attachment(attachment, subject, output);
            }),
        }
    }

    fn find<'b>(&'b self, name: &'b Variable, subject: Subject<'b>) -> VariableValue<'b> {
        let of_message =
            |value: fn(&'b HostMessageRow) -> VariableValue<'b>| subject.message.map_or(VariableValue::Nothing, value);
        match name {
            Variable::Id => {
                let id = subject.message.map(|row| row.row_id).or(subject.message_id);
                id.map_or(VariableValue::Nothing, VariableValue::Number)
            }
            Variable::Text => of_message(|row| VariableValue::Text(&row.text)),
            Variable::Subject => {
                of_message(|row| row.subject.as_deref().map_or(VariableValue::Nothing, VariableValue::Text))
            }
            Variable::CreatedAt => subject.message.map_or(VariableValue::Nothing, |row| {
                VariableValue::Owned(self.profile.time_format.write(row.created_at_ms, self.zone))
            }),
            Variable::CreatedAtMs => of_message(|row| VariableValue::Number(row.created_at_ms)),
            Variable::IsRead => of_message(|row| VariableValue::Boolean(row.is_read)),
            Variable::ContextId => of_message(|row| row.context.as_deref().map_or(VariableValue::Nothing, id)),
            Variable::Attachments => of_message(|row| VariableValue::Attachments(&row.attachments)),
            Variable::Sender(field) => {
                subject.message.map_or(VariableValue::Nothing, |row| person(&row.sender, *field))
            }
            Variable::Recipient(field) => {
                subject.message.map_or(VariableValue::Nothing, |row| person(&row.recipient, *field))
            }
            Variable::MyId => id(self.me),
            Variable::Attachment(field) => {
                subject.attachment.map_or(VariableValue::Nothing, |attachment| of_attachment(attachment, *field))
            }
            Variable::UnreadCount => subject.unread_count.map_or(VariableValue::Nothing, VariableValue::Number),
            Variable::Error => {
                subject.error.map_or(VariableValue::Nothing, |error| VariableValue::Text(self.sentence(error)))
            }
            Variable::ErrorCode => {
                subject.error.map_or(VariableValue::Nothing, |error| VariableValue::Text(error.name()))
            }
            Variable::Frame(field) => {
                subject.frame.and_then(|frame| field.find(frame)).map_or(VariableValue::Nothing, VariableValue::Json)
            }
            Variable::Path(part) => self.path.get(part).map_or(VariableValue::Nothing, |part| id(part)),
        }
    }

    fn sentence(&self, error: SocketError) -> &str {
        self.profile.errors.texts.get(&error).map_or(error.sentence(), String::as_str)
    }

    /// Writes an attachment. Without a template it has the form of the application's HTTP lists.
    fn write_attachment(&self, attachment: &HostFile, subject: Subject<'_>, output: &mut String) {
        if let Some(template) = &self.profile.attachment {
            return self.write(template, Subject { attachment: Some(attachment), ..subject }, output);
        }
        let HostFile { id, filename, file_size, url, download_url } = attachment;
        let fields = [
            ("id", VariableValue::Number(*id)),
            ("filename", VariableValue::Text(filename)),
            ("file_size", VariableValue::Number(*file_size)),
            ("url", VariableValue::Text(url)),
            ("download_url", VariableValue::Text(download_url)),
        ];
        write_object(fields, output, |(name, value), output| {
            write_name(name, output);
            self.write_found(value, false, subject, output);
        });
    }
}

fn person(person: &HostPerson, field: PersonField) -> VariableValue<'_> {
    match field {
        PersonField::Id => id(&person.id),
        PersonField::Name if person.name.is_empty() => VariableValue::Text(&person.login),
        PersonField::Name => VariableValue::Text(&person.name),
        PersonField::Login => VariableValue::Text(&person.login),
    }
}

fn of_attachment(attachment: &HostFile, field: AttachmentField) -> VariableValue<'_> {
    match field {
        AttachmentField::Id => VariableValue::Number(attachment.id),
        AttachmentField::FileName => VariableValue::Text(&attachment.filename),
        AttachmentField::FileSize => VariableValue::Number(attachment.file_size),
        AttachmentField::Url => VariableValue::Text(&attachment.url),
        AttachmentField::DownloadUrl => VariableValue::Text(&attachment.download_url),
    }
}

/// An id is a number where the host's is one.
fn id(id: &str) -> VariableValue<'_> {
    id.parse()
        .ok()
        .filter(|number: &i64| number.to_string() == id)
        .map_or(VariableValue::Text(id), VariableValue::Number)
}
