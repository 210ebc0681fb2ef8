//! The forms of ids in the host's columns. In Parlor an id is a text, a UUID one in lower case with dashes; a statement
//! binds it as its column has it. A text that is bound as an integer could name another user.

use super::schema::TableColumns;
use crate::{
    host::{
        HostValue,
        django::{IdType, bare_uuid, dashed},
    },
    profile::Profile,
};

/// The form of the ids in a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IdForm {
    /// Integers.
    Integer,
    /// A UUID in 32 hexadecimal digits, as Django has it in databases without a type for it.
    BareUuid,
    /// A UUID with dashes, or of the database's own type.
    Uuid,
    /// A text.
    Text,
    /// The type of the column is not known: an integer where the text is one.
    Unknown,
}

/// The forms of the ids that the message table names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct IdForms {
    /// Of users.
    pub(super) people: IdForm,
    /// Of what messages are about.
    pub(super) context: IdForm,
}

impl IdForms {
    /// Returns the forms that the columns are declared with.
    pub(super) fn of(columns: &TableColumns, profile: &Profile, id_type: IdType) -> Self {
        let messages = &profile.messages;
        let form = |column: &String| IdForm::of_column(columns.kind(&messages.table, column).unwrap_or_default());
        let people = match (form(&messages.sender), id_type) {
            (IdForm::Text | IdForm::Unknown, IdType::Uuid) => IdForm::Uuid,
            (form, _) => form,
        };
        Self { people, context: messages.context.as_ref().map_or(IdForm::Unknown, form) }
    }
}

impl IdForm {
    /// Returns the form of a column of a type; empty if that is not known.
    pub(super) fn of_column(kind: &str) -> Self {
        match kind {
            "" => Self::Unknown,
            // `UUIDField` of Django; a `CharField` is a varchar.
            "char(32)" | "character(32)" => Self::BareUuid,
            "uuid" => Self::Uuid,
            kind if kind.contains("int") || kind.contains("serial") => Self::Integer,
            kind if kind.contains("char") || kind.contains("text") => Self::Text,
            _ => Self::Unknown,
        }
    }

    /// Returns an id of the column as Parlor has it.
    pub(super) fn read(self, id: String) -> String {
        match self {
            Self::BareUuid | Self::Uuid => bare_uuid(&id).map_or(id, |bare| dashed(&bare)),
            Self::Integer | Self::Text | Self::Unknown => id,
        }
    }

    /// Returns an id as the column has it.
    pub(super) fn value(self, id: &str) -> HostValue {
        // Only in the form in which an integer is written: "007" is not the id of the user 7.
        let integer = || id.parse::<i64>().ok().filter(|number| number.to_string() == id).map(HostValue::Integer);
        match self {
            Self::Integer | Self::Unknown => integer().unwrap_or_else(|| id.into()),
            Self::BareUuid => bare_uuid(id).map_or_else(|| id.into(), HostValue::from),
            Self::Uuid | Self::Text => id.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_bound_as_its_column_has_it_and_read_in_one_form() {
        let uuid = "0123e567-e89b-12d3-a456-426614174000";
        let bare = "0123e567e89b12d3a456426614174000";
        for (kind, id, value, read) in [
            ("bigint", "7", HostValue::Integer(7), "7"),
            ("integer unsigned", "7", HostValue::Integer(7), "7"),
            ("bigint", "007", "007".into(), "007"),
            ("varchar(20)", "7", "7".into(), "7"),
            ("varchar(20)", "007", "007".into(), "007"),
            ("", "7", HostValue::Integer(7), "7"),
            ("", "+7", "+7".into(), "+7"),
            ("char(32)", uuid, bare.into(), uuid),
            ("uuid", uuid, uuid.into(), uuid),
        ] {
            let form = IdForm::of_column(kind);
            assert_eq!(form.value(id), value, "{kind} {id}");
            let text = match value {
                HostValue::Integer(number) => number.to_string(),
                HostValue::Text(text) => text,
                other => panic!("{other:?}"),
            };
            assert_eq!(form.read(text), read, "{kind} {id}");
        }
        assert_eq!(IdForm::Uuid.read(bare.to_uppercase()), uuid);
    }
}
