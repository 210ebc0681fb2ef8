//! Reads and writes the host's message table, as the profile declares it.
//!
//! Every statement reads or changes rows by their key, in batches of bounded size.

use super::{id_forms::IdForms, message_row::HostFile, schema::TableColumns};
use crate::{
    domain::change::{HostMessage, HostRowKey},
    host::{HostDatabase, HostError, HostRow, HostTransaction, HostValue, django::IdType},
    profile::{
        Profile,
        sockets::Side,
        tables::{AttachmentTable, ColumnValue, DeletedRow},
    },
};
use parlor_protocol::ids::UserId;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

/// How many rows one statement names.
pub(super) const ROWS_MAX: usize = 500;

/// The message table and what belongs to it.
#[derive(Clone, Debug)]
pub(crate) struct HostTables {
    pub(super) database: HostDatabase,
    pub(super) profile: Arc<Profile>,
    /// The type of the ids of users.
    pub(super) id_type: IdType,
    /// How ids are written, once the columns were read.
    pub(super) forms: Arc<Mutex<Option<IdForms>>>,
}

/// A row of the message table as it was read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TableRow {
    pub(super) id: i64,
    pub(super) sender: String,
    pub(super) recipient: String,
    pub(super) context: Option<String>,
    pub(super) text: String,
    pub(super) subject: Option<String>,
    pub(super) created_at_ms: i64,
    pub(super) is_read: bool,
    pub(super) hidden_by_sender: bool,
    pub(super) hidden_by_recipient: bool,
    pub(super) files: Vec<HostFile>,
    /// Where each of its files is in the application's media folder.
    pub(super) paths: Vec<String>,
}

impl TableRow {
    /// Returns the row as a message about nothing, without files to copy.
    pub(super) fn as_message(&self, key: HostRowKey, (sender, recipient): (UserId, UserId)) -> HostMessage {
        HostMessage {
            row: key,
            sender,
            recipient,
            context: None,
            text: self.text.clone(),
            subject: self.subject.clone(),
            created_at: self.created_at_ms,
            is_read: self.is_read,
            hidden_by_sender: self.hidden_by_sender,
            hidden_by_recipient: self.hidden_by_recipient,
            attachments: self.files.iter().map(HostFile::attachment).collect(),
            files: None,
            sent_as: None,
        }
    }
}

/// Rows by their ids. A row that cannot be understood comes with the reason.
pub(crate) type TableRows = BTreeMap<i64, Result<TableRow, HostError>>;

/// The flags of a row, by which a scan compares: whether it is read, hidden by its sender, hidden by its recipient.
pub(crate) type RowFlags = [bool; 3];

/// The flags of some rows.
#[derive(Clone, Debug, Default)]
pub(super) struct FlagPage {
    /// In the order of their ids. Flags that cannot be read come with the reason.
    pub(super) rows: Vec<(i64, Result<RowFlags, HostError>)>,
    /// Whether there may be more after them.
    pub(super) is_full: bool,
}

/// A row to be inserted.
#[derive(Clone, Debug)]
pub(crate) struct NewRow {
    pub(super) sender: String,
    pub(super) recipient: String,
    pub(super) context: Option<String>,
    pub(super) text: String,
    pub(super) subject: Option<String>,
    pub(super) created_at_ms: i64,
    pub(super) is_read: bool,
}

impl HostTables {
    /// Returns the name of the message table.
    pub(super) fn name(&self) -> &str {
        &self.profile.messages.table
    }

    /// Returns how ids are written. The columns are read the first time.
    pub(super) async fn forms(&self) -> Result<IdForms, HostError> {
        let known = *self.forms.lock().unwrap_or_else(PoisonError::into_inner);
        match known {
            Some(forms) => Ok(forms),
            None => Ok(self.note_columns(&TableColumns::read(&self.database, &self.profile).await?)),
        }
    }

    /// Notes how ids are written in these columns.
    pub(super) fn note_columns(&self, columns: &TableColumns) -> IdForms {
        let forms = IdForms::of(columns, &self.profile, self.id_type);
        *self.forms.lock().unwrap_or_else(PoisonError::into_inner) = Some(forms);
        forms
    }

    /// Reads rows by their ids, each with its files. One that does not exist is absent.
    pub(super) async fn read(&self, ids: &[i64]) -> Result<TableRows, HostError> {
        let mut found = TableRows::new();
        for ids in ids.chunks(ROWS_MAX) {
            let sql = format!("{} WHERE {} IN ({})", self.select(), self.id(), marks(ids.len()));
            let rows = self.database.query(sql, integers(ids)).await?;
            self.collect(&rows, &mut found).await?;
        }
        Ok(found)
    }

    /// Reads the rows after an id, in the order of their ids.
    pub(super) async fn read_after(&self, id: i64, limit: usize) -> Result<TableRows, HostError> {
        let mut found = TableRows::new();
        let sql = format!(
            "{} WHERE {id_column} > $1 ORDER BY {id_column} LIMIT {limit}",
            self.select(),
            id_column = self.id()
        );
        let rows = self.database.query(sql, vec![id.into()]).await?;
        self.collect(&rows, &mut found).await?;
        Ok(found)
    }

    async fn collect(&self, rows: &[HostRow], found: &mut TableRows) -> Result<(), HostError> {
        let forms = self.forms().await?;
        let mut ids = Vec::with_capacity(rows.len());
        for row in rows {
            // What is no integer is no id that a message can have.
            let Ok(id) = row.integer(0) else { continue };
            ids.push(id);
            found.insert(id, self.table_row(row, forms));
        }
        if let Some(table) = &self.profile.attachments {
            for ids in ids.chunks(ROWS_MAX) {
                for (message, path, file) in self.files_of(table, ids).await? {
                    if let Some(Ok(row)) = found.get_mut(&message) {
                        row.files.push(file);
                        row.paths.push(path);
                    }
                }
            }
        }
        Ok(())
    }

    fn table_row(&self, row: &HostRow, forms: IdForms) -> Result<TableRow, HostError> {
        let table = &self.profile.messages;
        let mut next = 0..;
        let mut column = || next.next().unwrap_or_default();
        let id = row.integer(column())?;
        let (sender, recipient) = (row.text(column())?, row.text(column())?);
        let [sender, recipient] = [sender, recipient].map(|id| forms.people.read(id));
        let context = if table.context.is_some() { row.optional_text(column())? } else { None };
        let context = context.map(|id| forms.context.read(id));
        let text = row.optional_text(column())?.unwrap_or_default();
        let subject = if table.subject.is_some() { row.optional_text(column())? } else { None };
        let created_at_ms = row.time_ms(column())?;
        let is_read = row.boolean(column())?;
        let mut flag = |exists: bool| if exists { row.boolean(column()) } else { Ok(false) };
        let hidden_by_sender = flag(table.hidden_by_sender.is_some())?;
        let hidden_by_recipient = flag(table.hidden_by_recipient.is_some())?;
        let image = if table.image.is_some() { row.optional_text(column())? } else { None };
        let image = image.and_then(|path| HostFile::of_image(table, id, &path).map(|file| (file, path)));
        let (files, paths) = image.into_iter().unzip();
        Ok(TableRow {
            id,
            sender,
            recipient,
            context,
            text,
            subject,
            created_at_ms,
            is_read,
            hidden_by_sender,
            hidden_by_recipient,
            files,
            paths,
        })
    }

    /// Returns the files of messages: the message's id, the file's path, and the file.
    async fn files_of(&self, table: &AttachmentTable, ids: &[i64]) -> Result<Vec<(i64, String, HostFile)>, HostError> {
        let quoted = |name: &str| self.database.quoted(name);
        let optional = |name: &Option<String>| name.as_ref().map_or_else(|| "NULL".to_owned(), |name| quoted(name));
        let sql = format!(
            "SELECT {id}, {message}, {file}, {}, {} FROM {} WHERE {message} IN ({}) ORDER BY {id}",
            optional(&table.filename),
            optional(&table.file_size),
            quoted(&table.table),
            marks(ids.len()),
            id = quoted(&table.id),
            message = quoted(&table.message),
            file = quoted(&table.file),
        );
        let rows = self.database.query(sql, integers(ids)).await?;
        let mut files = Vec::with_capacity(rows.len());
        for row in rows {
            // A file that cannot be understood is left out; its message is shown.
            files.extend(file_of(table, &row));
        }
        Ok(files)
    }

    /// Reads the flags of the rows after an id, in the order of their ids.
    pub(super) async fn flags_after(&self, id: i64, limit: usize) -> Result<FlagPage, HostError> {
        let sql = format!(
            "SELECT {} FROM {} WHERE {id} > $1 ORDER BY {id} LIMIT {limit}",
            self.flag_columns(),
            self.database.quoted(self.name()),
            id = self.id()
        );
        let rows = self.database.query(sql, vec![id.into()]).await?;
        let flags = |row: &HostRow| Ok([row.boolean(1)?, row.boolean(2)?, row.boolean(3)?]);
        let read = rows.iter().filter_map(|row| Some((row.integer(0).ok()?, flags(row))));
        Ok(FlagPage { rows: read.collect(), is_full: rows.len() == limit })
    }

    fn flag_columns(&self) -> String {
        let table = &self.profile.messages;
        let optional = |name: &Option<String>| match name {
            Some(name) => self.database.quoted(name),
            None => "0".to_owned(),
        };
        let (sender, recipient) = (optional(&table.hidden_by_sender), optional(&table.hidden_by_recipient));
        format!("{}, {}, {sender}, {recipient}", self.id(), self.database.quoted(&table.is_read))
    }

    /// Returns the highest id; 0 if there is no row.
    pub(super) async fn last_id(&self) -> Result<i64, HostError> {
        let sql = format!("SELECT MAX({}) FROM {}", self.id(), self.database.quoted(self.name()));
        let rows = self.database.query(sql, Vec::new()).await?;
        Ok(rows.first().map(|row| row.optional_integer(0)).transpose()?.flatten().unwrap_or_default())
    }

    /// Returns the number of rows.
    pub(super) async fn count(&self) -> Result<i64, HostError> {
        let sql = format!("SELECT COUNT(*) FROM {}", self.database.quoted(self.name()));
        let rows = self.database.query(sql, Vec::new()).await?;
        rows.first().map_or(Ok(0), |row| row.integer(0))
    }

    /// Returns how many rows a user has not read, as the application counts them.
    pub(super) async fn unread_count(&self, recipient: &str) -> Result<i64, HostError> {
        let table = &self.profile.messages;
        let sql = format!(
            "SELECT COUNT(*) FROM {} WHERE {} = $1 AND {} = $2",
            self.database.quoted(&table.table),
            self.database.quoted(&table.recipient),
            self.database.quoted(&table.is_read)
        );
        let recipient = self.forms().await?.people.value(recipient);
        let rows = self.database.query(sql, vec![recipient, false.into()]).await?;
        rows.first().map_or(Ok(0), |row| row.integer(0))
    }

    /// Marks rows as read of which the user is the recipient; returns how many of them exist.
    pub(super) async fn mark_read(&self, recipient: &str, ids: &[i64]) -> Result<u64, HostError> {
        let table = &self.profile.messages;
        let recipient = self.forms().await?.people.value(recipient);
        let mut marked = 0;
        for ids in ids.chunks(ROWS_MAX) {
            let sql = format!(
                "UPDATE {} SET {} = $1 WHERE {} = $2 AND {} IN ({})",
                self.database.quoted(&table.table),
                self.database.quoted(&table.is_read),
                self.database.quoted(&table.recipient),
                self.id(),
                marks_from(3, ids.len())
            );
            let values = [true.into(), recipient.clone()].into_iter().chain(integers(ids)).collect();
            marked += self.execute(sql, values).await?;
        }
        Ok(marked)
    }

    /// Hides rows from one side, if the application has a column for it.
    pub(super) async fn hide(&self, side: Side, ids: &[i64]) -> Result<(), HostError> {
        let table = &self.profile.messages;
        let column = match side {
            Side::Sender => &table.hidden_by_sender,
            Side::Recipient => &table.hidden_by_recipient,
        };
        let Some(column) = column else { return Ok(()) };
        for ids in ids.chunks(ROWS_MAX) {
            let sql = format!(
                "UPDATE {} SET {} = $1 WHERE {} IN ({})",
                self.database.quoted(&table.table),
                self.database.quoted(column),
                self.id(),
                marks_from(2, ids.len())
            );
            self.execute(sql, [true.into()].into_iter().chain(integers(ids)).collect()).await?;
        }
        Ok(())
    }

    /// Writes the text and the subject of a row.
    pub(super) async fn write_text(
        &self,
        id: i64,
        text: &str,
        subject: Option<&str>,
        now_ms: i64,
    ) -> Result<(), HostError> {
        let table = &self.profile.messages;
        let mut set = vec![(table.text.as_str(), HostValue::from(text))];
        if let Some(column) = &table.subject {
            set.push((column, self.subject_value(subject)));
        }
        if let Some(column) = &table.updated_at {
            set.push((column, HostValue::Time(now_ms)));
        }
        let columns: Vec<String> = set
            .iter()
            .enumerate()
            .map(|(at, (column, _))| format!("{} = ${}", self.database.quoted(column), at + 2))
            .collect();
        let sql = format!(
            "UPDATE {} SET {} WHERE {} = $1",
            self.database.quoted(&table.table),
            columns.join(", "),
            self.id()
        );
        let values = [id.into()].into_iter().chain(set.into_iter().map(|(_, value)| value)).collect();
        self.execute(sql, values).await.map(drop)
    }

    /// Deletes a row with the rows of its files, or empties its text, as the profile says.
    pub(super) async fn delete(&self, id: i64, now_ms: i64) -> Result<(), HostError> {
        if self.profile.messages.deleted == DeletedRow::Text {
            return self.write_text(id, "", None, now_ms).await;
        }
        let mut transaction = self.database.begin().await?;
        if let Some(table) = &self.profile.attachments {
            let quoted = |name: &str| self.database.quoted(name);
            let sql = format!("DELETE FROM {} WHERE {} = $1", quoted(&table.table), quoted(&table.message));
            transaction.execute(sql, vec![id.into()]).await?;
        }
        let sql = format!("DELETE FROM {} WHERE {} = $1", self.database.quoted(self.name()), self.id());
        transaction.execute(sql, vec![id.into()]).await?;
        transaction.execute(self.forget_sql(1), vec![self.name().into(), id.into()]).await?;
        transaction.commit().await
    }

    /// Inserts a row and returns its id.
    pub(super) async fn insert(
        &self,
        transaction: &mut HostTransaction,
        row: &NewRow,
        forms: IdForms,
        now_ms: i64,
    ) -> Result<i64, HostError> {
        let table = &self.profile.messages;
        let mut values: BTreeMap<&str, HostValue> =
            table.defaults.iter().map(|(column, value)| (column.as_str(), column_value(value))).collect();
        values.insert(&table.sender, forms.people.value(&row.sender));
        values.insert(&table.recipient, forms.people.value(&row.recipient));
        if let Some(column) = &table.context {
            values.insert(column, row.context.as_deref().map_or(HostValue::Null, |id| forms.context.value(id)));
        }
        values.insert(&table.text, row.text.as_str().into());
        if let Some(column) = &table.subject {
            values.insert(column, self.subject_value(row.subject.as_deref()));
        }
        values.insert(&table.created_at, HostValue::Time(row.created_at_ms));
        if let Some(column) = &table.updated_at {
            values.insert(column, HostValue::Time(now_ms));
        }
        values.insert(&table.is_read, row.is_read.into());
        for column in [&table.hidden_by_sender, &table.hidden_by_recipient].into_iter().flatten() {
            values.insert(column, false.into());
        }
        let values = values.into_iter().map(|(column, value)| (column.to_owned(), value)).collect();
        transaction.insert(&table.table, &table.id, values).await
    }

    /// The value of the column of subjects: an absent subject is what the profile has as its default.
    fn subject_value(&self, subject: Option<&str>) -> HostValue {
        let table = &self.profile.messages;
        let default = || table.subject.as_ref().and_then(|column| table.defaults.get(column)).map(column_value);
        subject.map(HostValue::from).or_else(default).unwrap_or(HostValue::Null)
    }

    pub(super) async fn execute(&self, sql: String, values: Vec<HostValue>) -> Result<u64, HostError> {
        let mut transaction = self.database.begin().await?;
        let affected = transaction.execute(sql, values).await?;
        transaction.commit().await?;
        Ok(affected)
    }

    fn select(&self) -> String {
        let columns: Vec<String> =
            self.profile.messages.columns().into_iter().map(|column| self.database.quoted(column)).collect();
        format!("SELECT {} FROM {}", columns.join(", "), self.database.quoted(self.name()))
    }

    fn id(&self) -> String {
        self.database.quoted(&self.profile.messages.id)
    }
}

/// Returns the id of a message, the path of its file, and the file; none if there is none, or it cannot be understood.
fn file_of(table: &AttachmentTable, row: &HostRow) -> Option<(i64, String, HostFile)> {
    let (id, message, path) = (row.integer(0).ok()?, row.integer(1).ok()?, row.text(2).ok()?);
    let (name, bytes) = (row.optional_text(3).ok().flatten(), row.optional_integer(4).ok().flatten());
    let file = HostFile::of_row(table, id, &path, name.as_deref(), bytes.unwrap_or_default())?;
    Some((message, path, file))
}

fn column_value(value: &ColumnValue) -> HostValue {
    match value {
        ColumnValue::Boolean(value) => HostValue::Boolean(*value),
        ColumnValue::Integer(value) => HostValue::Integer(*value),
        ColumnValue::Real(value) => HostValue::Real(*value),
        ColumnValue::Text(value) => HostValue::Text(value.clone()),
    }
}

pub(super) fn integers(ids: &[i64]) -> Vec<HostValue> {
    ids.iter().map(|id| HostValue::Integer(*id)).collect()
}

/// `$1, $2, …`
pub(super) fn marks(count: usize) -> String {
    marks_from(1, count)
}

pub(super) fn marks_from(first: usize, count: usize) -> String {
    (first..first + count).map(|place| format!("${place}")).collect::<Vec<_>>().join(", ")
}
