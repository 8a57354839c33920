//! Bulk insertion of entity rows: `COPY` on PostgreSQL, multi-row `INSERT` on
//! SQLite, everything in one transaction.
//!
//! Rows carry their ids. PostgreSQL's `COPY` stores them even in
//! `GENERATED ALWAYS` columns; the sequences are moved past them afterwards.

use sea_orm::sea_query::{Expr, Query};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, EntityTrait, IdenStatic,
    Iterable, ModelTrait, SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait, Value,
};
use sqlx::{AssertSqlSafe, Postgres, Transaction};

use crate::error::SeedError;
use crate::fakes::World;
use crate::steps::Step;

/// Bytes of `COPY` data sent at once.
const COPY_CHUNK_BYTES: usize = 256 * 1024;

/// Bound values of one SQLite statement, below its limit of 32,766.
const SQLITE_VALUES_MAX: usize = 8_000;

/// Serialises seeders on PostgreSQL, so that two cannot both find an empty
/// database. The number has no meaning; it must only be this program's own.
const SEED_LOCK: i64 = 0x6b69_6e6f_7365_6564;

/// A database being filled; dropping it takes back all that was filled.
pub enum Filler {
    /// A transaction on a connection out of sea-orm's pool, where `COPY` is possible.
    Postgres(Transaction<'static, Postgres>),
    /// A transaction of sea-orm.
    Sqlite(DatabaseTransaction),
}

impl Filler {
    /// Starts the transaction, alone among seeders.
    ///
    /// # Errors
    /// `Database` if that fails, `Backend` for a database that is neither
    /// PostgreSQL nor SQLite.
    pub async fn begin(db: &DatabaseConnection) -> Result<Self, SeedError> {
        match db.get_database_backend() {
            DbBackend::Postgres => {
                let mut transaction = db.get_postgres_connection_pool().begin().await?;
                sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(SEED_LOCK).execute(&mut *transaction).await?;
                Ok(Self::Postgres(transaction))
            }
            DbBackend::Sqlite => {
                // Taking the write lock at once: upgrading a read lock later
                // fails when another process has written meanwhile.
                let options = TransactionOptions {
                    sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
                    ..TransactionOptions::default()
                };
                Ok(Self::Sqlite(db.begin_with_options(options).await?))
            }
            _ => Err(SeedError::Backend),
        }
    }

    /// Keeps what was filled.
    ///
    /// # Errors
    /// `Database` if a deferred constraint or the database itself refuses.
    pub async fn commit(self) -> Result<(), SeedError> {
        match self {
            Self::Postgres(transaction) => transaction.commit().await?,
            Self::Sqlite(transaction) => transaction.commit().await?,
        }
        Ok(())
    }

    /// Refuses a table that has a row.
    ///
    /// # Errors
    /// `NotEmpty` with the table's name.
    pub async fn expect_empty<E: EntityTrait>(&mut self, _: &Step<E>) -> Result<(), SeedError> {
        let table = E::default().table_name();
        let sql = format!(r#"SELECT 1 FROM "{table}" LIMIT 1"#);
        let has_rows = match self {
            Self::Postgres(transaction) => {
                sqlx::query(AssertSqlSafe(sql)).fetch_optional(&mut **transaction).await?.is_some()
            }
            Self::Sqlite(transaction) => {
                transaction.query_one_raw(Statement::from_string(DbBackend::Sqlite, sql)).await?.is_some()
            }
        };
        if has_rows { Err(SeedError::NotEmpty { table }) } else { Ok(()) }
    }

    /// Makes and stores all rows of a step; returns how many there were.
    ///
    /// # Errors
    /// `Database` if a row is refused.
    pub async fn fill<E: EntityTrait>(&mut self, step: &Step<E>, world: &World) -> Result<u64, SeedError> {
        match self {
            Self::Postgres(transaction) => copy_rows(transaction, step, world).await,
            Self::Sqlite(transaction) => insert_rows(transaction, step, world).await,
        }
    }
}

async fn copy_rows<E: EntityTrait>(
    transaction: &mut Transaction<'static, Postgres>,
    step: &Step<E>,
    world: &World,
) -> Result<u64, SeedError> {
    let table = E::default().table_name();
    let columns: Vec<E::Column> = E::Column::iter().collect();
    let names: Vec<String> = columns.iter().map(|column| format!(r#""{}""#, column.as_str())).collect();
    let statement = format!(r#"COPY "{table}" ({}) FROM STDIN"#, names.join(", "));

    let mut copy = transaction.copy_in_raw(&statement).await?;
    let mut buffer = String::with_capacity(COPY_CHUNK_BYTES + COPY_CHUNK_BYTES / 4);
    for group in 0..(step.groups)(world) {
        for row in (step.rows)(world, group) {
            write_row::<E>(&row, &columns, &mut buffer)?;
        }
        if buffer.len() >= COPY_CHUNK_BYTES {
            copy.send(buffer.as_bytes()).await?;
            buffer.clear();
        }
    }
    copy.send(buffer.as_bytes()).await?;
    let rows = copy.finish().await?;

    if columns.iter().any(|column| column.as_str() == "id") {
        let sql = format!(
            r#"SELECT setval(pg_get_serial_sequence('"{table}"', 'id'), coalesce(max(id), 0) + 1, false) FROM "{table}""#
        );
        sqlx::query(AssertSqlSafe(sql)).execute(&mut **transaction).await?;
    }
    Ok(rows)
}

/// Appends a row in the text format of `COPY`.
fn write_row<E: EntityTrait>(row: &E::Model, columns: &[E::Column], line: &mut String) -> Result<(), SeedError> {
    for (at, column) in columns.iter().enumerate() {
        if at > 0 {
            line.push('\t');
        }
        if !write_value(row.get(*column), line) {
            return Err(SeedError::Value { table: E::default().table_name(), column: column.as_str() });
        }
    }
    line.push('\n');
    Ok(())
}

/// Appends a value in the text format of `COPY`; false for a type that no
/// column of ours has.
fn write_value(value: Value, line: &mut String) -> bool {
    let text = match value {
        Value::Bool(value) => value.map(|value| if value { "t".to_owned() } else { "f".to_owned() }),
        Value::SmallInt(value) => value.map(|value| value.to_string()),
        Value::Int(value) => value.map(|value| value.to_string()),
        Value::BigInt(value) => value.map(|value| value.to_string()),
        Value::String(value) => value,
        Value::Json(value) => value.map(|value| value.to_string()),
        Value::ChronoDate(value) => value.map(|value| value.to_string()),
        Value::ChronoDateTimeWithTimeZone(value) => {
            value.map(|value| value.format("%Y-%m-%d %H:%M:%S%.6f%:z").to_string())
        }
        Value::Uuid(value) => value.map(|value| value.to_string()),
        Value::Decimal(value) => value.map(|value| value.to_string()),
        _ => return false,
    };
    match text {
        Some(text) => escape(&text, line),
        None => line.push_str("\\N"),
    }
    true
}

fn escape(text: &str, line: &mut String) {
    for letter in text.chars() {
        match letter {
            '\\' => line.push_str("\\\\"),
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\t' => line.push_str("\\t"),
            _ => line.push(letter),
        }
    }
}

async fn insert_rows<E: EntityTrait>(
    transaction: &DatabaseTransaction,
    step: &Step<E>,
    world: &World,
) -> Result<u64, SeedError> {
    let rows_max = SQLITE_VALUES_MAX / E::Column::iter().count().max(1);
    let mut pending: Vec<E::Model> = Vec::with_capacity(rows_max);
    let mut rows = 0;
    for group in 0..(step.groups)(world) {
        for row in (step.rows)(world, group) {
            pending.push(row);
            // Full statements all have one text, which is prepared once.
            if pending.len() == rows_max {
                rows += insert_batch::<E>(transaction, &mut pending).await?;
            }
        }
    }
    rows += insert_batch::<E>(transaction, &mut pending).await?;
    Ok(rows)
}

async fn insert_batch<E: EntityTrait>(
    transaction: &DatabaseTransaction,
    rows: &mut Vec<E::Model>,
) -> Result<u64, SeedError> {
    if rows.is_empty() {
        return Ok(0);
    }
    let mut insert = Query::insert();
    insert.into_table(E::default().table_ref()).columns(E::Column::iter());
    for row in rows.drain(..) {
        let values = E::Column::iter().map(|column| column.save_as(Expr::val(row.get(column))));
        insert.values(values).map_err(|error| DbErr::Custom(error.to_string()))?;
    }
    Ok(transaction.execute(&insert).await?.rows_affected())
}

#[cfg(test)]
mod tests {
    use rust_decimal::Decimal;
    use serde_json::json;

    use super::*;
    use crate::fakes::calendar::now;

    fn copied(value: Value) -> String {
        let mut line = String::new();
        assert!(write_value(value, &mut line));
        line
    }

    #[test]
    fn copy_text_is_escaped() {
        assert_eq!(copied("а\tб\nв\\г\r".into()), "а\\tб\\nв\\\\г\\r");
        assert_eq!(copied(Value::String(None)), "\\N");
        assert_eq!(copied("\\N".into()), "\\\\N");
        assert_eq!(copied(json!(["Драма \"А\"", "\\"]).into()), r#"["Драма \\"А\\"","\\\\"]"#);
    }

    #[test]
    fn copy_text_keeps_scale_and_offset() {
        assert_eq!(copied(Decimal::new(12_750, 2).into()), "127.50");
        assert_eq!(copied(now().into()), "2026-01-01 00:00:00.000000+00:00");
        assert_eq!(copied(true.into()), "t");
    }
}
