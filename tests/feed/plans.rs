//! The statement that reads the feed uses its indexes for any size of the tables, and reads only the returned rows.

use kinoteka::feed::Source;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};

use crate::instance::database;
use crate::support::database::Backend;

#[tokio::test(flavor = "multi_thread")]
async fn the_feed_is_read_through_its_index() {
    let (_database, db) = database(Backend::Postgres).await;
    for table in ["comment_events", "comment_ticks"] {
        db.execute_unprepared(&format!("ALTER TABLE {table} DISABLE TRIGGER USER")).await.unwrap();
    }
    let (settings, read) = Source::explain();
    db.execute_unprepared(settings).await.unwrap();
    let types = "bigint, text, bigint, bigint, bigint, bigint, bigint, bigint, boolean, integer, integer, boolean";
    db.execute_unprepared(&format!("PREPARE look ({types}) AS {read}")).await.unwrap();
    for rows in [0, 10, 1_000, 100_000] {
        fill(&db, rows).await;
        let place = rows / 12;
        let explain = format!(
            "EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF)
             EXECUTE look({place}, '{}', 1, NULL, NULL, NULL, NULL, 50, true, NULL, NULL, NULL)",
            2 * place + 3
        );
        let plan = db.query_all_raw(Statement::from_string(DbBackend::Postgres, explain)).await.unwrap();
        let plan: Vec<String> = plan.iter().map(|row| row.try_get_by_index(0).unwrap()).collect();
        let plan = plan.join("\n");
        let scans = ["Seq Scan on comment_events", "Seq Scan on comment_ticks"];
        assert!(!scans.iter().any(|scan| plan.contains(scan)), "{rows} rows:\n{plan}");
        let condition = "Index Cond: ((xact >= GREATEST(";
        assert!(plan.contains(condition) && plan.contains("(xact < pg_snapshot_xmax("), "{rows} rows:\n{plan}");
        if rows > 1_000 {
            let pages: u64 = plan
                .split("Buffers: shared ")
                .nth(1)
                .unwrap()
                .split("hit=")
                .nth(1)
                .unwrap()
                .split_whitespace()
                .next()
                .unwrap()
                .parse()
                .unwrap();
            assert!(pages < 1_000, "{plan}");
        }
    }
}

/// Ticks of two transactions with three events each.
async fn fill(db: &DatabaseConnection, rows: i64) {
    for statement in [
        "TRUNCATE comment_events, comment_ticks".to_owned(),
        format!(
            "INSERT INTO comment_events (xact, kind, comment_id, movie_id, at)
             SELECT (i / 3 + 3)::text::xid8, 'ADDED', i, 1, now() FROM generate_series(1, {rows}) AS i"
        ),
        format!(
            "INSERT INTO comment_ticks (tick, mark, from_xact, snapshot, late)
             SELECT i, i, (2 * i + 1)::text::xid8, format('%s:%s:', 2 * i + 3, 2 * i + 3)::pg_snapshot, '{{}}'
             FROM generate_series(1, {rows} / 6 + 1) AS i"
        ),
        "ANALYZE comment_events, comment_ticks".to_owned(),
    ] {
        db.execute_unprepared(&statement).await.unwrap();
    }
}
