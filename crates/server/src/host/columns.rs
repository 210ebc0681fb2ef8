//! Reads the columns of a table from the host's schema.

use super::{HostDatabase, HostKind, error::HostError, value::HostRow};

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostColumn {
    /// Its name.
    pub name: String,
    /// Its type, as the database names it, in lower case.
    pub kind: String,
    /// Whether it may be NULL.
    pub is_nullable: bool,
    /// Whether the database gives it a value when a row has none: a default, a counter, or an expression.
    pub has_default: bool,
}

impl HostDatabase {
    /// Returns the columns of a table in their order; none if there is no such table, or it may not be seen.
    ///
    /// # Errors
    /// As for [`HostDatabase::query`].
    pub async fn columns(&self, table: &str) -> Result<Vec<HostColumn>, HostError> {
        let sql = match self.kind() {
            // An integer that is the primary key counts by itself.
            HostKind::Sqlite => {
                "SELECT name, lower(type), \"notnull\" = 0 AND pk = 0, \
                        dflt_value IS NOT NULL OR hidden IN (2, 3) OR (pk = 1 AND lower(type) = 'integer') \
                 FROM pragma_table_xinfo($1) WHERE hidden <> 1 ORDER BY cid"
            }
            HostKind::Postgres => {
                "SELECT a.attname, lower(format_type(a.atttypid, a.atttypmod)), NOT a.attnotnull, \
                        a.atthasdef OR a.attidentity <> '' \
                 FROM pg_attribute a WHERE a.attrelid = to_regclass(quote_ident($1)) \
                 AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"
            }
            // MariaDB writes a default of NULL as the text NULL.
            HostKind::MySql => {
                "SELECT column_name, lower(column_type), is_nullable = 'YES', \
                        (column_default IS NOT NULL AND column_default <> 'NULL') OR extra <> '' \
                 FROM information_schema.columns WHERE table_schema = database() AND table_name = $1 \
                 ORDER BY ordinal_position"
            }
        };
        let rows = self.query(sql.to_owned(), vec![table.into()]).await?;
        rows.iter().map(column).collect()
    }
}

fn column(row: &HostRow) -> Result<HostColumn, HostError> {
    Ok(HostColumn {
        name: row.text(0)?,
        kind: row.text(1)?,
        is_nullable: row.boolean(2)?,
        has_default: row.boolean(3)?,
    })
}
