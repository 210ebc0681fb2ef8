//! Reads users for signing in and for the operator. `commit` writes them.

use super::{
    Result, Store,
    bulk_params::BulkParams,
    column,
    rows::{RowReader, USER},
};
use crate::domain::rows::UserRow;
use parlor_protocol::ids::UserId;

/// What signing in needs to know about a user.
#[derive(Clone, Debug)]
pub(crate) struct Credentials {
    pub(crate) user: UserId,
    pub(crate) password_hash: Option<String>,
    pub(crate) is_disabled: bool,
}

/// A row of the operator's list of users.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct UserSummary {
    /// The user.
    pub id: UserId,
    /// The name used to sign in.
    pub login: String,
    /// What others see.
    pub name: String,
    /// Whether the account is disabled.
    pub is_disabled: bool,
    /// How many sessions they have.
    pub sessions: i64,
}

impl Store {
    /// Returns the credentials for a login name, which is already case-folded.
    pub(crate) async fn credentials(&self, login: String) -> Result<Option<Credentials>> {
        let sql = "SELECT id, password_hash, disabled FROM users WHERE login = $1";
        self.query(move |connection| {
            connection.query_optional(sql, &[login.into()], |row| {
                Ok(Credentials {
                    user: UserId(column(row, 0)?),
                    password_hash: column(row, 1)?,
                    is_disabled: column::<i64>(row, 2)? != 0,
                })
            })
        })
        .await
    }

    /// Returns the hash of a user's password.
    pub(crate) async fn password_hash(&self, user: UserId) -> Result<Option<String>> {
        let sql = "SELECT password_hash FROM users WHERE id = $1";
        let found = self
            .query(move |connection| connection.query_optional(sql, &[user.0.into()], |row| column(row, 0)))
            .await?;
        Ok(found.flatten())
    }

    /// Returns the users with these ids of the host.
    pub(crate) async fn users_by_external_id(&self, external_ids: Vec<String>) -> Result<Vec<UserRow>> {
        let sql = format!("SELECT {USER} FROM v JOIN users u ON u.external_id = v.external_id");
        self.query(move |connection| {
            let mut params = BulkParams::new(["external_id"]);
            for external_id in &external_ids {
                params.push([external_id.as_str().into()]);
            }
            let mut users = Vec::with_capacity(external_ids.len());
            params.for_each(connection, &sql, |row| {
                users.push(RowReader::new(row).user()?);
                Ok(())
            })?;
            Ok(users)
        })
        .await
    }

    /// Returns users of the host in the order of their ids, starting after `after`.
    pub(crate) async fn host_users(&self, after: UserId, limit: i64) -> Result<Vec<UserRow>> {
        let sql =
            format!("SELECT {USER} FROM users u WHERE u.id > $1 AND u.external_id IS NOT NULL ORDER BY u.id LIMIT $2");
        self.query(move |connection| {
            connection.query(&sql, &[after.0.into(), limit.into()], |row| RowReader::new(row).user())
        })
        .await
    }

    /// Returns the host's id of a user; none for one who is not the host's.
    pub(crate) async fn external_id(&self, user: UserId) -> Result<Option<String>> {
        let sql = "SELECT external_id FROM users WHERE id = $1";
        let found = self
            .query(move |connection| connection.query_optional(sql, &[user.0.into()], |row| column(row, 0)))
            .await?;
        Ok(found.flatten())
    }

    /// Returns users in the order of their login names, starting after `after`.
    pub(crate) async fn list_users(&self, after: String, limit: i64) -> Result<Vec<UserSummary>> {
        let sql = "SELECT id, login, name, disabled, (SELECT COUNT(*) FROM sessions s WHERE s.user_id = users.id) \
                   FROM users WHERE login > $1 ORDER BY login LIMIT $2";
        self.query(move |connection| {
            connection.query(sql, &[after.into(), limit.into()], |row| {
                Ok(UserSummary {
                    id: UserId(column(row, 0)?),
                    login: column(row, 1)?,
                    name: column(row, 2)?,
                    is_disabled: column::<i64>(row, 3)? != 0,
                    sessions: column(row, 4)?,
                })
            })
        })
        .await
    }

    /// Checks that the store answers.
    pub(crate) async fn ping(&self) -> Result<()> {
        let sql = "SELECT version FROM clock WHERE one = 1";
        self.query(move |connection| connection.query_one(sql, &[], |_| Ok(()))).await
    }
}
