//! PostgreSQL. The server infers the types of parameters, and values are written in the types that it inferred: so a
//! text may be compared with a UUID, and an integer with a smallint.

use super::{error::HostError, value::HostRow, value::HostValue};
use sqlx::{
    AssertSqlSafe, Column as _, Connection as _, Either, Encode, Executor as _, Postgres, Row as _, SqlSafeStr as _,
    Statement as _, Type, TypeInfo as _, ValueRef as _,
    encode::IsNull,
    error::BoxDynError,
    postgres::{PgArgumentBuffer, PgArguments, PgConnectOptions, PgConnection, PgRow, PgTypeInfo, PgValueFormat},
    query_with, raw_sql,
};
use std::time::Duration;

/// How many prepared statements a connection caches.
const STATEMENTS_KEPT: usize = 64;
/// Times are counted in microseconds since 2000-01-01:
/// <https://www.postgresql.org/docs/current/datatype-datetime.html>.
const EPOCH_MS: i64 = 946_684_800_000;
const DAY_MS: i64 = 86_400_000;

pub(super) async fn connect(options: &PgConnectOptions, timeout: Duration) -> Result<PgConnection, HostError> {
    let options = options.clone().statement_cache_capacity(STATEMENTS_KEPT).application_name("parlor");
    let mut connection = PgConnection::connect_with(&options).await?;
    let timeout = timeout.as_millis();
    let settings = format!(
        "SET TimeZone = 'UTC'; SET statement_timeout = {timeout}; SET lock_timeout = {timeout}; \
         SET idle_in_transaction_session_timeout = {timeout}"
    );
    script(&mut connection, settings).await?;
    Ok(connection)
}

/// Runs statements without parameters.
pub(super) async fn script(connection: &mut PgConnection, sql: String) -> Result<(), HostError> {
    connection.execute(raw_sql(AssertSqlSafe(sql))).await?;
    Ok(())
}

pub(super) async fn query(
    connection: &mut PgConnection,
    sql: String,
    params: &[HostValue],
) -> Result<Vec<HostRow>, HostError> {
    let arguments = arguments(connection, &sql, params).await?;
    let rows = connection.fetch_all(query_with(AssertSqlSafe(sql), arguments)).await?;
    Ok(rows.iter().map(read).collect())
}

pub(super) async fn execute(
    connection: &mut PgConnection,
    sql: String,
    params: &[HostValue],
) -> Result<u64, HostError> {
    let arguments = arguments(connection, &sql, params).await?;
    Ok(connection.execute(query_with(AssertSqlSafe(sql), arguments)).await?.rows_affected())
}

async fn arguments(connection: &mut PgConnection, sql: &str, params: &[HostValue]) -> Result<PgArguments, HostError> {
    use sqlx::Arguments as _;
    let mut arguments = PgArguments::default();
    if params.is_empty() {
        return Ok(arguments);
    }
    // It stays in the connection's cache, where the execution that follows finds it.
    let statement = connection.prepare(AssertSqlSafe(sql.to_owned()).into_sql_str()).await?;
    let Some(Either::Left(kinds)) = statement.parameters() else {
        return Err(HostError::Unexpected("the types of the parameters are unknown".to_owned()));
    };
    if kinds.len() != params.len() {
        let (count, given) = (kinds.len(), params.len());
        return Err(HostError::Unexpected(format!("a statement has {count} parameters, and {given} were given")));
    }
    for (value, kind) in params.iter().zip(kinds) {
        let added = arguments.add(Parameter { value, kind });
        added.map_err(|error| HostError::Unexpected(error.to_string()))?;
    }
    Ok(arguments)
}

/// A value in the type that the server expects.
struct Parameter<'a> {
    value: &'a HostValue,
    kind: &'a PgTypeInfo,
}

impl Type<Postgres> for Parameter<'_> {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_name("unknown")
    }
}

impl Encode<'_, Postgres> for Parameter<'_> {
    fn produces(&self) -> Option<PgTypeInfo> {
        Some(self.kind.clone())
    }

    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        if *self.value == HostValue::Null {
            return Ok(IsNull::Yes);
        }
        let bytes = binary(self.value, self.kind.name())
            .ok_or_else(|| format!("{} cannot be written as {} of PostgreSQL", self.value.kind(), self.kind.name()))?;
        buffer.extend_from_slice(&bytes);
        Ok(IsNull::No)
    }
}

/// Writes a value in the binary format of a type; none if it does not fit.
#[expect(clippy::cast_possible_truncation, reason = "a real number may lose digits")]
fn binary(value: &HostValue, kind: &str) -> Option<Vec<u8>> {
    let integer = match value {
        HostValue::Integer(number) => Some(*number),
        HostValue::Boolean(yes) => Some(i64::from(*yes)),
        HostValue::Text(text) => text.parse().ok(),
        _ => None,
    };
    Some(match (kind, value) {
        ("BOOL", _) => vec![u8::from(integer? != 0)],
        ("INT2", _) => i16::try_from(integer?).ok()?.to_be_bytes().to_vec(),
        ("INT4", _) => i32::try_from(integer?).ok()?.to_be_bytes().to_vec(),
        ("INT8", _) => integer?.to_be_bytes().to_vec(),
        ("FLOAT4", HostValue::Real(number)) => (*number as f32).to_be_bytes().to_vec(),
        ("FLOAT8", HostValue::Real(number)) => number.to_be_bytes().to_vec(),
        ("BYTEA", HostValue::Bytes(bytes)) => bytes.clone(),
        ("TIMESTAMPTZ" | "TIMESTAMP", HostValue::Time(ms)) => {
            ms.checked_sub(EPOCH_MS)?.checked_mul(1000)?.to_be_bytes().to_vec()
        }
        ("UUID", HostValue::Text(text)) => uuid_bytes(text)?,
        ("JSONB", HostValue::Text(text)) => [&[1], text.as_bytes()].concat(),
        (_, HostValue::Text(text)) if is_text(kind) => text.clone().into_bytes(),
        (_, HostValue::Integer(number)) if is_text(kind) => number.to_string().into_bytes(),
        _ => return None,
    })
}

/// Whether the binary format of a type is its text.
fn is_text(kind: &str) -> bool {
    matches!(
        kind.to_ascii_uppercase().as_str(),
        "TEXT" | "VARCHAR" | "CHAR" | "\"CHAR\"" | "NAME" | "CITEXT" | "JSON" | "UNKNOWN"
    )
}

fn uuid_bytes(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b'-').collect();
    let nibble = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    if digits.len() != 32 {
        return None;
    }
    digits.chunks(2).map(|pair| Some(nibble(pair[0])? << 4 | nibble(pair[1])?)).collect()
}

fn uuid_text(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(36);
    for (position, byte) in bytes.iter().enumerate() {
        if matches!(position, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        write!(text, "{byte:02x}").expect("writing into a String");
    }
    text
}

fn read(row: &PgRow) -> HostRow {
    HostRow((0..row.columns().len()).map(|position| value(row, position)).collect())
}

fn value(row: &PgRow, position: usize) -> Result<HostValue, HostError> {
    let value = row.try_get_raw(position)?;
    if value.is_null() {
        return Ok(HostValue::Null);
    }
    // A type that a column does not know by itself, such as an enumeration.
    let kind = value.type_info().name().to_owned();
    let is_binary = value.format() == PgValueFormat::Binary;
    let bytes = value.as_bytes().map_err(|error| HostError::Unexpected(error.to_string()))?;
    is_binary.then(|| of_binary(&kind, bytes)).flatten().ok_or_else(|| {
        let name = row.column(position).name();
        HostError::Unexpected(format!("column {name} is {kind}: cast it to another type"))
    })
}

/// Reads a value in the binary format of a type; none for types that are not supported.
fn of_binary(kind: &str, bytes: &[u8]) -> Option<HostValue> {
    let micros = || Some(i64::from_be_bytes(bytes.try_into().ok()?));
    Some(match kind {
        "BOOL" => HostValue::Boolean(bytes.first()? != &0),
        "INT2" => HostValue::Integer(i16::from_be_bytes(bytes.try_into().ok()?).into()),
        "INT4" => HostValue::Integer(i32::from_be_bytes(bytes.try_into().ok()?).into()),
        "OID" => HostValue::Integer(u32::from_be_bytes(bytes.try_into().ok()?).into()),
        "INT8" => HostValue::Integer(i64::from_be_bytes(bytes.try_into().ok()?)),
        "FLOAT4" => HostValue::Real(f32::from_be_bytes(bytes.try_into().ok()?).into()),
        "FLOAT8" => HostValue::Real(f64::from_be_bytes(bytes.try_into().ok()?)),
        "BYTEA" => HostValue::Bytes(bytes.to_vec()),
        "TIMESTAMPTZ" | "TIMESTAMP" => HostValue::Time(micros()?.div_euclid(1000).checked_add(EPOCH_MS)?),
        "DATE" => {
            let days = i32::from_be_bytes(bytes.try_into().ok()?);
            HostValue::Time(i64::from(days).checked_mul(DAY_MS)?.checked_add(EPOCH_MS)?)
        }
        "UUID" => HostValue::Text(uuid_text(bytes)),
        "JSONB" => HostValue::Text(String::from_utf8(bytes.get(1..)?.to_vec()).ok()?),
        _ if is_text(kind) => HostValue::Text(String::from_utf8(bytes.to_vec()).ok()?),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_they_were_written() {
        let pairs = [
            ("BOOL", HostValue::Boolean(true)),
            ("INT2", HostValue::Integer(-7)),
            ("INT4", HostValue::Integer(70_000)),
            ("INT8", HostValue::Integer(i64::MIN)),
            ("FLOAT8", HostValue::Real(0.1)),
            ("TEXT", HostValue::Text("é".to_owned())),
            ("JSONB", HostValue::Text("{}".to_owned())),
            ("BYTEA", HostValue::Bytes(vec![0, 255])),
            ("TIMESTAMPTZ", HostValue::Time(1_795_926_005_120)),
            ("TIMESTAMP", HostValue::Time(-1)),
            ("UUID", HostValue::Text("0123e567-e89b-12d3-a456-426614174000".to_owned())),
        ];
        for (kind, value) in pairs {
            let bytes = binary(&value, kind).expect(kind);
            assert_eq!(of_binary(kind, &bytes), Some(value), "{kind}");
        }
        let plain = HostValue::Text("0123e567e89b12d3a456426614174000".to_owned());
        assert_eq!(binary(&plain, "UUID").map(|bytes| bytes.len()), Some(16), "without dashes, too");
        assert_eq!(binary(&HostValue::Text("7".to_owned()), "INT4"), Some(vec![0, 0, 0, 7]));
        assert_eq!(binary(&HostValue::Integer(7), "VARCHAR"), Some(b"7".to_vec()));
        for (kind, value) in [("INT2", HostValue::Integer(40_000)), ("INT4", "x".into()), ("UUID", "12".into())] {
            assert_eq!(binary(&value, kind), None, "{kind}");
        }
    }
}
