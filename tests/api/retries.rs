//! Transactions that fail only because of others are run again, and not for ever.

use entity::comments;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter};
use serde_json::json;

use crate::app::TestApp;
use crate::movie::global_id;
use crate::support::database::Backend;

/// Lets PostgreSQL fail the first `times` insertions of comments from now on, as it does where two
/// transactions meet. A sequence counts on though its transaction is rolled back.
async fn fail(app: &TestApp, code: &str, times: u32) {
    let sql = format!(
        "DROP SEQUENCE IF EXISTS tries CASCADE; CREATE SEQUENCE tries;
         CREATE OR REPLACE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
           IF nextval('tries') <= {times} THEN RAISE EXCEPTION 'another one was here' USING ERRCODE = '{code}'; END IF;
           RETURN NEW; END $$;
         CREATE OR REPLACE TRIGGER fail BEFORE INSERT ON comments FOR EACH ROW EXECUTE FUNCTION fail()"
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
    for (number, code) in ["40001", "40P01"].into_iter().enumerate() {
        let before = rows().count(&db).await.unwrap();
        fail(&app, code, 4).await;
        user.done("addComment", input.clone(), "comment { id }").await;
        let key = format!("k{number}");
        fail(&app, code, 4).await;
        let kept = user.send_keyed(&key, "addComment", input.clone(), "comment { id }").await.data();
        assert!(kept["it"]["comment"]["id"].is_string(), "{kept}");
        assert_eq!(rows().count(&db).await.unwrap(), before + 2);
        // Those who have had no luck five times are told to come back, and have changed nothing.
        fail(&app, code, 5).await;
        let given_up = user.send_keyed(&format!("{key}b"), "addComment", input.clone(), "").await;
        assert_eq!(given_up.errors(), ["UNAVAILABLE others change the same at this moment; try again"]);
        assert_eq!(rows().count(&db).await.unwrap(), before + 2);
        let again = user.send_keyed(&format!("{key}b"), "addComment", input.clone(), "comment { id }").await.data();
        assert!(again["it"]["comment"]["id"].is_string(), "{again}");
    }
    // What would fail again is not tried again.
    fail(&app, "22000", 1).await;
    let failed = user.send("addComment", input.clone(), "").await.errors();
    assert!(failed[0].starts_with("INTERNAL "), "{failed:?}");
    user.done("addComment", input, "comment { id }").await;
}
