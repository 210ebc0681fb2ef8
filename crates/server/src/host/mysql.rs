//! MySQL and MariaDB.

use super::{error::HostError, placeholders::to_question_marks, time, value::HostRow, value::HostValue};
use sqlx::{
    AssertSqlSafe, Column as _, Connection as _, Executor as _, Row as _, TypeInfo as _, ValueRef as _,
    mysql::{MySqlArguments, MySqlConnectOptions, MySqlConnection, MySqlQueryResult, MySqlRow},
    query_with, raw_sql,
};
use std::time::Duration;

/// How many prepared statements a connection caches.
const STATEMENTS_KEPT: usize = 64;

pub(super) async fn connect(options: &MySqlConnectOptions, timeout: Duration) -> Result<MySqlConnection, HostError> {
    let options = options.clone().statement_cache_capacity(STATEMENTS_KEPT);
    let mut connection = MySqlConnection::connect_with(&options).await?;
    let (ms, seconds) = (timeout.as_millis(), timeout.as_millis().div_ceil(1000).max(1));
    // The first comment is executed by MariaDB only, the second by MySQL only. MySQL has no limit for an idle
    // transaction, just for an idle connection.
    let settings = format!(
        "SET SESSION innodb_lock_wait_timeout = {seconds}, lock_wait_timeout = {seconds}, wait_timeout = 60 \
         /*M!100300 , max_statement_time = {ms} / 1000, idle_transaction_timeout = {seconds} */ \
         /*!50708 , max_execution_time = {ms} */"
    );
    script(&mut connection, settings).await?;
    // As Django does. Otherwise reading a row for an update locks the gaps beside it.
    script(&mut connection, "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED".to_owned()).await?;
    Ok(connection)
}

/// Runs a statement without parameters, also one that cannot be prepared.
pub(super) async fn script(connection: &mut MySqlConnection, sql: String) -> Result<(), HostError> {
    connection.execute(raw_sql(AssertSqlSafe(sql))).await?;
    Ok(())
}

pub(super) async fn query(
    connection: &mut MySqlConnection,
    sql: &str,
    params: &[HostValue],
) -> Result<Vec<HostRow>, HostError> {
    let (sql, arguments) = arguments(sql, params)?;
    let rows = connection.fetch_all(query_with(AssertSqlSafe(sql), arguments)).await?;
    Ok(rows.iter().map(read).collect())
}

/// Runs a statement. The result contains the new id of an inserted row.
pub(super) async fn execute(
    connection: &mut MySqlConnection,
    sql: &str,
    params: &[HostValue],
) -> Result<MySqlQueryResult, HostError> {
    let (sql, arguments) = arguments(sql, params)?;
    Ok(connection.execute(query_with(AssertSqlSafe(sql), arguments)).await?)
}

fn arguments(sql: &str, params: &[HostValue]) -> Result<(String, MySqlArguments), HostError> {
    use sqlx::Arguments as _;
    let (sql, ordered) = to_question_marks(sql, params)?;
    let mut arguments = MySqlArguments::default();
    for value in ordered {
        let added = match value {
            HostValue::Null => arguments.add(None::<i64>),
            HostValue::Boolean(yes) => arguments.add(yes),
            HostValue::Integer(number) => arguments.add(number),
            HostValue::Real(number) => arguments.add(number),
            HostValue::Text(text) => arguments.add(text),
            HostValue::Bytes(bytes) => arguments.add(bytes),
            HostValue::Time(ms) => arguments.add(time::text(ms)),
        };
        added.map_err(|error| HostError::Unexpected(error.to_string()))?;
    }
    Ok((sql, arguments))
}

fn read(row: &MySqlRow) -> HostRow {
    HostRow((0..row.columns().len()).map(|position| value(row, position)).collect())
}

fn value(row: &MySqlRow, position: usize) -> Result<HostValue, HostError> {
    let raw = row.try_get_raw(position)?;
    if raw.is_null() {
        return Ok(HostValue::Null);
    }
    let unexpected = |what: &str| HostError::Unexpected(format!("column {} {what}", row.column(position).name()));
    let kind = raw.type_info().name().to_owned();
    Ok(match kind.as_str() {
        "BOOLEAN" => HostValue::Boolean(row.try_get_unchecked(position)?),
        "FLOAT" => HostValue::Real(row.try_get_unchecked::<f32, _>(position)?.into()),
        "DOUBLE" => HostValue::Real(row.try_get_unchecked(position)?),
        "DATETIME" | "TIMESTAMP" | "DATE" => {
            of_date(row.try_get_unchecked(position)?).ok_or_else(|| unexpected("is not a valid time"))?
        }
        "CHAR" | "VARCHAR" | "TINYTEXT" | "TEXT" | "MEDIUMTEXT" | "LONGTEXT" | "ENUM" | "SET" | "JSON" => {
            HostValue::Text(row.try_get_unchecked(position)?)
        }
        "BINARY" | "VARBINARY" | "TINYBLOB" | "BLOB" | "MEDIUMBLOB" | "LONGBLOB" => {
            HostValue::Bytes(row.try_get_unchecked(position)?)
        }
        // Sums of integers. It is sent as a text.
        "DECIMAL" => {
            let text: String = row.try_get_unchecked(position)?;
            text.parse().map_or(HostValue::Text(text), HostValue::Integer)
        }
        _ if kind.contains("INT") && kind.ends_with("UNSIGNED") => {
            let number = i64::try_from(row.try_get_unchecked::<u64, _>(position)?);
            HostValue::Integer(number.map_err(|_| unexpected("is greater than any id"))?)
        }
        _ if kind.contains("INT") || kind == "YEAR" => HostValue::Integer(row.try_get_unchecked(position)?),
        _ => return Err(unexpected(&format!("is {kind}: cast it to another type"))),
    })
}

/// Reads a date and time in the binary format: a length, then year, month, day, hour, minute, second, microseconds,
/// as many as are not 0. <https://mariadb.com/kb/en/resultset-row/#timestamp-binary-encoding>
fn of_date(bytes: &[u8]) -> Option<HostValue> {
    let (length, rest) = bytes.split_first()?;
    let mut parts = [0; 11];
    parts.get_mut(..usize::from(*length))?.copy_from_slice(rest.get(..usize::from(*length))?);
    let year = u16::from_le_bytes([parts[0], parts[1]]);
    let micros = u32::from_le_bytes([parts[7], parts[8], parts[9], parts[10]]);
    let date = [year, parts[2].into(), parts[3].into()];
    time::of_parts(date, [parts[4], parts[5], parts[6]], micros).map(HostValue::Time)
}
