//! The order of ticks: an open transaction only delays its own comments, and positions never change.

use kinoteka::feed::remove_old_events;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};
use serde_json::{Value, json};

use crate::instance::{Instance, Listener, PATIENCE, database, say};
use crate::listening::ADDED;
use crate::support::database::{Backend, connect_to};
use crate::support::postgres::Server;

/// Adds a comment and waits for its event.
async fn add_and_receive(db: &DatabaseConnection, listener: &mut Listener, text: &str) -> Value {
    say(db, 1, text).await;
    let event = listener.event().await;
    assert_eq!(event["comment"]["text"], text);
    event["cursor"].clone()
}

async fn read(db: &DatabaseConnection, sql: &str) -> String {
    let row = db.query_one_raw(Statement::from_string(DbBackend::Postgres, sql)).await.unwrap().unwrap();
    row.try_get_by_index(0).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_transaction_only_delays_its_own_comments() {
    let (database, db) = database(Backend::Postgres).await;
    let (one, other) = (Instance::start(&database.url).await, Instance::start(&database.url).await);
    let mut listeners = [one.listen(ADDED, json!({})), other.listen(ADDED, json!({}))];
    let slow = database.connect().await;
    slow.execute_unprepared("BEGIN; UPDATE movies SET budget = 1 WHERE id = 2").await.unwrap();
    add_and_receive(&db, &mut listeners[0], "рядом с чужой записью").await;
    say(&slow, 1, "поздний").await;
    let before = add_and_receive(&db, &mut listeners[0], "рядом с комментарием").await;
    let lost = database.connect().await;
    lost.execute_unprepared("BEGIN").await.unwrap();
    say(&lost, 1, "никогда").await;
    add_and_receive(&db, &mut listeners[0], "ещё один").await;
    lost.execute_unprepared("ROLLBACK").await.unwrap();
    slow.execute_unprepared("COMMIT").await.unwrap();
    assert_eq!(listeners[0].texts(1).await, ["поздний"]);
    add_and_receive(&db, &mut listeners[0], "конец").await;
    let all = ["рядом с чужой записью", "рядом с комментарием", "ещё один", "поздний", "конец"];
    assert_eq!(listeners[1].texts(5).await, all);
    // The late comment keeps its position, also for returning listeners and in the table.
    let third = Instance::start(&database.url).await;
    for instance in [&one, &third] {
        assert_eq!(instance.listen(ADDED, json!({ "after": before })).texts(3).await, all[2..]);
    }
}

/// Long operations elsewhere in the cluster, which used to delay all listeners.
#[tokio::test(flavor = "multi_thread")]
async fn other_databases_indexes_and_prepared_transactions_delay_nothing() {
    let server = Server::start(false);
    let db = connect_to(&server.url("postgres")).await.unwrap();
    for name in ["films", "elsewhere"] {
        db.execute_unprepared(&format!("CREATE DATABASE {name}")).await.unwrap();
    }
    let url = server.url("films");
    let db = connect_to(&url).await.unwrap();
    migration::up(&db, None).await.unwrap();
    db.execute_unprepared("INSERT INTO movies (title, duration) VALUES ('Сталкер', 162)").await.unwrap();
    db.execute_unprepared(
        "INSERT INTO users (username, email, password, fio, birthday)
         VALUES ('anna', 'anna@mail.example', '!', 'Анна Орлова', '1990-05-01')",
    )
    .await
    .unwrap();
    let instance = Instance::start(&url).await;
    let mut listener = instance.listen(ADDED, json!({}));
    let elsewhere = connect_to(&server.url("elsewhere")).await.unwrap();
    elsewhere.execute_unprepared("BEGIN; CREATE TABLE t (i int)").await.unwrap();
    add_and_receive(&db, &mut listener, "рядом с другой базой").await;

    let prepared = connect_to(&url).await.unwrap();
    prepared.execute_unprepared("BEGIN").await.unwrap();
    say(&prepared, 1, "подготовленный").await;
    prepared.execute_unprepared("PREPARE TRANSACTION 'one'").await.unwrap();
    add_and_receive(&db, &mut listener, "рядом с подготовленной").await;

    // It waits for the transaction that writes the table.
    let writer = connect_to(&url).await.unwrap();
    writer.execute_unprepared("BEGIN; UPDATE movies SET budget = 1").await.unwrap();
    let building = connect_to(&url).await.unwrap();
    let build = tokio::spawn(async move {
        building.execute_unprepared("CREATE INDEX CONCURRENTLY movies_budget_idx ON movies (budget)").await
    });
    let waits = "SELECT count(*)::text FROM pg_stat_progress_create_index WHERE phase LIKE 'waiting%'";
    let begun = tokio::time::Instant::now();
    while read(&db, waits).await == "0" {
        assert!(begun.elapsed() < PATIENCE, "the index creation does not start");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    add_and_receive(&db, &mut listener, "рядом с индексом").await;
    writer.execute_unprepared("COMMIT").await.unwrap();
    db.execute_unprepared("COMMIT PREPARED 'one'").await.unwrap();
    assert_eq!(listener.texts(1).await, ["подготовленный"]);
    tokio::time::timeout(PATIENCE, build).await.unwrap().unwrap().unwrap();
    instance.stop().await;
}

/// With several sequencers, one of which loses its connection, each comment has one position.
#[tokio::test(flavor = "multi_thread")]
async fn any_number_of_sequencers_assign_each_comment_one_position() {
    let (database, db) = database(Backend::Postgres).await;
    let instance = Instance::start(&database.url).await;
    let mut listener = instance.listen(ADDED, json!({}));
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let mut sequencers = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let (stop, sequencer) = (std::sync::Arc::clone(&stop), database.connect().await);
        sequencers.spawn(async move {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                sequencer.execute_unprepared("SELECT comment_feed_tick()").await.unwrap();
            }
        });
    }
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..4 {
        let db = database.connect().await;
        writers.spawn(async move {
            for number in 0..50 {
                db.execute_unprepared("BEGIN").await.unwrap();
                say(&db, 1, &format!("{writer} {number} а")).await;
                say(&db, 1, &format!("{writer} {number} б")).await;
                db.execute_unprepared(if number % 10 == 9 { "ROLLBACK" } else { "COMMIT" }).await.unwrap();
            }
        });
    }
    writers.join_all().await;
    let heard = listener.texts(360).await;
    assert!(listener.is_silent().await);
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    sequencers.join_all().await;
    let distinct: std::collections::HashSet<_> = heard.iter().collect();
    assert_eq!(distinct.len(), 360);
    let pairs = heard.chunks(2).filter(|pair| pair[0].replace('а', "") == pair[1].replace('б', "")).count();
    assert_eq!(pairs, 180, "a transaction must be delivered together");
    assert_eq!(crate::order::ticked(&db).await, heard, "and in the order of the table");
}

/// A tick is a separate statement: in a transaction, its commit would depend on the rest.
#[tokio::test(flavor = "multi_thread")]
async fn a_tick_is_refused_in_a_transaction_that_writes() {
    let (_database, db) = database(Backend::Postgres).await;
    for begin in [
        "BEGIN; UPDATE movies SET budget = 1; INSERT INTO comments (comment, movie_id) VALUES ('x', 1)",
        "BEGIN ISOLATION LEVEL REPEATABLE READ",
    ] {
        say(&db, 1, "раз").await;
        db.execute_unprepared(begin).await.unwrap();
        let refused = db.execute_unprepared("SELECT comment_feed_tick()").await.unwrap_err().to_string();
        assert!(refused.contains("must be a statement of its own"), "{refused}");
        db.execute_unprepared("ROLLBACK").await.unwrap();
    }
}

/// Rows removed by hand: listeners get no other events instead.
#[tokio::test(flavor = "multi_thread")]
async fn events_removed_by_hand_are_not_delivered_and_nothing_else_is_lost() {
    let (database, db) = database(Backend::Postgres).await;
    let instance = Instance::start(&database.url).await;
    let mut listener = instance.listen(ADDED, json!({}));
    let mut cursors = Vec::new();
    for text in ["а", "б", "в", "г"] {
        cursors.push(add_and_receive(&db, &mut listener, text).await);
    }
    db.execute_unprepared("DELETE FROM comment_events WHERE comment_id IN (2, 4)").await.unwrap();
    let other = Instance::start(&database.url).await;
    assert_eq!(other.listen(ADDED, json!({ "after": cursors[0] })).texts(1).await, ["в"]);
    assert!(other.listen(ADDED, json!({ "after": cursors[3] })).is_silent().await, "its tick exists");
    db.execute_unprepared("TRUNCATE comment_events").await.unwrap();
    let mut back = other.listen(ADDED, json!({ "after": cursors[0] }));
    add_and_receive(&db, &mut listener, "д").await;
    let third = Instance::start(&database.url).await;
    let mut empty = third.listen(ADDED, json!({ "after": cursors[2] }));
    assert_eq!((empty.texts(1).await, back.event().await["comment"].is_object()), (vec!["д".to_owned()], true));
    // A tick in between is missing: its events can neither be delivered nor skipped.
    db.execute_unprepared("DELETE FROM comment_ticks WHERE tick = 3").await.unwrap();
    let fourth = Instance::start(&database.url).await;
    assert_eq!(fourth.listen(ADDED, json!({ "after": cursors[0] })).refusal().await, ["CURSOR_EXPIRED"]);
    let mut kept = fourth.listen(ADDED, json!({ "after": cursors[3] }));
    assert_eq!(kept.texts(1).await, ["д"]);
    // All ticks are missing: numbers start again, and old cursors must not match new ticks.
    db.execute_unprepared("TRUNCATE comment_ticks").await.unwrap();
    assert_eq!(listener.refusal().await, ["CURSOR_EXPIRED"]);
    assert_eq!(kept.refusal().await, ["CURSOR_EXPIRED"]);
    let mut anew = fourth.listen(ADDED, json!({}));
    add_and_receive(&db, &mut anew, "е").await;
    assert_eq!(fourth.listen(ADDED, json!({ "after": cursors[0] })).refusal().await, ["CURSOR_EXPIRED"]);
}

/// Ticks inserted by others, such as a restore, are skipped.
#[tokio::test(flavor = "multi_thread")]
async fn only_the_function_creates_ticks() {
    let (_database, db) = database(Backend::Postgres).await;
    db.execute_unprepared(
        "INSERT INTO comment_ticks (tick, mark, from_xact, snapshot, late) VALUES (7, 7, '3', '900000:900000:', '{}')",
    )
    .await
    .unwrap();
    assert_eq!(read(&db, "SELECT count(*)::text FROM comment_ticks").await, "0");
}

/// Ticks of another feed have numbers that this database has not assigned yet.
#[tokio::test(flavor = "multi_thread")]
async fn ticks_of_another_database_start_an_epoch() {
    let (database, db) = database(Backend::Postgres).await;
    let first = Instance::start(&database.url).await;
    let mut listener = first.listen(ADDED, json!({}));
    let cursor = add_and_receive(&db, &mut listener, "раз").await;
    first.stop().await;
    db.execute_unprepared("UPDATE comment_ticks SET snapshot = '900000:900000:'").await.unwrap();
    let instance = Instance::start(&database.url).await;
    assert_eq!(read(&db, "SELECT count(*)::text FROM comment_ticks").await, "0");
    assert_eq!(instance.listen(ADDED, json!({ "after": cursor })).refusal().await, ["CURSOR_EXPIRED"]);
    let mut anew = instance.listen(ADDED, json!({}));
    add_and_receive(&db, &mut anew, "два").await;
}

/// Events are removed by ticks, in bounded transactions, without late ones.
#[tokio::test(flavor = "multi_thread")]
async fn old_ticks_are_removed_with_their_events() {
    let (database, db) = database(Backend::Postgres).await;
    let instance = Instance::start(&database.url).await;
    let mut listener = instance.listen(ADDED, json!({}));
    let slow = database.connect().await;
    slow.execute_unprepared("BEGIN").await.unwrap();
    say(&slow, 1, "поздний").await;
    let many = "INSERT INTO comments (comment, movie_id) SELECT 'c' || i, 2 FROM generate_series(1, 2500) AS i";
    db.execute_unprepared(many).await.unwrap();
    let cursor = last_event(&mut listener, 2_500).await;
    db.execute_unprepared("UPDATE comment_ticks SET at = at - interval '2 hours'").await.unwrap();
    slow.execute_unprepared("COMMIT").await.unwrap();
    assert_eq!(listener.texts(1).await, ["поздний"]);
    let mut removed = Vec::new();
    loop {
        match remove_old_events(&instance.db, std::time::Duration::from_secs(3_600)).await.unwrap() {
            0 => break,
            number => removed.push(number),
        }
    }
    assert_eq!(removed, [1_000, 1_000, 500]);
    assert_eq!(read(&db, "SELECT string_agg(comment_id::text, ' ') FROM comment_events").await, "1");
    let other = Instance::start(&database.url).await;
    for instance in [&instance, &other] {
        assert_eq!(instance.listen(ADDED, json!({ "after": cursor })).texts(1).await, ["поздний"]);
    }
    add_and_receive(&db, &mut listener, "конец").await;
}

async fn last_event(listener: &mut Listener, count: usize) -> Value {
    listener.texts(count - 1).await;
    listener.event().await["cursor"].clone()
}

/// As after a failover to a server that accepts no writes yet: committed comments arrive with the next tick.
#[tokio::test(flavor = "multi_thread")]
async fn a_feed_waits_for_a_database_that_returns_read_only() {
    let (database, db) = database(Backend::Postgres).await;
    let instance = Instance::start(&database.url).await;
    let mut listener = instance.listen(ADDED, json!({}));
    add_and_receive(&db, &mut listener, "раз").await;
    let name = read(&db, "SELECT current_database()::text").await;
    let reconnect = "SELECT count(pg_terminate_backend(pid))::text FROM pg_stat_activity
        WHERE datname = current_database() AND application_name = 'kinoteka feed'";
    db.execute_unprepared(&format!("ALTER DATABASE \"{name}\" SET default_transaction_read_only = on")).await.unwrap();
    read(&db, reconnect).await;
    say(&db, 1, "два").await;
    assert!(listener.is_silent().await);
    assert_eq!(read(&db, "SELECT max(tick)::text FROM comment_ticks").await, "1");
    db.execute_unprepared(&format!("ALTER DATABASE \"{name}\" RESET default_transaction_read_only")).await.unwrap();
    read(&db, reconnect).await;
    assert_eq!(listener.texts(1).await, ["два"]);
}

/// Operators may set a stricter isolation for a database or a role.
#[tokio::test(flavor = "multi_thread")]
async fn the_default_isolation_level_does_not_matter() {
    let (database, db) = database(Backend::Postgres).await;
    let name = read(&db, "SELECT current_database()::text").await;
    for isolation in ["repeatable read", "serializable"] {
        let set = format!("ALTER DATABASE \"{name}\" SET default_transaction_isolation = '{isolation}'");
        db.execute_unprepared(&set).await.unwrap();
        let instance = Instance::start(&database.url).await;
        let mut listener = instance.listen(ADDED, json!({}));
        add_and_receive(&db, &mut listener, "раз").await;
    }
}

/// Frozen or killed instances hold no lock, so another one continues.
#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_instance_blocks_nothing() {
    let (database, db) = database(Backend::Postgres).await;
    let frozen = crate::node::Node::start(&database.url);
    let instance = Instance::start(&database.url).await;
    let mut listener = instance.listen(ADDED, json!({}));
    for round in 0..20 {
        say(&db, 1, "x").await;
        frozen.signal("STOP");
        say(&db, 1, "y").await;
        assert_eq!(listener.texts(2).await, ["x", "y"], "{round}");
        frozen.signal("CONT");
    }
}

/// No position depends on a clock.
#[tokio::test(flavor = "multi_thread")]
async fn setting_the_clock_does_not_change_the_order() {
    let (database, db) = database(Backend::Postgres).await;
    let instance = Instance::start(&database.url).await;
    let mut listener = instance.listen(ADDED, json!({}));
    let first = add_and_receive(&db, &mut listener, "а").await;
    db.execute_unprepared("UPDATE comment_ticks SET at = at + interval '1 day'").await.unwrap();
    add_and_receive(&db, &mut listener, "б").await;
    db.execute_unprepared(
        "UPDATE comment_events SET at = at - interval '3 days' WHERE comment_id = 2;
         UPDATE comment_ticks SET at = at - interval '3 days' WHERE tick = 2",
    )
    .await
    .unwrap();
    add_and_receive(&db, &mut listener, "в").await;
    assert_eq!(remove_old_events(&instance.db, std::time::Duration::from_secs(3_600)).await.unwrap(), 0);
    let other = Instance::start(&database.url).await;
    assert_eq!(other.listen(ADDED, json!({ "after": first })).texts(2).await, ["б", "в"]);
}
