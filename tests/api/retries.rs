//! Transactions that fail because of concurrent ones are retried a limited number of times.

use entity::comments;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter};
use serde_json::json;

use crate::app::TestApp;
use crate::movie::global_id;
use crate::support::database::Backend;

/// The point at which a mutation fails.
#[derive(Clone, Copy, Debug)]
enum Place {
    Insert,
    /// After all of its statements.
    Commit,
    /// At the idempotency key, which is written by the same statement as a comment.
    Key,
}

impl Place {
    fn trigger(self) -> &'static str {
        match self {
            Self::Insert => "TRIGGER fail BEFORE INSERT ON comments",
            Self::Commit => "CONSTRAINT TRIGGER fail AFTER INSERT ON comments DEFERRABLE INITIALLY DEFERRED",
            Self::Key => "TRIGGER fail BEFORE INSERT ON idempotency_keys",
        }
    }
}

/// Makes PostgreSQL fail the next `times` insertions, as for conflicting transactions. A sequence counts them, since a
/// rollback does not reset it.
async fn fail(app: &TestApp, place: Place, code: &str, times: u32) {
    let trigger = place.trigger();
    let sql = format!(
        "DROP SEQUENCE IF EXISTS tries CASCADE; CREATE SEQUENCE tries;
         CREATE OR REPLACE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
           IF nextval('tries') <= {times} THEN RAISE EXCEPTION 'another one was here' USING ERRCODE = '{code}'; END IF;
           RETURN NEW; END $$;
         DROP TRIGGER IF EXISTS fail ON comments; DROP TRIGGER IF EXISTS fail ON idempotency_keys;
         CREATE {trigger} FOR EACH ROW EXECUTE FUNCTION fail()"
    );
    app.sql().await.execute_unprepared(&sql).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn conflicting_transactions_are_retried() {
    let app = TestApp::seeded(Backend::Postgres).await;
    let user = app.sign_in("somebody", "member").await;
    let input = json!({ "subjectId": global_id("Movie", 1), "text": "Раз" });
    let db = app.sql().await;
    let rows = || comments::Entity::find().filter(comments::Column::UserId.eq(user.id));
    // A serialization failure, and a deadlock.
    let cases = [(Place::Insert, "40001"), (Place::Insert, "40P01"), (Place::Commit, "40001"), (Place::Key, "40001")];
    for (number, (place, code)) in cases.into_iter().enumerate() {
        let before = rows().count(&db).await.unwrap();
        let send = async |key: &str| user.send_keyed(key, "addComment", input.clone(), "comment { id }").await;
        fail(&app, place, code, 4).await;
        user.done("addComment", input.clone(), "comment { id }").await;
        let key = format!("k{number}");
        fail(&app, place, code, 4).await;
        let kept = send(&key).await.data();
        assert!(kept["it"]["comment"]["id"].is_string(), "{kept}");
        assert_eq!(rows().count(&db).await.unwrap(), before + 2);
        // After five failures, the client is told to try again, and nothing is changed.
        fail(&app, place, code, 5).await;
        let given_up = send(&format!("{key}b")).await;
        assert_eq!(given_up.errors(), ["UNAVAILABLE other requests are changing the same data; try again"]);
        assert_eq!(rows().count(&db).await.unwrap(), before + 2, "{place:?}");
        let again = send(&format!("{key}b")).await.data();
        assert!(again["it"]["comment"]["id"].is_string(), "{again}");
        assert_eq!(send(&key).await.data(), kept);
        assert_eq!(rows().count(&db).await.unwrap(), before + 3, "{place:?}");
    }
    // Permanent failures are not retried.
    for (place, key) in [(Place::Insert, "i"), (Place::Commit, "c"), (Place::Key, "k")] {
        let before = rows().count(&db).await.unwrap();
        fail(&app, place, "22000", 1).await;
        let failed = user.send_keyed(key, "addComment", input.clone(), "").await.errors();
        assert!(failed[0].starts_with("INTERNAL "), "{place:?}: {failed:?}");
        // A statement that failed halfway has changed nothing.
        assert_eq!(rows().count(&db).await.unwrap(), before, "{place:?}");
        user.send_keyed(key, "addComment", input.clone(), "comment { id }").await.data();
        assert_eq!(rows().count(&db).await.unwrap(), before + 1, "{place:?}");
    }
    // The transaction explains a violated constraint, if it violates it at all.
    fail(&app, Place::Key, "23505", 1).await;
    let before = rows().count(&db).await.unwrap();
    let done = user.send_keyed("once", "addComment", input.clone(), "comment { id }").await.data();
    let again = user.send_keyed("once", "addComment", input, "comment { id }").await.data();
    assert_eq!((&done, rows().count(&db).await.unwrap()), (&again, before + 1));
}
