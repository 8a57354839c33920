//! The order of ticks: an open transaction holds back its own comments alone, and a place once given stays.

use kinoteka::feed::remove_old_events;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};
use serde_json::{Value, json};

use crate::instance::{Instance, Listener, PATIENCE, database, say};
use crate::listening::ADDED;
use crate::support::database::{Backend, connect_to};
use crate::support::postgres::Server;

/// Adds a comment and sees it told.
async fn told(db: &DatabaseConnection, listener: &mut Listener, text: &str) -> Value {
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
async fn an_open_transaction_holds_back_its_own_comments_alone() {
    let (database, db) = database(Backend::Postgres).await;
    let (one, other) = (Instance::start(&database.url).await, Instance::start(&database.url).await);
    let mut listeners = [one.listen(ADDED, json!({})), other.listen(ADDED, json!({}))];
    let slow = database.connect().await;
    slow.execute_unprepared("BEGIN; UPDATE movies SET budget = 1 WHERE id = 2").await.unwrap();
    told(&db, &mut listeners[0], "рядом с чужой записью").await;
    say(&slow, 1, "поздний").await;
    let before = told(&db, &mut listeners[0], "рядом с комментарием").await;
    let lost = database.connect().await;
    lost.execute_unprepared("BEGIN").await.unwrap();
    say(&lost, 1, "никогда").await;
    told(&db, &mut listeners[0], "ещё один").await;
    lost.execute_unprepared("ROLLBACK").await.unwrap();
    slow.execute_unprepared("COMMIT").await.unwrap();
    assert_eq!(listeners[0].texts(1).await, ["поздний"]);
    told(&db, &mut listeners[0], "конец").await;
    let all = ["рядом с чужой записью", "рядом с комментарием", "ещё один", "поздний", "конец"];
    assert_eq!(listeners[1].texts(5).await, all);
    // The late one stands where it was told, also for those who come back, and in the table.
    let third = Instance::start(&database.url).await;
    for instance in [&one, &third] {
        assert_eq!(instance.listen(ADDED, json!({ "after": before })).texts(3).await, all[2..]);
    }
}

/// What runs for long elsewhere in the cluster, and used to silence everybody.
#[tokio::test(flavor = "multi_thread")]
async fn other_databases_indexes_and_prepared_transactions_hold_nothing_back() {
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
    told(&db, &mut listener, "рядом с другой базой").await;

    let prepared = connect_to(&url).await.unwrap();
    prepared.execute_unprepared("BEGIN").await.unwrap();
    say(&prepared, 1, "подготовленный").await;
    prepared.execute_unprepared("PREPARE TRANSACTION 'one'").await.unwrap();
    told(&db, &mut listener, "рядом с подготовленной").await;

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
        assert!(begun.elapsed() < PATIENCE, "the index is not begun");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    told(&db, &mut listener, "рядом с индексом").await;
    writer.execute_unprepared("COMMIT").await.unwrap();
    db.execute_unprepared("COMMIT PREPARED 'one'").await.unwrap();
    assert_eq!(listener.texts(1).await, ["подготовленный"]);
    tokio::time::timeout(PATIENCE, build).await.unwrap().unwrap().unwrap();
    instance.stop().await;
}

/// Several sequencers, and one whose connection is lost in the middle: each comment has one place.
#[tokio::test(flavor = "multi_thread")]
async fn any_number_of_sequencers_give_each_comment_one_place() {
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
    assert_eq!(pairs, 180, "a transaction is told together");
    assert_eq!(crate::order::ticked(&db).await, heard, "and in the order of the table");
}

/// A tick is a statement of its own: in a transaction it would be committed with what else that does, or not at all.
#[tokio::test(flavor = "multi_thread")]
async fn a_tick_is_no_part_of_a_transaction_that_writes() {
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

/// What is removed or truncated by hand: nobody is told something else in its place.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_removed_by_hand_is_not_told_and_nothing_else_is_lost() {
    let (database, db) = database(Backend::Postgres).await;
    let instance = Instance::start(&database.url).await;
    let mut listener = instance.listen(ADDED, json!({}));
    let mut cursors = Vec::new();
    for text in ["а", "б", "в", "г"] {
        cursors.push(told(&db, &mut listener, text).await);
    }
    db.execute_unprepared("DELETE FROM comment_events WHERE comment_id IN (2, 4)").await.unwrap();
    let other = Instance::start(&database.url).await;
    assert_eq!(other.listen(ADDED, json!({ "after": cursors[0] })).texts(1).await, ["в"]);
    assert!(other.listen(ADDED, json!({ "after": cursors[3] })).is_silent().await, "its tick is there");
    db.execute_unprepared("TRUNCATE comment_events").await.unwrap();
    let mut back = other.listen(ADDED, json!({ "after": cursors[0] }));
    told(&db, &mut listener, "д").await;
    let third = Instance::start(&database.url).await;
    let mut empty = third.listen(ADDED, json!({ "after": cursors[2] }));
    assert_eq!((empty.texts(1).await, back.event().await["comment"].is_object()), (vec!["д".to_owned()], true));
    // A tick in between is missing: what was told by it cannot be told any more, nor be passed over.
    db.execute_unprepared("DELETE FROM comment_ticks WHERE tick = 3").await.unwrap();
    let fourth = Instance::start(&database.url).await;
    assert_eq!(fourth.listen(ADDED, json!({ "after": cursors[0] })).refusal().await, ["CURSOR_EXPIRED"]);
    let mut kept = fourth.listen(ADDED, json!({ "after": cursors[3] }));
    assert_eq!(kept.texts(1).await, ["д"]);
    // All ticks: numbers begin anew, and no cursor is taken for one of them.
    db.execute_unprepared("TRUNCATE comment_ticks").await.unwrap();
    assert_eq!(listener.refusal().await, ["CURSOR_EXPIRED"]);
    assert_eq!(kept.refusal().await, ["CURSOR_EXPIRED"]);
    let mut anew = fourth.listen(ADDED, json!({}));
    told(&db, &mut anew, "е").await;
    assert_eq!(fourth.listen(ADDED, json!({ "after": cursors[0] })).refusal().await, ["CURSOR_EXPIRED"]);
}

/// Ticks that somebody else inserts, as a restore does, are passed over.
#[tokio::test(flavor = "multi_thread")]
async fn only_the_function_makes_ticks() {
    let (_database, db) = database(Backend::Postgres).await;
    db.execute_unprepared(
        "INSERT INTO comment_ticks (tick, mark, from_xact, snapshot, late) VALUES (7, 7, '3', '900000:900000:', '{}')",
    )
    .await
    .unwrap();
    assert_eq!(read(&db, "SELECT count(*)::text FROM comment_ticks").await, "0");
}

/// As from an instance of another feed: ticks have numbers that this database has yet to give out.
#[tokio::test(flavor = "multi_thread")]
async fn ticks_of_another_database_begin_an_epoch() {
    let (database, db) = database(Backend::Postgres).await;
    let first = Instance::start(&database.url).await;
    let mut listener = first.listen(ADDED, json!({}));
    let cursor = told(&db, &mut listener, "раз").await;
    first.stop().await;
    db.execute_unprepared("UPDATE comment_ticks SET snapshot = '900000:900000:'").await.unwrap();
    let instance = Instance::start(&database.url).await;
    assert_eq!(read(&db, "SELECT count(*)::text FROM comment_ticks").await, "0");
    assert_eq!(instance.listen(ADDED, json!({ "after": cursor })).refusal().await, ["CURSOR_EXPIRED"]);
    let mut anew = instance.listen(ADDED, json!({}));
    told(&db, &mut anew, "два").await;
}

/// Removal goes by ticks, in bounded transactions, and leaves what came late.
#[tokio::test(flavor = "multi_thread")]
async fn old_ticks_go_with_their_events() {
    let (database, db) = database(Backend::Postgres).await;
    let instance = Instance::start(&database.url).await;
    let mut listener = instance.listen(ADDED, json!({}));
    let slow = database.connect().await;
    slow.execute_unprepared("BEGIN").await.unwrap();
    say(&slow, 1, "поздний").await;
    let many = "INSERT INTO comments (comment, movie_id) SELECT 'c' || i, 2 FROM generate_series(1, 2500) AS i";
    db.execute_unprepared(many).await.unwrap();
    let cursor = told_last(&mut listener, 2_500).await;
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
    told(&db, &mut listener, "конец").await;
}

async fn told_last(listener: &mut Listener, count: usize) -> Value {
    listener.texts(count - 1).await;
    listener.event().await["cursor"].clone()
}

/// As after a failover to a server that takes no writes yet: what was committed comes when a tick can be made.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_comes_back_read_only_is_waited_for() {
    let (database, db) = database(Backend::Postgres).await;
    let instance = Instance::start(&database.url).await;
    let mut listener = instance.listen(ADDED, json!({}));
    told(&db, &mut listener, "раз").await;
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
async fn the_isolation_of_a_database_does_not_matter() {
    let (database, db) = database(Backend::Postgres).await;
    let name = read(&db, "SELECT current_database()::text").await;
    for isolation in ["repeatable read", "serializable"] {
        let set = format!("ALTER DATABASE \"{name}\" SET default_transaction_isolation = '{isolation}'");
        db.execute_unprepared(&set).await.unwrap();
        let instance = Instance::start(&database.url).await;
        let mut listener = instance.listen(ADDED, json!({}));
        told(&db, &mut listener, "раз").await;
    }
}

/// Two instances frozen or killed at any moment hold no lock: another goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_instance_holds_nothing_up() {
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

/// No place rests on a clock.
#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_set_changes_no_order() {
    let (database, db) = database(Backend::Postgres).await;
    let instance = Instance::start(&database.url).await;
    let mut listener = instance.listen(ADDED, json!({}));
    let first = told(&db, &mut listener, "а").await;
    db.execute_unprepared("UPDATE comment_ticks SET at = at + interval '1 day'").await.unwrap();
    told(&db, &mut listener, "б").await;
    db.execute_unprepared(
        "UPDATE comment_events SET at = at - interval '3 days' WHERE comment_id = 2;
         UPDATE comment_ticks SET at = at - interval '3 days' WHERE tick = 2",
    )
    .await
    .unwrap();
    told(&db, &mut listener, "в").await;
    assert_eq!(remove_old_events(&instance.db, std::time::Duration::from_secs(3_600)).await.unwrap(), 0);
    let other = Instance::start(&database.url).await;
    assert_eq!(other.listen(ADDED, json!({ "after": first })).texts(2).await, ["б", "в"]);
}
