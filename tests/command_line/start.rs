//! Failures at startup: each has a message that names the flag and the remedy.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

use sea_orm::ConnectionTrait;

use crate::process::{Server, command, run};
use crate::support::address::own_address;
use crate::support::database::{Backend, TestDatabase};
use crate::support::postgres;

/// Runs `kinoteka serve` with these arguments, which must fail with these words.
fn refuses(args: &[&str], words: &[&str]) {
    let run = run(&[&["serve", "--listen", "127.0.0.1:0"], args].concat());
    let message = run.failure();
    assert!(words.iter().all(|word| message.contains(word)), "{args:?}: {message}");
}

#[test]
fn invalid_database_urls_are_refused() {
    for (url, wrong) in [
        ("mysql://localhost/kinoteka", "unknown scheme \"mysql\""),
        ("kinoteka", "not a URL"),
        ("", "not a URL"),
        ("http://localhost/", "unknown scheme \"http\""),
    ] {
        refuses(&["--database-url", url], &["--database-url", wrong, "postgres://", "sqlite://"]);
    }
    for url in ["host=localhost password=sesame", "postgres://anna:ses/ame@localhost/x", "sesame"] {
        let run = run(&["serve", "--database-url", url]);
        assert!(!run.failure().contains("ame"), "{run:?}");
    }
    refuses(&["--database-url", "postgres://anna:ses/ame@localhost/x"], &["%2F"]);
    refuses(&["--database-url", "sqlite::memory:"], &["in-memory", "sqlite://kinoteka.db?mode=rwc"]);
    refuses(&["--database-url", "postgres://localhost:port/x"], &["--database-url", "not a PostgreSQL URL"]);
    refuses(&["--database-url", "sqlite://x.db?mode=banana"], &["--database-url", "not a SQLite URL"]);
}

#[test]
fn passwords_are_never_repeated() {
    for url in ["postgress://somebody:secret@localhost/x", "postgres://somebody:secret@localhost:port/x"] {
        for command in [&["serve"][..], &["migrate", "status"]] {
            let run = run(&[command, &["--database-url", url]].concat());
            assert!(!run.failure().contains("secret") && run.failure().contains("--database-url"), "{run:?}");
        }
    }
}

#[test]
fn sqlite_urls_without_a_file_are_refused() {
    refuses(&["--database-url", "sqlite://"], &["--database-url", "no file"]);
    refuses(&["--database-url", "sqlite://x?mode=memory"], &["--database-url", "in-memory"]);
}

/// A listener that accepts connections and never responds.
#[test]
fn an_unresponsive_database_server_is_reported() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let listener = std::net::TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let url = format!("postgres://x@{address}/x");
        refuses(&["--database-url", &url], &["--database-url", "does not answer within"]);
    }
}

#[tokio::test]
async fn a_replica_of_another_kind_is_refused() {
    let sqlite = TestDatabase::migrated(Backend::Sqlite).await;
    let postgres = TestDatabase::migrated(Backend::Postgres).await;
    let stale = TestDatabase::empty(Backend::Postgres).await;
    refuses(
        &["--database-url", &postgres.url, "--database-read-url", &sqlite.url],
        &["--database-read-url", "replica"],
    );
    refuses(
        &["--database-url", &postgres.url, "--database-read-url", &stale.url],
        &["--database-read-url", "outdated"],
    );
    drop(Server::start(&["--database-url", &postgres.url, "--database-read-url", &postgres.url]));
}

/// Tables that psql created must be adopted, not created again.
#[tokio::test]
async fn unrecorded_tables_must_be_adopted() {
    for backend in [Backend::Postgres, Backend::Sqlite] {
        let database = TestDatabase::migrated(backend).await;
        let db = database.connect().await;
        db.execute_unprepared("DROP TABLE seaql_migrations").await.unwrap();
        db.close().await.unwrap();
        refuses(&["--database-url", &database.url], &["kinoteka migrate adopt"]);
        let up = run(&["migrate", "up", "--database-url", &database.url]);
        assert!(up.failure().contains("kinoteka migrate adopt"), "{up:?}");
        run(&["migrate", "adopt", "--database-url", &database.url]).ok();
        drop(Server::start(&["--database-url", &database.url]));
    }
}

#[test]
fn missing_postgres_databases_are_named() {
    refuses(&["--database-url", &postgres::url("nowhere")], &["\"nowhere\"", "does not exist", "createdb"]);
    let url = format!("postgres://somebody:secret@{}/kinoteka", own_address());
    let run = run(&["serve", "--listen", "127.0.0.1:0", "--acquire-timeout-ms", "500", "--database-url", &url]);
    let message = run.failure();
    assert!(message.contains("cannot be reached") && message.contains("--database-url"), "{message}");
    assert!(!message.contains("secret"), "{message}");
}

#[test]
fn unusable_sqlite_files_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let missing = format!("sqlite://{}", path("missing.db"));
    refuses(&["--database-url", &missing], &["missing.db", "cannot be opened", "?mode=rwc"]);
    let nowhere = format!("sqlite://{}?mode=rwc", path("no/folder.db"));
    refuses(&["--database-url", &nowhere], &["folder.db", "cannot be opened", "its folder exists"]);
    std::fs::write(path("text.db"), "not a database, but long enough to be read as one".repeat(40)).unwrap();
    let text = format!("sqlite://{}?mode=rwc", path("text.db"));
    refuses(&["--database-url", &text], &["text.db", "is not a SQLite database"]);
}

#[tokio::test]
async fn locked_sqlite_file_is_named() {
    let database = TestDatabase::empty(Backend::Sqlite).await;
    let holder = database.connect().await;
    holder.execute_unprepared("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; CREATE TABLE held (x)").await.unwrap();
    refuses(&["--database-url", &database.url], &["kinoteka.db", "locked by another process"]);
}

#[tokio::test]
async fn read_only_sqlite_file_is_named() {
    let database = TestDatabase::empty(Backend::Sqlite).await;
    let db = database.connect().await;
    db.execute_unprepared("CREATE TABLE other (x)").await.unwrap();
    db.close().await.unwrap();
    let file = database.url.trim_start_matches("sqlite://").trim_end_matches("?mode=rwc").to_owned();
    // Root can write every file, so the URL also opens it read-only.
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o444)).unwrap();
    refuses(&["--database-url", &format!("sqlite://{file}?mode=ro")], &["kinoteka.db", "read-only"]);
}

#[tokio::test]
async fn port_in_use_is_named() {
    let database = TestDatabase::migrated(Backend::Sqlite).await;
    let first = Server::start(&["--database-url", &database.url]);
    let address = first.url.trim_start_matches("http://").trim_end_matches("/graphql");
    let second = run(&["serve", "--database-url", &database.url, "--listen", address]);
    let message = second.failure();
    assert!(message.contains(address) && message.contains("--listen"), "{message}");
}

#[tokio::test]
async fn stale_postgres_schema_is_refused_and_migrated_on_request() {
    let database = TestDatabase::empty(Backend::Postgres).await;
    refuses(&["--database-url", &database.url], &["0001_tables", "outdated", "kinoteka migrate up"]);
    drop(Server::start(&["--database-url", &database.url, "--migrate"]));
    drop(Server::start(&["--database-url", &database.url]));
}

#[tokio::test]
async fn triggers_that_do_not_fire_are_refused_on_both() {
    for backend in [Backend::Postgres, Backend::Sqlite] {
        let database = TestDatabase::migrated(backend).await;
        let db = database.connect().await;
        let mut expected = "comments_tell_added is missing";
        if backend == Backend::Postgres {
            db.execute_unprepared("ALTER TABLE comments DISABLE TRIGGER ALL").await.unwrap();
            let words = ["comments_tell_added is disabled, comments_tell_edited is disabled", "ENABLE TRIGGER USER"];
            refuses(&["--database-url", &database.url], &words);
            db.execute_unprepared("ALTER TABLE comments ENABLE TRIGGER ALL").await.unwrap();
            drop(Server::start(&["--database-url", &database.url]));
            // All triggers are off for this role only.
            db.execute_unprepared("CREATE ROLE copier SUPERUSER LOGIN").await.unwrap();
            db.execute_unprepared("ALTER ROLE copier SET session_replication_role = replica").await.unwrap();
            let url = database.url.replace("kinoteka@", "copier@");
            refuses(&["--database-url", &url], &["comments_tell_added is disabled"]);
            db.execute_unprepared("DROP TRIGGER comments_tell_added ON comments").await.unwrap();
        } else {
            db.execute_unprepared("DROP TRIGGER comments_tell_added; DROP TRIGGER comments_tell_edited").await.unwrap();
            expected = "comments_tell_added is missing, comments_tell_edited is missing";
        }
        refuses(&["--database-url", &database.url], &["triggers do not fire", expected]);
    }
}

#[tokio::test]
async fn policies_that_hide_rows_give_a_warning() {
    let database = TestDatabase::migrated(Backend::Postgres).await;
    let db = database.connect().await;
    let policy = "CREATE ROLE some_rows LOGIN; GRANT ALL ON ALL TABLES IN SCHEMA public TO some_rows;
        ALTER TABLE comments ENABLE ROW LEVEL SECURITY; CREATE POLICY some_rows ON comments USING (id > 5)";
    db.execute_unprepared(policy).await.unwrap();
    let url = database.url.replace("kinoteka@", "some_rows@");
    assert!(warnings(&["--database-url", &url]).contains("may hide rows"));
    assert!(!warnings(&["--database-url", &database.url]).contains("may hide rows"));
}

/// The warnings of a server during startup.
fn warnings(args: &[&str]) -> String {
    let mut serve = command(&["serve", "--listen", "127.0.0.1:0", "--log-format", "json"]);
    let mut server = serve.args(args).stderr(Stdio::piped()).spawn().unwrap();
    let log = BufReader::new(server.stderr.take().unwrap()).lines().map(Result::unwrap);
    let mut log: Vec<_> = log.take_while(|line| !line.contains("serving at")).collect();
    server.kill().unwrap();
    server.wait().unwrap();
    log.retain(|line| line.contains("WARN"));
    log.join("\n")
}

#[tokio::test]
async fn a_compatible_newer_schema_gives_a_warning_and_another_is_refused() {
    for backend in [Backend::Postgres, Backend::Sqlite] {
        let database = TestDatabase::migrated(backend).await;
        let db = database.connect().await;
        let known = migration::STEPS.last().unwrap().name;
        db.execute_unprepared("INSERT INTO seaql_migrations (version, applied_at) VALUES ('9999_next', 0)")
            .await
            .unwrap();
        let url = ["--database-url", &database.url];
        refuses(&url, &["newer than this program", "9999_next"]);
        let says = format!("INSERT INTO schema_steps (name, requires) VALUES ('9999_next', '{known}')");
        db.execute_unprepared(&says).await.unwrap();
        // The demo does not fill it, because it may have unknown tables.
        let warned = warnings(&[&url[..], &["--demo"]].concat());
        assert_eq!(warned.matches("9999_next is unknown here").count(), 1, "{warned}");
        let migrate = |command: &str| run(&["migrate", command, url[0], url[1]]);
        assert!(migrate("status").ok().ends_with("9999_next is unknown here; this version still works with it\n"));
        assert!(migrate("up").ok().starts_with("nothing to apply"));
        assert!(migrate("down").failure().contains("9999_next"));
        assert_eq!(migrate("adopt").ok(), "nothing to record: all steps were known\n");
    }
}

#[tokio::test]
async fn production_warns_about_development_settings() {
    for backend in [Backend::Postgres, Backend::Sqlite] {
        let database = TestDatabase::seeded_with_accounts(backend).await;
        let url = ["--database-url", &database.url];
        let hidden = ["--metrics-listen", "127.0.0.1:0"];
        let (password, metrics) = ("admin, editor, load1, load2, load3 and 2 more;", "--metrics-listen");
        for (args, of_password, of_metrics) in [
            (&[&url[..]].concat(), false, false),
            (&[&url[..], &["--production"]].concat(), true, true),
            (&[&url[..], &["--production"], &hidden].concat(), true, false),
        ] {
            let warned = warnings(args);
            assert_eq!((warned.contains(password), warned.contains(metrics)), (of_password, of_metrics), "{warned}");
        }
        let reset = |users: &[&str]| {
            users.iter().for_each(|user| drop(run(&["user", "reset-password", user, url[0], url[1]]).ok()));
            warnings(&[&url[..], &["--production"]].concat())
        };
        let warned = reset(&["admin", "editor", "load1", "member"]);
        assert!(warned.contains("public password: load2, load3, load4;"), "{warned}");
        let warned = reset(&["load2", "load3", "load4"]);
        assert!(!warned.contains("public password"), "{warned}");
    }
}

#[tokio::test]
async fn a_newer_schema_is_refused_on_both() {
    for backend in [Backend::Postgres, Backend::Sqlite] {
        let database = TestDatabase::migrated(backend).await;
        let db = database.connect().await;
        let newer = "INSERT INTO seaql_migrations (version, applied_at) VALUES ('9999_future', 0)";
        db.execute_unprepared(newer).await.unwrap();
        db.close().await.unwrap();
        refuses(&["--database-url", &database.url], &["9999_future", "newer than this program"]);
        refuses(&["--database-url", &database.url, "--demo"], &["9999_future", "newer than this program"]);
        let up = run(&["migrate", "up", "--database-url", &database.url]);
        assert!(up.failure().contains("newer than this program"), "{up:?}");
    }
}

#[test]
fn invalid_settings_are_refused() {
    refuses(&["--database-connections", "0"], &["--database-connections"]);
    refuses(&["--log-filter", "=?="], &["--log-filter"]);
    refuses(&["--log-format", "xml"], &["--log-format", "pretty", "json"]);
    refuses(&["--shoe-size", "44"], &["--shoe-size"]);
    let run = run(&["serve", "--listen", "nowhere"]);
    assert!(run.failure().contains("--listen"), "{run:?}");
    let output = command(&["serve"]).env("KINOTEKA_DEMO", "banana").output().unwrap();
    assert!(!output.status.success());
}

#[test]
fn help_lists_flags_and_variables() {
    let help = run(&["serve", "--help"]).ok();
    for word in ["--database-url", "DATABASE_URL", "KINOTEKA_LISTEN", "127.0.0.1:8000", "--demo", "KINOTEKA_LOG"] {
        assert!(help.contains(word), "{word} is missing in {help}");
    }
    assert!(run(&["--help"]).ok().contains("migrate"));
}
