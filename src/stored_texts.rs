//! Stored texts that the API would reject today: blank ones, and twins, which look alike but have different characters.
//! They are counted for operators and never changed.

use std::collections::HashMap;

use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};

use crate::kit::spelling::{compose, list_unseen};

/// Columns whose texts must be visible.
const SHOWN: &[(&str, &[&str])] = &[
    ("tags", &["title"]),
    ("movies", &["isbn", "title", "title_original", "country", "subject"]),
    ("persons", &["country", "last_name", "first_name", "mid_name", "bio"]),
    ("person_position", &["title"]),
    ("movie_staff_m2m", &["character"]),
    ("film_award_registry", &["title", "description"]),
    ("film_award_nominations_registry", &["title", "description"]),
    ("users", &["username", "email", "fio", "bio"]),
    ("cinema_online", &["title", "url"]),
    ("publications_category", &["title"]),
    ("publications", &["title", "text"]),
    ("comments", &["comment"]),
];

/// Columns whose texts must be distinguishable.
const UNIQUE: &[(&str, &str)] = &[
    ("tags", "title"),
    ("person_position", "title"),
    ("users", "username"),
    ("users", "email"),
    ("cinema_online", "title"),
    ("cinema_online", "url"),
    ("publications_category", "title"),
];

/// A line for each column with such texts, such as `twins in tags.title: 2`.
///
/// # Errors
/// The database failed.
pub async fn report(db: &impl ConnectionTrait) -> Result<Vec<String>, DbErr> {
    let mut lines = Vec::new();
    for (table, columns) in SHOWN {
        for (column, count) in columns.iter().zip(count_blanks(db, table, columns).await?) {
            if count > 0 {
                lines.push(format!("blank texts in {table}.{column}: {count}"));
            }
        }
    }
    for (table, column) in UNIQUE {
        let count = count_twins(db, table, column).await?;
        if count > 0 {
            lines.push(format!("twins in {table}.{column}: {count}"));
        }
    }
    Ok(lines)
}

/// The number of blank texts in each column.
async fn count_blanks(db: &impl ConnectionTrait, table: &str, columns: &[&str]) -> Result<Vec<i64>, DbErr> {
    let (first, trim) = match db.get_database_backend() {
        DbBackend::Sqlite => ("unicode", "trim"),
        _ => ("ascii", "btrim"),
    };
    let counts = columns.iter().map(|column| {
        // Trimming is expensive: a text that begins with a Latin or Cyrillic letter needs none.
        format!(
            "count(CASE WHEN {column} IS NULL OR coalesce({first}({column}), 0) BETWEEN 33 AND 126
                 OR {first}({column}) BETWEEN 1040 AND 1103 THEN NULL WHEN {trim}({column}, $1) = '' THEN 1 END)"
        )
    });
    // Deleted comments with replies are empty.
    let alive = match table {
        "comments" => "id NOT IN (SELECT comment_id FROM comment_tombstones)",
        _ => "1 = 1",
    };
    let sql = format!("SELECT {} FROM {table} WHERE {alive}", counts.collect::<Vec<_>>().join(", "));
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, [list_unseen().into()]);
    let Some(row) = db.query_one_raw(statement).await? else { return Ok(Vec::new()) };
    (0..columns.len()).map(|place| row.try_get_by_index(place)).collect()
}

/// The number of texts in a column that look like another one there.
async fn count_twins(db: &impl ConnectionTrait, table: &str, column: &str) -> Result<usize, DbErr> {
    // ASCII texts cannot have twins. SQLite has no Unicode normalization, so the program compares the texts.
    let bytes = match db.get_database_backend() {
        DbBackend::Sqlite => format!("length(CAST({column} AS BLOB))"),
        _ => format!("octet_length({column})"),
    };
    let sql = format!("SELECT {column} FROM {table} WHERE {bytes} <> length({column})");
    let mut spellings: HashMap<String, usize> = HashMap::new();
    for row in db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await? {
        let text: String = row.try_get_by_index(0)?;
        *spellings.entry(compose(&text)).or_default() += 1;
    }
    Ok(spellings.into_values().filter(|count| *count > 1).sum())
}
