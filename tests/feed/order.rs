//! The order of ticks in the tables, read by a statement that is independent of the server's.

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};

/// The first tick in which each added comment is visible. Each event must become visible in exactly one tick.
const ORDER: &str = "
    SELECT event.comment_id, event.movie_id, comments.comment
    FROM comment_events AS event
    JOIN comments ON comments.id = event.comment_id
    JOIN LATERAL (
        SELECT tick FROM comment_ticks WHERE pg_visible_in_snapshot(event.xact, snapshot) ORDER BY tick LIMIT 1
    ) AS first ON true
    WHERE kind = 'ADDED'
    ORDER BY first.tick, event.xact, event.id";

async fn rows(db: &DatabaseConnection) -> Vec<(i32, i32, String)> {
    let rows = db.query_all_raw(Statement::from_string(DbBackend::Postgres, ORDER)).await.unwrap();
    rows.iter().map(|row| row.try_get_many_by_index().unwrap()).collect()
}

/// The texts of all comments with a position.
pub async fn ticked(db: &DatabaseConnection) -> Vec<String> {
    rows(db).await.into_iter().map(|(.., text)| text).collect()
}

/// The comments with a position, with their movies.
pub async fn ticked_comments(db: &DatabaseConnection) -> Vec<(i32, i32)> {
    rows(db).await.into_iter().map(|(comment, movie, _)| (comment, movie)).collect()
}
