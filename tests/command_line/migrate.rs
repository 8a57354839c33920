//! `kinoteka migrate`.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use sea_orm::ConnectionTrait;

use crate::process::{Run, command, run};
use crate::support::client::in_time;
use crate::support::database::{Backend, TestDatabase, read_texts};

on_both!(
    down_shows_what_is_deleted_and_asks,
    status_has_an_exit_code_for_scripts,
    up_status_and_down_report_what_they_did,
    finish_switches_to_ticks,
    simultaneous_migrations_apply_steps_once,
    adopt_refuses_an_empty_database,
    status_counts_blank_and_ambiguous_texts_and_keeps_them,
);

async fn status_counts_blank_and_ambiguous_texts_and_keeps_them(backend: Backend) {
    let database = TestDatabase::seeded_with_accounts(backend).await;
    let status = || run(&["migrate", "status", "--database-url", &database.url]).ok();
    let found = |status: &str| -> Vec<String> {
        status.lines().filter(|line| line.contains(" in ")).map(str::to_owned).collect()
    };
    assert_eq!(found(&status()), [""; 0], "the seeder writes none");
    let db = database.connect().await;
    if backend == Backend::Postgres {
        // Written before names were composed.
        db.execute_unprepared("SET session_replication_role = replica").await.unwrap();
    }
    for old in [
        "INSERT INTO tags (title) VALUES ('Май'), ('Маи\u{306}'), ('\u{200b}')",
        "UPDATE users SET email = 'аи\u{306}@example.org' WHERE id = 1",
        "UPDATE users SET email = 'ай@example.org', bio = '\u{3164} \u{2800}' WHERE id = 2",
        "UPDATE users SET bio = '' WHERE id = 3",
        "UPDATE comments SET comment = '\u{feff}' WHERE id IN (1, 2)",
    ] {
        db.execute_unprepared(old).await.unwrap();
    }
    let expected = [
        "blank texts in tags.title: 1",
        "blank texts in users.bio: 2",
        "blank texts in comments.comment: 2",
        "twins in tags.title: 2",
        "twins in users.email: 2",
    ];
    let first = status();
    assert_eq!(found(&first), expected);
    assert_eq!(status(), first, "`status` must change nothing");
}

/// Runs a command on a terminal with this input, and returns the terminal's output.
fn at_a_terminal(args: &[&str], typed: &str) -> Run {
    let quoted = |word: &str| format!("'{word}'");
    let words: Vec<_> = [env!("CARGO_BIN_EXE_kinoteka")].iter().chain(args).map(|word| quoted(word)).collect();
    let mut script = Command::new("script");
    script.args(["--quiet", "--return", "--command", &words.join(" "), "/dev/null"]).env_remove("DATABASE_URL");
    let mut process = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    process.stdin.as_mut().unwrap().write_all(typed.as_bytes()).unwrap();
    let output = process.wait_with_output().unwrap();
    Run { status: output.status, stdout: String::from_utf8(output.stdout).unwrap(), stderr: String::new() }
}

async fn down_shows_what_is_deleted_and_asks(backend: Backend) {
    let database = TestDatabase::seeded(backend).await;
    let db = database.connect().await;
    let date = if backend == Backend::Postgres { "now()" } else { "'2026-01-01T00:00:00+00:00'" };
    db.execute_unprepared(&format!("UPDATE publications SET deleted_at = {date} WHERE id = 7")).await.unwrap();
    let down = ["migrate", "down", "--database-url", &database.url];
    let all = [&down[..], &["--steps", "99"]].concat();
    let status = || run(&["migrate", "status", "--database-url", &database.url]).ok();
    let before = status();
    // Without a terminal, nobody can confirm.
    let refused = run(&all);
    assert!(refused.failure().ends_with("so nothing was changed; add --yes to revert the steps"), "{refused:?}");
    for told in [
        "reverting 0016_publication_deletions deletes 1 row of publications, the column publications.deleted_at",
        "the table movies with 500 rows",
        "reverting 0002_indexes deletes no data",
        "the table users with 300 rows",
    ] {
        assert!(refused.stderr.contains(told), "{told} is missing in {}", refused.stderr);
    }
    assert_eq!(refused.stdout, "");
    for typed in ["n\n", "\n", "\u{4}"] {
        let declined = at_a_terminal(&all, typed);
        assert!(!declined.status.success() && declined.stdout.contains("[y/N]"), "{declined:?}");
        assert!(declined.stdout.trim_end().ends_with("nothing was changed"), "{declined:?}");
    }
    assert_eq!(status(), before);
    let agreed = at_a_terminal(&down, "y\n");
    assert!(agreed.status.success() && agreed.stdout.contains("reverted 0016_publication_deletions"), "{agreed:?}");
    let yes = run(&[&all[..], &["--yes"]].concat());
    assert_eq!(yes.stdout.lines().count(), migration::STEPS.len() - 1, "{yes:?}");
    let empty = run(&down).ok();
    assert_eq!(empty, "nothing to revert\n", "no confirmation without anything to do");
}

async fn status_has_an_exit_code_for_scripts(backend: Backend) {
    let database = TestDatabase::empty(backend).await;
    database.connect().await.close().await.unwrap();
    let code =
        |args: &[&str]| run(&[&["migrate", "status", "--database-url", &database.url], args].concat()).status.code();
    assert_eq!((code(&[]), code(&["--exit-code"])), (Some(0), Some(3)));
    run(&["migrate", "up", "--database-url", &database.url]).ok();
    assert_eq!((code(&[]), code(&["--exit-code"])), (Some(0), Some(0)));
    let nowhere = run(&["migrate", "status", "--exit-code", "--database-url", "mysql://x"]);
    assert_eq!(nowhere.status.code(), Some(1), "an error has another status");
}

/// `status` creates no file, so the advice differs from that of the server.
#[test]
fn a_missing_sqlite_file_is_reported_with_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("none.db");
    for (mode, told) in
        [("?mode=rwc", "`kinoteka migrate up` and `kinoteka serve` create it"), ("", "?mode=rwc in the URL")]
    {
        let status = run(&["migrate", "status", "--database-url", &format!("sqlite://{}{mode}", file.display())]);
        assert!(status.failure().contains(told), "{status:?}");
        assert_eq!(status.stderr.contains("mode=rwc"), mode.is_empty(), "{status:?}");
        assert!(status.stderr.contains("`kinoteka migrate up`"), "which creates it; reading does not: {status:?}");
    }
    assert!(!file.exists());
}

async fn up_status_and_down_report_what_they_did(backend: Backend) {
    let database = TestDatabase::empty(backend).await;
    // `status` creates no SQLite file; connecting does.
    database.connect().await.close().await.unwrap();
    let migrate = |command: &str| run(&["migrate", command, "--database-url", &database.url]).ok();
    let status = migrate("status");
    assert!(status.starts_with("pending 0001_tables\npending 0002_indexes\n"), "{status}");
    assert!(status.contains("run `kinoteka migrate up`"), "{status}");
    let up = migrate("up");
    assert!(up.starts_with("applied 0001_tables\napplied 0002_indexes\n"), "{up}");
    assert_eq!(migrate("up"), "nothing to apply: the schema is current\n");
    let status = migrate("status");
    assert!(status.starts_with("applied 0001_tables\n") && status.ends_with("the database schema is current\n"));
    let last = status.lines().rfind(|line| line.starts_with("applied ")).unwrap().to_owned();
    let down = run(&["migrate", "down", "--yes", "--database-url", &database.url]).ok();
    assert_eq!(down, format!("{}\n", last.replace("applied", "reverted")));
    assert!(migrate("status").contains(&last.replace("applied", "pending")));
    assert_eq!(migrate("up"), format!("{last}\n"));
}

/// A new database needs no `finish`. A database of the previous release does, and that release can then no longer use it.
async fn finish_switches_to_ticks(backend: Backend) {
    let database = TestDatabase::migrated(backend).await;
    let finish = || run(&["migrate", "finish", "--database-url", &database.url]).ok();
    assert_eq!(finish(), "nothing to finish\n");
    let empty = TestDatabase::empty(backend).await;
    let early = run(&["migrate", "finish", "--database-url", &empty.url]);
    assert!(early.failure().contains("run `kinoteka migrate up`"), "{early:?}");
    if backend == Backend::Postgres {
        let db = database.connect().await;
        db.execute_unprepared(
            "UPDATE comment_feed SET ordering = 'XACT'; UPDATE schema_steps SET requires = '0014_schema_steps'",
        )
        .await
        .unwrap();
        assert_eq!(finish(), "the comment feed is ordered by ticks now\n");
        let sql = "SELECT ordering || requires FROM comment_feed, schema_steps WHERE name = '0015_comment_ticks'";
        let row = db.query_one_raw(sea_orm::Statement::from_string(sea_orm::DbBackend::Postgres, sql)).await.unwrap();
        assert_eq!(row.unwrap().try_get_by_index::<String>(0).unwrap(), "TICK0015_comment_ticks");
    }
    assert_eq!(finish(), "nothing to finish\n");
}

async fn simultaneous_migrations_apply_steps_once(backend: Backend) {
    let database = TestDatabase::empty(backend).await;
    let processes: Vec<_> = (0..4)
        .map(|_| {
            command(&["migrate", "up", "--database-url", &database.url])
                .stdout(std::process::Stdio::piped())
                .stderr(std::process::Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    let mut applied = Vec::new();
    for process in processes {
        let output = process.wait_with_output().unwrap();
        let run = Run {
            status: output.status,
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        };
        applied.extend(run.ok().lines().filter(|line| line.starts_with("applied ")).map(str::to_owned));
    }
    let steps: Vec<_> = migration::STEPS.iter().map(|step| format!("applied {}", step.name)).collect();
    assert_eq!(applied, steps, "one process must apply all steps");
}

/// Kills the process with -9 at each command of the new steps, where an event trigger stops it.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_migration_leaves_the_schema_unchanged() {
    let database = TestDatabase::migrated(Backend::Postgres).await;
    let db = database.connect().await;
    let holder = database.connect().await;
    let new = migration::STEPS.iter().filter(|step| step.name >= "0014").count();
    migration::down(&db, new.try_into().unwrap()).await.unwrap();
    for statement in [
        "CREATE SEQUENCE commands; CREATE TABLE hold (at bigint)",
        "CREATE FUNCTION hold_here() RETURNS event_trigger LANGUAGE plpgsql SET lock_timeout = 0 AS $$
         BEGIN IF nextval('commands') = (SELECT at FROM hold) THEN PERFORM pg_advisory_lock_shared(1); END IF; END $$",
        "CREATE EVENT TRIGGER hold_here ON ddl_command_end EXECUTE FUNCTION hold_here()",
    ] {
        db.execute_unprepared(statement).await.unwrap();
    }
    let up = ["migrate", "up", "--database-url", &database.url];
    let status = || run(&["migrate", "status", "--database-url", &database.url]).ok();
    let before = status();
    let mut killed = 0;
    for at in 1.. {
        db.execute_unprepared(&format!("TRUNCATE hold; INSERT INTO hold VALUES ({at})")).await.unwrap();
        db.execute_unprepared("SELECT setval('commands', 1, false)").await.unwrap();
        holder.execute_unprepared("SELECT pg_advisory_lock(1)").await.unwrap();
        let mut process = command(&up).stdout(Stdio::null()).spawn().unwrap();
        let held = "SELECT pid::text FROM pg_locks WHERE locktype = 'advisory' AND objid = 1 AND NOT granted";
        let ended = in_time(async {
            loop {
                if !read_texts(&db, held).await.is_empty() {
                    break false;
                }
                if process.try_wait().unwrap().is_some() {
                    break true;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
        if !ended {
            process.kill().unwrap();
            killed += 1;
        }
        process.wait().unwrap();
        holder.execute_unprepared("SELECT pg_advisory_unlock(1)").await.unwrap();
        if ended {
            break;
        }
        // PostgreSQL's backend continues until it notices the lost client.
        let busy = "SELECT pid::text FROM pg_stat_activity WHERE datname = current_database()
            AND application_name = 'kinoteka'";
        in_time(async {
            while !read_texts(&db, busy).await.is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
        assert_eq!(status(), before, "killed at command {at}");
    }
    assert!(killed >= 3, "killed {killed} times");
    assert!(status().ends_with("the database schema is current\n"), "{}", status());
}

async fn adopt_refuses_an_empty_database(backend: Backend) {
    let database = TestDatabase::empty(backend).await;
    let refused = run(&["migrate", "adopt", "--database-url", &database.url]);
    assert!(refused.failure().contains("nothing to adopt"), "{refused:?}");
    run(&["migrate", "up", "--database-url", &database.url]).ok();
    let known = run(&["migrate", "adopt", "--database-url", &database.url]).ok();
    assert_eq!(known, "nothing to record: all steps were known\n");
}

/// Without rights, a user learns that nothing is pending, or who must run the migration.
#[tokio::test(flavor = "multi_thread")]
async fn up_needs_rights_only_if_something_is_pending() {
    let database = TestDatabase::migrated(Backend::Postgres).await;
    let owner = database.connect().await;
    owner
        .execute_unprepared("CREATE ROLE may_read LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO may_read")
        .await
        .unwrap();
    let url = database.url.replace("kinoteka@", "may_read@");
    let up = || run(&["migrate", "up", "--database-url", &url]);
    assert_eq!(up().ok(), "nothing to apply: the schema is current\n");
    run(&["migrate", "down", "--yes", "--database-url", &database.url]).ok();
    assert!(up().failure().contains("this user may not change the schema; let the owner of the tables run this"));

    // A standby refuses in the same way.
    let standby =
        format!("ALTER DATABASE {} SET default_transaction_read_only = on", database.url.rsplit('/').next().unwrap());
    owner.execute_unprepared(&standby).await.unwrap();
    for command in [&["up"][..], &["down", "--yes"], &["adopt"]] {
        let refused = run(&[&["migrate"], command, &["--database-url", &database.url]].concat());
        assert!(refused.failure().contains("is a standby or read-only; name the leader"), "{command:?}: {refused:?}");
    }
}

/// The error of `CREATE EXTENSION` on a PostgreSQL without its contrib modules.
#[tokio::test(flavor = "multi_thread")]
async fn a_missing_extension_is_reported_with_the_remedy() {
    let database = TestDatabase::empty(Backend::Postgres).await;
    let error = database.connect().await.execute_unprepared("CREATE EXTENSION no_such").await.unwrap_err();
    let told = migration::explain_refusal(&error).unwrap();
    assert!(
        told.contains("no_such") && told.ends_with("install PostgreSQL's contrib modules on each server"),
        "{told}"
    );
}

/// The error behind PgBouncer in transaction mode, if the pooler was not noticed before.
#[tokio::test(flavor = "multi_thread")]
async fn a_missing_prepared_statement_is_reported_with_the_remedy() {
    let database = TestDatabase::empty(Backend::Postgres).await;
    let error = database.connect().await.execute_unprepared("EXECUTE no_such").await.unwrap_err();
    let told = migration::explain_refusal(&error).unwrap();
    assert!(told.contains("transaction mode") && told.ends_with("or connect to PostgreSQL directly"), "{told}");
}
