//! Multi-row inserts, prepared once for each step.
//!
//! Another thread makes rows while earlier ones are inserted.

use std::ops::Range;
use std::sync::Arc;

use chrono::SecondsFormat;
use sea_orm::Value;
use sqlx::sqlite::{SqliteArguments, SqliteConnection};
use sqlx::{Arguments, AssertSqlSafe};
use tokio::sync::mpsc::{Sender, channel};
use tokio::task::spawn_blocking;

use crate::error::SeedError;
use crate::fakes::World;
use crate::steps::SeedStep;

/// Bound values of one statement. More would not be faster.
const VALUES_MAX: usize = 1_000;

/// Number of batches that wait to be inserted.
const BATCHES_WAITING: usize = 4;

/// The values of some rows, one after the other.
type InsertBatch = Vec<Value>;

/// Inserts the rows of some groups and returns their number.
pub async fn store(
    connection: &mut SqliteConnection,
    step: &'static SeedStep,
    world: &Arc<World>,
    groups: Range<u32>,
) -> Result<u64, SeedError> {
    let columns = (step.columns)();
    let (sender, mut batches) = channel(BATCHES_WAITING);
    let world = Arc::clone(world);
    let thread = spawn_blocking(move || make(&world, step, groups, &sender));
    let mut stored = 0;
    while let Some(batch) = batches.recv().await {
        let rows = batch.len() / columns.len();
        let sql = statement(step.table, &columns, rows);
        let mut arguments = SqliteArguments::default();
        for value in batch {
            bind(&mut arguments, value).ok_or(SeedError::Value { table: step.table })?;
        }
        // Full batches have the same text, whose prepared form the connection caches.
        sqlx::query_with(AssertSqlSafe(sql), arguments).execute(&mut *connection).await?;
        stored += u64::try_from(rows).unwrap_or(u64::MAX);
    }
    thread.await?;
    Ok(stored)
}

/// Makes rows batch by batch, while they are received.
fn make(world: &World, step: &SeedStep, groups: Range<u32>, sender: &Sender<InsertBatch>) {
    let width = (step.columns)().len();
    let values_max = VALUES_MAX / width * width;
    let mut batch = InsertBatch::with_capacity(values_max);
    for group in groups {
        (step.make)(world, group, &mut |row| {
            batch.extend(row);
            if batch.len() >= values_max {
                let full = std::mem::replace(&mut batch, InsertBatch::with_capacity(values_max));
                // Nobody receives when the load has stopped; the error is reported elsewhere.
                let _ = sender.blocking_send(full);
            }
        });
        if sender.is_closed() {
            return;
        }
    }
    if !batch.is_empty() {
        let _ = sender.blocking_send(batch);
    }
}

fn statement(table: &str, columns: &[&str], rows: usize) -> String {
    let names: Vec<_> = columns.iter().map(|column| format!(r#""{column}""#)).collect();
    let row = format!("({})", vec!["?"; columns.len()].join(", "));
    format!(r#"INSERT INTO "{table}" ({}) VALUES {}"#, names.join(", "), vec![row; rows].join(", "))
}

/// Binds a value as the schema stores it; `None` for an unsupported type.
fn bind(arguments: &mut SqliteArguments, value: Value) -> Option<()> {
    let bound = match value {
        Value::Bool(value) => arguments.add(value),
        Value::SmallInt(value) => arguments.add(value),
        Value::Int(value) => arguments.add(value),
        Value::BigInt(value) => arguments.add(value),
        Value::String(value) => arguments.add(value),
        Value::Json(value) => arguments.add(value.map(|value| value.to_string())),
        Value::Decimal(value) => arguments.add(value.map(|value| value.to_string())),
        Value::ChronoDate(value) => arguments.add(value.map(|value| value.to_string())),
        Value::ChronoDateTimeWithTimeZone(value) => {
            arguments.add(value.map(|value| value.to_rfc3339_opts(SecondsFormat::AutoSi, false)))
        }
        Value::Uuid(value) => arguments.add(value.map(|value| value.as_bytes().to_vec())),
        _ => return None,
    };
    bound.ok()
}
