//! Transactions that fail only because of others are run again, and not for ever.

use entity::comments;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter};
use serde_json::json;

use crate::app::TestApp;
use crate::movie::global_id;
use crate::support::database::Backend;

/// Where a mutation fails.
#[derive(Clone, Copy, Debug)]
enum Place {
    Insert,
    /// After all of its statements.
    Commit,
    /// At the idempotency key, which the statement of a comment writes along with it.
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

/// Lets PostgreSQL fail the first `times` insertions from now on, as it does where two transactions meet. A sequence counts
/// on though its transaction is rolled back.
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
async fn what_met_another_transaction_is_tried_again() {
    let app = TestApp::seeded(Backend::Postgres).await;
    let user = app.sign_in("somebody", "member").await;
    let input = json!({ "subjectId": global_id("Movie", 1), "text": "Раз" });
    let db = app.sql().await;
    let rows = || comments::Entity::find().filter(comments::Column::UserId.eq(user.id));
    // Not serializable, and a deadlock.
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
        // Those who have had no luck five times are told to come back, and have changed nothing.
        fail(&app, place, code, 5).await;
        let given_up = send(&format!("{key}b")).await;
        assert_eq!(given_up.errors(), ["UNAVAILABLE other requests are changing the same data; try again"]);
        assert_eq!(rows().count(&db).await.unwrap(), before + 2, "{place:?}");
        let again = send(&format!("{key}b")).await.data();
        assert!(again["it"]["comment"]["id"].is_string(), "{again}");
        assert_eq!(send(&key).await.data(), kept);
        assert_eq!(rows().count(&db).await.unwrap(), before + 3, "{place:?}");
    }
    // What would fail again is not tried again.
    for (place, key) in [(Place::Insert, "i"), (Place::Commit, "c"), (Place::Key, "k")] {
        let before = rows().count(&db).await.unwrap();
        fail(&app, place, "22000", 1).await;
        let failed = user.send_keyed(key, "addComment", input.clone(), "").await.errors();
        assert!(failed[0].starts_with("INTERNAL "), "{place:?}: {failed:?}");
        // Nothing is left of a statement that failed in the middle.
        assert_eq!(rows().count(&db).await.unwrap(), before, "{place:?}");
        user.send_keyed(key, "addComment", input.clone(), "comment { id }").await.data();
        assert_eq!(rows().count(&db).await.unwrap(), before + 1, "{place:?}");
    }
    // A constraint is for the transaction to explain, which may not even meet it.
    fail(&app, Place::Key, "23505", 1).await;
    let before = rows().count(&db).await.unwrap();
    let done = user.send_keyed("once", "addComment", input.clone(), "comment { id }").await.data();
    let again = user.send_keyed("once", "addComment", input, "comment { id }").await.data();
    assert_eq!((&done, rows().count(&db).await.unwrap()), (&again, before + 1));
}
