//! A PostgreSQL role with exactly the rights that the cluster grants the server.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;

use kinoteka::app::{Application, SWEEPS};
use kinoteka::config::Cli;
use kinoteka::db::{Db, RIGHTS_NEEDED};
use kinoteka::kit::{idempotency, upkeep};
use kinoteka::{clock, feed};
use migration::connect::Timeouts;
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::{Value, json};

use crate::app::{TestApp, User, new_account};
use crate::inputs;
use crate::movie::global_id;
use crate::support::client::in_time;
use crate::support::database::{Backend, TestDatabase};

/// Creates a role with all rights that the server needs except one, and returns the database's URL for it.
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

/// The statements of the database's owner for the server's role, as in docs/cluster.md.
const GRANTS: &str = include_str!("../../deploy/sql/grants.sql");

/// Grants the server's role the rights of `deploy/sql/grants.sql`, and returns the database's URL for it.
async fn grant_by_file(database: &TestDatabase) -> String {
    let db = database.connect().await;
    // All databases of the PostgreSQL server share the role, and other tests create it too.
    let role = "DO $$ BEGIN CREATE ROLE kinoteka_app LOGIN; \
                EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$";
    db.execute_unprepared(role).await.unwrap();
    db.execute_unprepared(GRANTS).await.unwrap();
    db.close().await.unwrap();
    database.url.replace("kinoteka@", "kinoteka_app@")
}

/// Runs mutations and records their names.
#[derive(Default)]
struct Doer {
    done: Mutex<BTreeSet<String>>,
}

impl Doer {
    /// The payload of a mutation without errors.
    async fn run(&self, user: &User, mutation: &str, input: Value, selection: &str) -> Value {
        let done = user.done(mutation, input, selection).await;
        self.done.lock().unwrap().insert(mutation.to_owned());
        done
    }

    /// Runs a mutation without input.
    async fn end_sessions(&self, user: &User, mutation: &str) {
        let data = user.data(&format!("mutation {{ {mutation} {{ endedSessions }} }}"), json!({})).await;
        assert_ne!(data[mutation]["endedSessions"], 0, "{mutation}");
        self.done.lock().unwrap().insert(mutation.to_owned());
    }

    /// Creates an object, changes it if possible, and deletes it.
    async fn make_and_delete(&self, user: &User, what: &str, field: &str, input: Value, change: Value) {
        let made = self.run(user, &format!("create{what}"), input, &format!("{field} {{ id }}")).await;
        let id = made[field]["id"].clone();
        let mut changed = change;
        changed["id"] = id.clone();
        self.run(user, &format!("update{what}"), changed, "").await;
        self.run(user, &format!("delete{what}"), json!({ "id": id }), "").await;
    }

    async fn change_catalogue(&self, user: &User) {
        let (movie, person) = (global_id("Movie", 1), global_id("Person", 1));
        let titled = || json!({ "title": "Новое" });
        self.make_and_delete(user, "FilmAward", "filmAward", titled(), titled()).await;
        self.make_and_delete(user, "FilmAwardNomination", "nomination", titled(), titled()).await;
        self.make_and_delete(user, "PersonPosition", "position", titled(), titled()).await;
        self.make_and_delete(user, "PublicationCategory", "category", titled(), titled()).await;
        let site = json!({ "title": "Новый", "url": "https://new.example" });
        self.make_and_delete(user, "Cinema", "cinema", site, titled()).await;
        let film = json!({ "title": "Новый", "durationMinutes": 90 });
        self.make_and_delete(user, "Movie", "movie", film, titled()).await;
        let name = json!({ "firstName": "Анна", "lastName": "Новая", "country": "Чад" });
        self.make_and_delete(user, "Person", "person", name, json!({ "country": "Мали" })).await;
        let position = global_id("PersonPosition", 1);
        let member = json!({ "movieId": movie, "personId": person, "positionId": position, "character": "Кто-то" });
        self.make_and_delete(user, "StaffMember", "staffMember", member, json!({ "isLead": true })).await;
        let (award, nomination) = (global_id("FilmAward", 1), global_id("FilmAwardNomination", 1));
        let given = json!({ "movieId": movie, "awardId": award, "nominationId": nomination, "personId": person });
        self.make_and_delete(user, "MovieAward", "award", given, json!({ "personId": null })).await;
        let text = json!({ "title": "Новая", "text": "Раз", "categoryId": global_id("PublicationCategory", 1) });
        self.make_and_delete(user, "Publication", "publication", text, titled()).await;

        self.run(user, "createTag", json!({ "title": "новый тег" }), "").await;
        self.run(user, "updateTag", json!({ "title": "новый тег", "newTitle": "старый тег" }), "").await;
        self.run(user, "updateMovie", json!({ "id": movie, "tags": ["старый тег"] }), "").await;
        self.run(user, "updateMovie", json!({ "id": movie, "tags": [] }), "").await;
        self.run(user, "deleteTag", json!({ "title": "старый тег" }), "").await;

        let cinema = global_id("Cinema", 1);
        let input = json!({ "movieId": movie, "cinemaId": cinema, "price": "99.00", "rating": 4 });
        let shown = self.run(user, "setAvailability", input, "availability { id }").await;
        self.run(user, "orderMovie", json!({ "movieId": movie, "cinemaId": cinema }), "").await;
        self.run(user, "removeAvailability", json!({ "id": shown["availability"]["id"] }), "").await;
    }

    async fn take_part(&self, editor: &User, member: &User) {
        let (movie, publication) = (global_id("Movie", 1), global_id("Publication", 1));
        self.run(editor, "rate", json!({ "subjectId": publication, "rating": 4 }), "").await;
        self.run(editor, "rate", json!({ "subjectId": publication, "rating": 5 }), "").await;
        self.run(editor, "removeRating", json!({ "subjectId": publication }), "").await;
        for (end, again) in [("deleteComment", false), ("hideComment", true)] {
            let text = json!({ "subjectId": movie, "text": "Раз" });
            let made = self.run(member, "addComment", text, "comment { id }").await;
            let id = made["comment"]["id"].clone();
            self.run(member, "editComment", json!({ "id": id, "text": "Два" }), "").await;
            if again {
                self.run(editor, "addComment", json!({ "parentId": id, "text": "Три" }), "").await;
            }
            self.run(editor, end, json!({ "id": id }), "").await;
        }
        let keyed = member.send_keyed("key", "addComment", json!({ "subjectId": movie, "text": "Раз" }), "").await;
        assert_eq!(keyed.data()["it"]["errors"], json!([]));
    }

    async fn change_accounts(&self, app: &TestApp, admin: &User, member: &User) {
        let (password, changed) = ("quite a long one", "another long one");
        self.run(&app.anonymous(), "signUp", new_account("new.one", password), "").await;
        let log_in = async |password: &str| {
            let given = json!({ "login": "new.one", "password": password });
            let done = self.run(&app.anonymous(), "logIn", given, "token").await;
            app.bearer(0, done["token"].as_str().unwrap())
        };
        let (one, _) = (log_in(password).await, log_in(password).await);
        let listed = one.data("{ viewer { sessions { nodes { id isCurrent } } } }", json!({})).await;
        let sessions = listed["viewer"]["sessions"]["nodes"].as_array().unwrap();
        let session = &sessions.iter().find(|session| session["isCurrent"] == false).unwrap()["id"];
        self.run(&one, "revokeSession", json!({ "id": session }), "").await;
        self.end_sessions(&one, "logOut").await;
        let one = log_in(password).await;
        self.run(&one, "changePassword", json!({ "currentPassword": password, "newPassword": changed }), "").await;
        self.end_sessions(&one, "logOutEverywhere").await;
        let one = log_in(changed).await;
        self.run(&one, "deleteAccount", json!({ "password": changed }), "").await;

        self.run(member, "updateProfile", json!({ "bio": "Раз" }), "").await;
        let id = global_id("User", member.id);
        self.run(admin, "grantRole", json!({ "userId": id, "role": "EDITOR" }), "").await;
        self.run(admin, "revokeRole", json!({ "userId": id, "role": "EDITOR" }), "").await;
        self.run(admin, "deleteUser", json!({ "id": id }), "").await;
    }
}

/// A new mutation must be added here.
#[tokio::test(flavor = "multi_thread")]
async fn every_mutation_is_possible_with_the_grants_of_the_cluster() {
    let mut database = TestDatabase::seeded(Backend::Postgres).await;
    database.url = grant_by_file(&database).await;
    let url = database.url.clone();
    let app = TestApp::start(database, &[]).await;
    let (admin, member) = (app.sign_in("somebody", "admin").await, app.sign_in("other", "member").await);
    let doer = Doer::default();
    doer.change_catalogue(&admin).await;
    doer.take_part(&admin, &member).await;
    doer.change_accounts(&app, &admin, &member).await;
    let names: BTreeSet<_> = inputs::mutations(&app).await.into_iter().map(|mutation| mutation.name).collect();
    assert_eq!(doer.done.into_inner().unwrap(), names, "mutations here and in the schema");

    let cli = <Cli as clap::Parser>::try_parse_from(["kinoteka", "--database-url", &url]).unwrap();
    let timeouts = Timeouts { statement: Duration::from_secs(10), lock: Duration::from_secs(10) };
    let db = Db::open(&url.parse().unwrap(), None, cli.serve.pool(), timeouts, None).await.unwrap();
    upkeep::sweep(&db.write, SWEEPS, clock::now()).await.unwrap();
    idempotency::write_and_forget(&db, clock::now()).await.unwrap();
    assert!(feed::remove_old_events(&db, Duration::ZERO).await.unwrap() > 0);
}

/// The server checks exactly the rights that the file grants.
#[tokio::test(flavor = "multi_thread")]
async fn the_grants_of_the_cluster_match_the_rights_that_the_server_checks() {
    let mut database = TestDatabase::migrated(Backend::Postgres).await;
    let url = grant_by_file(&database).await;
    let owner = database.connect().await;
    let held = "SELECT relname::text, privilege FROM pg_class,
            unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) AS privilege
        WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm')
            AND has_table_privilege('kinoteka_app', oid, privilege)";
    let rows = owner.query_all_raw(Statement::from_string(DbBackend::Postgres, held)).await.unwrap();
    let held: BTreeSet<(String, String)> = rows.iter().map(|row| row.try_get_many_by_index().unwrap()).collect();
    let asked = RIGHTS_NEEDED.iter().flat_map(|(table, rights)| rights.iter().map(|right| (*table, *right)));
    assert_eq!(held, asked.map(|(table, right)| (table.to_owned(), right.to_owned())).collect());

    // Tables of later steps by the same owner are usable before the file runs again.
    owner.execute_unprepared("CREATE TABLE later (id int); INSERT INTO later VALUES (1)").await.unwrap();
    database.url = url;
    let app = database.connect().await;
    for change in ["INSERT INTO later VALUES (2)", "UPDATE later SET id = 3", "DELETE FROM later"] {
        app.execute_unprepared(change).await.unwrap();
    }
    for refused in ["DROP TABLE later", "CREATE TABLE mine (id int)", "ALTER TABLE tags ADD COLUMN mine int"] {
        app.execute_unprepared(refused).await.unwrap_err();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_lacks_a_right_is_refused_at_startup() {
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
        // A replica only needs rights to read.
        let read =
            ["kinoteka", "--listen", "127.0.0.1:0", "--database-url", &database.url, "--database-read-url", &url];
        let cli = <Cli as clap::Parser>::try_parse_from(read).unwrap();
        assert_eq!(Application::build(&cli.serve, None).await.is_ok(), right != "SELECT", "{role}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_without_usage_of_the_schema_is_refused_at_startup() {
    let database = TestDatabase::migrated(Backend::Postgres).await;
    let url = make_role(&database, "no_usage", None).await;
    let owner = database.connect().await;
    owner.execute_unprepared("REVOKE USAGE ON SCHEMA public FROM PUBLIC, no_usage").await.unwrap();
    let line = ["kinoteka", "--listen", "127.0.0.1:0", "--database-url", &url];
    let cli = <Cli as clap::Parser>::try_parse_from(line).unwrap();
    let refused = Application::build(&cli.serve, None).await.err().unwrap().to_string();
    assert!(refused.ends_with("GRANT USAGE ON SCHEMA \"public\" TO \"no_usage\";"), "{refused}");
}

/// A right may be revoked while the server runs.
#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_right_changes_the_state_of_the_server() {
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
    let told = "UNAVAILABLE the server lacks rights in the database; its operator must grant them";
    assert_eq!(refused, [told]);
    let state = (200, "read-only: the server's role lacks rights on comments\n".to_owned());
    in_time(async { while ready().await != state {} }).await;
    owner.execute_unprepared("GRANT INSERT ON comments TO robbed").await.unwrap();
    in_time(async { while ready().await.1 != "full\n" {} }).await;
    user.done("addComment", comment, "").await;
}

/// Row-level security without a policy hides every row without an error.
#[tokio::test(flavor = "multi_thread")]
async fn row_security_that_hides_everything_is_refused_at_startup() {
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
            // The same for a replica.
            for (url, read_url) in [(&url, &database.url), (&database.url, &url)] {
                let refused = build(url, read_url).await.unwrap();
                assert!(refused.contains("row-level security") && refused.ends_with(&end), "{policy}: {refused}");
            }
            owner.execute_unprepared(&format!("DROP POLICY IF EXISTS another ON {table}")).await.unwrap();
        }
        // The suggested remedy works.
        owner.execute_unprepared(&end).await.unwrap();
        assert_eq!(build(&url, &url).await, None);
    }
    // Roles that are not subject to it are not checked: the owner, unless it is forced.
    assert_eq!(build(&database.url, &database.url).await, None);
}

/// A new table is in the list, or the server does not use it.
#[tokio::test(flavor = "multi_thread")]
async fn the_list_of_rights_names_every_table_of_the_entities() {
    for file in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/entity/src")).unwrap() {
        let file = file.unwrap().path();
        let name = file.file_stem().unwrap().to_str().unwrap();
        assert!(name == "lib" || RIGHTS_NEEDED.iter().any(|(table, _)| *table == name), "{name}");
    }
}
