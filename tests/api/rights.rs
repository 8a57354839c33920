//! A PostgreSQL role with the rights that the server says it needs, and no others.

use std::time::Duration;

use kinoteka::app::{Application, SWEEPS};
use kinoteka::config::Cli;
use kinoteka::db::{Db, RIGHTS_NEEDED};
use kinoteka::kit::{idempotency, upkeep};
use kinoteka::{clock, feed};
use migration::connect::Timeouts;
use sea_orm::ConnectionTrait;
use serde_json::json;

use crate::app::{TestApp, User};
use crate::movie::global_id;
use crate::support::client::in_time;
use crate::support::database::{Backend, TestDatabase};

/// Makes a role with what the server needs but for one right, and gives the database's URL for it.
async fn make_role(database: &TestDatabase, role: &str, but: Option<(&str, &str)>) -> String {
    let db = database.connect().await;
    db.execute_unprepared(&format!("CREATE ROLE {role} LOGIN")).await.unwrap();
    for (table, rights) in RIGHTS_NEEDED {
        let rights: Vec<_> = rights.iter().filter(|right| but != Some((*table, **right))).copied().collect();
        if !rights.is_empty() {
            db.execute_unprepared(&format!("GRANT {} ON {table} TO {role}", rights.join(", "))).await.unwrap();
        }
    }
    db.close().await.unwrap();
    database.url.replace("kinoteka@", &format!("{role}@"))
}

/// Makes an object, changes it if that is a thing to do, and deletes it.
async fn make_and_delete(user: &User, what: &str, field: &str, input: serde_json::Value, change: serde_json::Value) {
    let made = user.done(&format!("create{what}"), input, &format!("{field} {{ id }}")).await;
    let id = made[field]["id"].clone();
    let mut changed = change;
    changed["id"] = id.clone();
    user.done(&format!("update{what}"), changed, "").await;
    user.done(&format!("delete{what}"), json!({ "id": id }), "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rights_that_the_server_asks_for_are_enough() {
    let mut database = TestDatabase::seeded(Backend::Postgres).await;
    database.url = make_role(&database, "enough", None).await;
    let url = database.url.clone();
    let app = TestApp::start(database, &[]).await;
    let user = app.sign_in("somebody", "admin").await;
    let other = app.sign_in("other", "member").await;
    let (movie, publication, cinema) = (global_id("Movie", 1), global_id("Publication", 1), global_id("Cinema", 1));
    let (person, position) = (global_id("Person", 1), global_id("PersonPosition", 1));
    let (award, nomination) = (global_id("FilmAward", 1), global_id("FilmAwardNomination", 1));

    let titled = || json!({ "title": "Новое" });
    make_and_delete(&user, "FilmAward", "filmAward", titled(), titled()).await;
    make_and_delete(&user, "FilmAwardNomination", "nomination", titled(), titled()).await;
    make_and_delete(&user, "PersonPosition", "position", titled(), titled()).await;
    make_and_delete(&user, "PublicationCategory", "category", titled(), titled()).await;
    let site = json!({ "title": "Новый", "url": "https://new.example" });
    make_and_delete(&user, "Cinema", "cinema", site, titled()).await;
    make_and_delete(&user, "Movie", "movie", json!({ "title": "Новый", "durationMinutes": 90 }), titled()).await;
    let name = json!({ "firstName": "Анна", "lastName": "Новая", "country": "Чад" });
    make_and_delete(&user, "Person", "person", name, json!({ "country": "Мали" })).await;
    let member = json!({ "movieId": movie, "personId": person, "positionId": position, "character": "Кто-то" });
    make_and_delete(&user, "StaffMember", "staffMember", member, json!({ "isLead": true })).await;
    let given = json!({ "movieId": movie, "awardId": award, "nominationId": nomination, "personId": person });
    make_and_delete(&user, "MovieAward", "award", given, json!({ "personId": null })).await;
    let text = json!({ "title": "Новая", "text": "Раз", "categoryId": global_id("PublicationCategory", 1) });
    make_and_delete(&user, "Publication", "publication", text, titled()).await;

    user.done("createTag", json!({ "title": "новый тег" }), "").await;
    user.done("updateTag", json!({ "title": "новый тег", "newTitle": "старый тег" }), "").await;
    user.done("updateMovie", json!({ "id": movie, "tags": ["старый тег"] }), "").await;
    user.done("updateMovie", json!({ "id": movie, "tags": [] }), "").await;
    user.done("deleteTag", json!({ "title": "старый тег" }), "").await;

    let input = json!({ "movieId": movie, "cinemaId": cinema, "price": "99.00", "rating": 4 });
    let shown = user.done("setAvailability", input, "availability { id }").await;
    user.done("orderMovie", json!({ "movieId": movie, "cinemaId": cinema }), "").await;
    user.done("removeAvailability", json!({ "id": shown["availability"]["id"] }), "").await;

    user.done("rate", json!({ "subjectId": publication, "rating": 4 }), "").await;
    user.done("rate", json!({ "subjectId": publication, "rating": 5 }), "").await;
    user.done("removeRating", json!({ "subjectId": publication }), "").await;
    for (end, again) in [("deleteComment", false), ("hideComment", true)] {
        let made = other.done("addComment", json!({ "subjectId": movie, "text": "Раз" }), "comment { id }").await;
        let id = made["comment"]["id"].clone();
        other.done("editComment", json!({ "id": id, "text": "Два" }), "").await;
        if again {
            user.done("addComment", json!({ "parentId": id, "text": "Три" }), "").await;
        }
        user.done(end, json!({ "id": id }), "").await;
    }
    let keyed = other.send_keyed("key", "addComment", json!({ "subjectId": movie, "text": "Раз" }), "").await;
    assert_eq!(keyed.data()["it"]["errors"], json!([]));

    let new = json!({ "username": "new.one", "email": "new@example.org", "password": "quite a long one",
                      "fullName": "N", "birthday": "1990-01-01" });
    app.nobody().done("signUp", new, "").await;
    app.nobody().done("logIn", json!({ "login": "new.one", "password": "quite a long one" }), "").await;
    other.done("updateProfile", json!({ "bio": "Раз" }), "").await;
    let id = global_id("User", other.id);
    user.done("grantRole", json!({ "userId": id, "role": "EDITOR" }), "").await;
    user.done("revokeRole", json!({ "userId": id, "role": "EDITOR" }), "").await;
    user.done("deleteUser", json!({ "id": id }), "").await;

    let cli = <Cli as clap::Parser>::try_parse_from(["kinoteka", "--database-url", &url]).unwrap();
    let timeouts = Timeouts { statement: Duration::from_secs(10), lock: Duration::from_secs(10) };
    let db = Db::open(&url.parse().unwrap(), None, cli.serve.pool(), timeouts, None).await.unwrap();
    upkeep::sweep(&db.write, SWEEPS, clock::now()).await.unwrap();
    idempotency::write_and_forget(&db, clock::now()).await.unwrap();
    assert!(feed::remove_old_events(&db, Duration::ZERO).await.unwrap() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_lacks_a_right_is_refused_at_the_start() {
    let database = TestDatabase::migrated(Backend::Postgres).await;
    for (role, table, right) in [
        ("no_insert", "comments", "INSERT"),
        ("no_schema", "seaql_migrations", "SELECT"),
        ("no_feed", "comment_feed", "UPDATE"),
    ] {
        let url = make_role(&database, role, Some((table, right))).await;
        let line = ["kinoteka", "--listen", "127.0.0.1:0", "--database-url", &url];
        let cli = <Cli as clap::Parser>::try_parse_from(line).unwrap();
        let refused = Application::build(&cli.serve, None).await.err().unwrap().to_string();
        assert!(refused.contains("lacks rights"), "{refused}");
        assert!(refused.ends_with(&format!("GRANT {right} ON {table} TO \"{role}\";")), "{refused}");
        // A replica is only read.
        let read =
            ["kinoteka", "--listen", "127.0.0.1:0", "--database-url", &database.url, "--database-read-url", &url];
        let cli = <Cli as clap::Parser>::try_parse_from(read).unwrap();
        assert_eq!(Application::build(&cli.serve, None).await.is_ok(), right != "SELECT", "{role}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_may_not_look_into_the_schema_is_refused_at_the_start() {
    let database = TestDatabase::migrated(Backend::Postgres).await;
    let url = make_role(&database, "no_usage", None).await;
    let owner = database.connect().await;
    owner.execute_unprepared("REVOKE USAGE ON SCHEMA public FROM PUBLIC, no_usage").await.unwrap();
    let line = ["kinoteka", "--listen", "127.0.0.1:0", "--database-url", &url];
    let cli = <Cli as clap::Parser>::try_parse_from(line).unwrap();
    let refused = Application::build(&cli.serve, None).await.err().unwrap().to_string();
    assert!(refused.ends_with("GRANT USAGE ON SCHEMA \"public\" TO \"no_usage\";"), "{refused}");
}

/// Somebody may take one away while the server runs.
#[tokio::test(flavor = "multi_thread")]
async fn a_right_that_is_missing_is_a_state_of_the_server() {
    let mut database = TestDatabase::seeded(Backend::Postgres).await;
    let owner = database.connect().await;
    database.url = make_role(&database, "robbed", None).await;
    let app = TestApp::start(database, &[]).await;
    let user = app.sign_in("somebody", "member").await;
    let comment = json!({ "subjectId": global_id("Movie", 1), "text": "Раз" });
    let ready = async || {
        let response = app.client.get(format!("{}/readyz", app.origin)).send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    };
    owner.execute_unprepared("REVOKE INSERT ON comments FROM robbed").await.unwrap();
    let refused = user.send("addComment", comment.clone(), "").await.errors();
    let told = "UNAVAILABLE the server lacks rights in the database; whoever runs it has to grant them";
    assert_eq!(refused, [told]);
    let state = (200, "read-only: the server's role lacks rights on comments\n".to_owned());
    in_time(async { while ready().await != state {} }).await;
    owner.execute_unprepared("GRANT INSERT ON comments TO robbed").await.unwrap();
    in_time(async { while ready().await.1 != "full\n" {} }).await;
    user.done("addComment", comment, "").await;
}

/// Row-level security without a policy hides every row without an error.
#[tokio::test(flavor = "multi_thread")]
async fn row_security_that_hides_everything_is_refused_at_the_start() {
    let database = TestDatabase::migrated(Backend::Postgres).await;
    let url = make_role(&database, "hidden", None).await;
    let owner = database.connect().await;
    let build = async |url: &str, read_url: &str| {
        let line = ["kinoteka", "--listen", "127.0.0.1:0", "--database-url", url, "--database-read-url", read_url];
        let cli = <Cli as clap::Parser>::try_parse_from(line).unwrap();
        Application::build(&cli.serve, None).await.err().map(|error| format!("{error:#}"))
    };
    for table in ["seaql_migrations", "comments"] {
        owner.execute_unprepared(&format!("ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")).await.unwrap();
        let end = format!("CREATE POLICY kinoteka ON {table} TO \"hidden\" USING (true);");
        for policy in ["", "USING (false)", "FOR UPDATE USING (true)", "TO kinoteka USING (true)"] {
            if !policy.is_empty() {
                owner.execute_unprepared(&format!("CREATE POLICY another ON {table} {policy}")).await.unwrap();
            }
            // A replica that is only read is no better.
            for (url, read_url) in [(&url, &database.url), (&database.url, &url)] {
                let refused = build(url, read_url).await.unwrap();
                assert!(refused.contains("row-level security") && refused.ends_with(&end), "{policy}: {refused}");
            }
            owner.execute_unprepared(&format!("DROP POLICY IF EXISTS another ON {table}")).await.unwrap();
        }
        // The remedy is one.
        owner.execute_unprepared(&end).await.unwrap();
        assert_eq!(build(&url, &url).await, None);
    }
    // Those who are not subject to it are not asked: the owner, unless it is forced.
    assert_eq!(build(&database.url, &database.url).await, None);
}

/// A table that is new is in the list, or the server does not name it.
#[tokio::test(flavor = "multi_thread")]
async fn the_list_of_rights_names_every_table_of_the_entities() {
    for file in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/entity/src")).unwrap() {
        let file = file.unwrap().path();
        let name = file.file_stem().unwrap().to_str().unwrap();
        assert!(name == "lib" || RIGHTS_NEEDED.iter().any(|(table, _)| *table == name), "{name}");
    }
}
