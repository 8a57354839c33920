//! What reverting steps deletes: read from their SQL, counted in the database.

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{ConnectionTrait, Statement};

use crate::{STEPS, read_applied};

/// A step to be reverted.
#[derive(Clone, Debug)]
pub struct StepLoss {
    /// The step's name.
    pub name: String,
    /// What this deletes: tables with their rows, rows of other tables, columns. Empty if it deletes no data.
    pub deleted: Vec<String>,
}

/// The last `limit` steps of the database, last first, with what is deleted when they are reverted.
///
/// # Errors
/// Any error of the database.
pub async fn losses(db: &impl ConnectionTrait, limit: u32) -> Result<Vec<StepLoss>, DbErr> {
    let applied = read_applied(db).await?;
    let steps = STEPS.iter().rev().filter(|step| applied.iter().any(|name| name == step.name));
    let mut losses = Vec::new();
    for step in steps.take(limit as usize) {
        let mut deleted = Vec::new();
        for statement in statements(step.down_sql(db.get_database_backend())) {
            deleted.extend(describe(db, &statement).await?);
        }
        losses.push(StepLoss { name: step.name.to_owned(), deleted });
    }
    Ok(losses)
}

/// The statements of a script, each on one line. `DO` blocks are ignored.
fn statements(script: &str) -> Vec<String> {
    let lines: Vec<_> = script.lines().filter(|line| !line.trim_start().starts_with("--")).collect();
    let statement = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    lines.join("\n").split(';').map(statement).collect()
}

/// The data that a statement deletes, if any.
async fn describe(db: &impl ConnectionTrait, statement: &str) -> Result<Vec<String>, DbErr> {
    if let Some(table) = statement.strip_prefix("DROP TABLE ") {
        return Ok(vec![format!("the table {table} with {}", count(db, table).await?)]);
    }
    if let Some((table, changes)) = statement.strip_prefix("ALTER TABLE ").and_then(|rest| rest.split_once(' ')) {
        let columns = changes.split("DROP COLUMN ").skip(1).filter_map(|rest| rest.split([',', ' ']).next());
        return Ok(columns.map(|column| format!("the column {table}.{column}")).collect());
    }
    match statement.strip_prefix("DELETE FROM ") {
        // This only deletes the record of a step.
        Some(rows) if !rows.starts_with("schema_steps ") => {
            let table = rows.split(' ').next().unwrap_or_default();
            Ok(vec![format!("{} of {table}", count(db, rows).await?)])
        }
        _ => Ok(Vec::new()),
    }
}

/// The number of rows of a table, or of rows that match a condition if there is a `WHERE`.
async fn count(db: &impl ConnectionTrait, rows: &str) -> Result<String, DbErr> {
    let sql = format!("SELECT count(*) FROM {rows}");
    let row = db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await?;
    let count: i64 = row.map(|row| row.try_get_by_index(0)).transpose()?.unwrap_or_default();
    Ok(if count == 1 { "1 row".to_owned() } else { format!("{count} rows") })
}

#[cfg(test)]
mod tests {
    use sea_orm_migration::sea_orm::DbBackend;

    use super::statements;
    use crate::STEPS;

    /// A `DELETE` or `DROP` in another form would not be reported.
    #[test]
    fn every_deletion_begins_a_statement() {
        for step in STEPS {
            for backend in [DbBackend::Postgres, DbBackend::Sqlite] {
                let script = step.down_sql(backend);
                for word in ["DROP TABLE ", "DROP COLUMN ", "DELETE FROM "] {
                    let starts = |statement: &&String| {
                        statement.starts_with(word) || (word == "DROP COLUMN " && statement.starts_with("ALTER TABLE "))
                    };
                    let statements = statements(script);
                    let told: usize = statements.iter().filter(starts).map(|text| text.matches(word).count()).sum();
                    assert_eq!(told, script.matches(word).count(), "{}: {word}", step.name);
                }
            }
        }
    }
}
