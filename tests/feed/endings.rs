//! Subscriptions that cannot continue: clients get an error or must reconnect.

use std::time::Duration;

use kinoteka::feed::{FeedCursor, Stamp, remove_old_events};
use kinoteka::subscribe::End;
use sea_orm::ConnectionTrait;
use serde_json::json;

use crate::instance::{Instance, database, say};
use crate::listening::ADDED;
use crate::support::database::Backend;

on_both![
    cursors_of_removed_events_expire,
    cursors_of_another_epoch_expire,
    a_lost_event_ends_listeners_that_have_seen_it,
    a_stopping_server_makes_its_listeners_reconnect,
];

async fn cursors_of_removed_events_expire(backend: Backend) {
    let (database, db) = database(backend).await;
    let instance = Instance::start(&database.url).await;
    let mut listener = instance.listen(ADDED, json!({}));
    let mut cursors = Vec::new();
    for text in ["а", "б", "в", "г"] {
        say(&db, 1, text).await;
        cursors.push(listener.event().await["cursor"].clone());
    }
    // The first two become old. The third is older than the second, but after it in the feed.
    let old = match backend {
        Backend::Postgres => {
            "UPDATE comment_ticks SET at = at - interval '2 hours' WHERE tick IN (1, 2, 4);
             UPDATE comment_events SET at = at - interval '2 hours' WHERE comment_id IN (1, 2, 4)"
        }
        Backend::Sqlite => {
            "UPDATE comment_events SET at = replace(strftime('%Y-%m-%dT%H:%M:%f+00:00', at, '-2 hours'), '.000+', '+')
             WHERE comment_id IN (1, 2, 4)"
        }
    };
    db.execute_unprepared(old).await.unwrap();
    assert_eq!(remove_old_events(&instance.db, Duration::from_secs(3_600)).await.unwrap(), 2);
    assert_eq!(remove_old_events(&instance.db, Duration::from_secs(3_600)).await.unwrap(), 0);
    // Another instance, without these events in memory.
    let fresh = Instance::start(&database.url).await;
    let position = fresh.ask("{ commentCursor }").await["commentCursor"].clone();
    let mut expired = fresh.listen(ADDED, json!({ "after": cursors[0] }));
    assert_eq!(expired.refusal().await, ["CURSOR_EXPIRED"]);
    let mut floor = FeedCursor::parse(cursors[1].as_str().unwrap()).unwrap();
    if let Stamp::At(at_us) = floor.mark.stamp {
        // The cursor has the time from before.
        floor.mark.stamp = Stamp::At(at_us - 7_200_000_000);
    }
    let floor = floor.text();
    let mut after_floor = fresh.listen(ADDED, json!({ "after": floor }));
    assert_eq!(after_floor.texts(2).await, ["в", "г"]);
    let mut kept = fresh.listen(ADDED, json!({ "after": cursors[2] }));
    assert_eq!(kept.texts(1).await, ["г"]);
    // A cursor older than the instance's events is refused.
    let mut new = fresh.listen(ADDED, json!({ "after": position }));
    say(&db, 1, "д").await;
    assert_eq!(new.texts(1).await, ["д"]);
}

async fn cursors_of_another_epoch_expire(backend: Backend) {
    let (database, db) = database(backend).await;
    let instance = Instance::start(&database.url).await;
    let mut listener = instance.listen(ADDED, json!({}));
    say(&db, 1, "раз").await;
    let cursor = listener.event().await["cursor"].clone();
    db.execute_unprepared("UPDATE comment_feed SET epoch = 'abcdefabcdef'").await.unwrap();
    assert_eq!(listener.refusal().await, ["CURSOR_EXPIRED"]);
    assert_eq!(instance.listen(ADDED, json!({ "after": cursor })).refusal().await, ["CURSOR_EXPIRED"]);
    let mut anew = instance.listen(ADDED, json!({}));
    say(&db, 1, "два").await;
    assert_eq!(anew.texts(1).await, ["два"]);
}

/// As after a failover to a replica without the last transactions, or a restore of an older backup:
/// other events get the positions of the lost ones.
async fn a_lost_event_ends_listeners_that_have_seen_it(backend: Backend) {
    let (database, db) = database(backend).await;
    let instance = Instance::start(&database.url).await;
    let mut listener = instance.listen(ADDED, json!({}));
    let mut cursors = Vec::new();
    for text in ["раз", "два"] {
        say(&db, 1, text).await;
        cursors.push(listener.event().await["cursor"].clone());
    }
    let lose = match backend {
        Backend::Postgres => "UPDATE comment_ticks SET mark = mark + 1 WHERE tick = 2",
        Backend::Sqlite => {
            "UPDATE comment_events SET at = strftime('%Y-%m-%dT%H:%M:%S.123+00:00', at, '+3 seconds') WHERE comment_id = 2"
        }
    };
    db.execute_unprepared(lose).await.unwrap();
    assert_eq!(listener.refusal().await, ["CURSOR_EXPIRED"]);
    assert_eq!(instance.listen(ADDED, json!({ "after": cursors[1] })).refusal().await, ["CURSOR_EXPIRED"]);
    // Listeners that had not seen it continue.
    let mut earlier = instance.listen(ADDED, json!({ "after": cursors[0] }));
    assert_eq!(earlier.texts(1).await, ["два"]);
    let lose = match backend {
        Backend::Postgres => "DELETE FROM comment_ticks WHERE tick = 2",
        Backend::Sqlite => "DELETE FROM comment_events WHERE comment_id = 2",
    };
    db.execute_unprepared(lose).await.unwrap();
    assert_eq!(earlier.refusal().await, ["CURSOR_EXPIRED"]);
}

async fn a_stopping_server_makes_its_listeners_reconnect(backend: Backend) {
    let (database, _db) = database(backend).await;
    let instance = Instance::start(&database.url).await;
    let mut listener = instance.listen(ADDED, json!({}));
    assert!(listener.is_silent().await);
    instance.feed.hub.stop();
    assert!(matches!(listener.step().await, Err(End::Stopping)));
    assert!(matches!(instance.listen(ADDED, json!({})).step().await, Err(End::Stopping)));
}
