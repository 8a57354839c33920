//! The statement that reads the feed goes by its index, whatever the table's size.

use kinoteka::feed::Source;
use sea_orm::{ConnectionTrait, DbBackend, Statement};

use crate::instance::database;
use crate::support::database::Backend;

#[tokio::test(flavor = "multi_thread")]
async fn the_feed_is_read_by_its_index() {
    let (_database, db) = database(Backend::Postgres).await;
    db.execute_unprepared("ALTER TABLE comment_events DISABLE TRIGGER USER").await.unwrap();
    let (settings, read) = Source::explain();
    db.execute_unprepared(settings).await.unwrap();
    db.execute_unprepared("SET plan_cache_mode = force_generic_plan").await.unwrap();
    let types = "text, bigint, bigint, bigint, boolean, integer, integer, boolean";
    db.execute_unprepared(&format!("PREPARE look ({types}) AS {read}")).await.unwrap();
    for rows in [0, 10, 1_000, 100_000] {
        let insert = format!(
            "INSERT INTO comment_events (xact, kind, comment_id, movie_id, at)
             SELECT (i / 3 + 1)::text::xid8, 'ADDED', i, 1, now() FROM generate_series(1, {rows}) AS i"
        );
        db.execute_unprepared(&insert).await.unwrap();
        db.execute_unprepared("ANALYZE comment_events").await.unwrap();
        let explain = "EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF)
            EXECUTE look('33000', 1, 1, 1000, true, NULL, NULL, NULL)";
        let plan = db.query_all_raw(Statement::from_string(DbBackend::Postgres, explain)).await.unwrap();
        let plan: Vec<String> = plan.iter().map(|row| row.try_get_by_index(0).unwrap()).collect();
        let plan = plan.join("\n");
        assert!(!plan.contains("Seq Scan on comment_events"), "{rows} rows:\n{plan}");
        let condition = "Index Cond: ((ROW(xact, id) > ROW(";
        assert!(plan.contains(condition) && plan.contains("(xact < pg_snapshot_xmin("), "{rows} rows:\n{plan}");
    }
}
