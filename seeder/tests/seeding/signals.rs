//! Runs that are stopped by a signal.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use crate::content::count;
use crate::deferred::{catalogue, pending};
use crate::program::{SECONDS, STEPS, command, eventually, in_shell, message, seed_until, signal, start_until};
use crate::support::database::{Backend, TestDatabase};

on_both!(a_stopped_run_restores_what_it_dropped, several_hangups_count_once,);

fn deferring() -> Vec<&'static str> {
    [SECONDS, &["--defer-indexes"]].concat()
}

async fn a_stopped_run_restores_what_it_dropped(backend: Backend) {
    let database = TestDatabase::migrated(backend).await;
    let db = database.connect().await;
    let before = catalogue(&db).await;
    // Each run continues where the previous one stopped.
    for (name, done) in [("INT", "load_users..OK"), ("TERM", "load_persons..OK")] {
        let (child, _) = seed_until(&database, &deferring(), done);
        signal(name, child.id());
        let text = message(&child.wait_with_output().unwrap());
        assert!(
            text.contains("stopped at load_") && text.contains("start again with the same flags"),
            "{name}: {text}"
        );
        assert_eq!((catalogue(&db).await, pending(&db).await), (before.clone(), 0), "{name}");
    }
    assert_eq!((count(&db, "users").await, count(&db, "persons").await), (60_000, 30_000));
    let restored = command(&database, "restore", &[]).output().unwrap();
    assert_eq!(String::from_utf8(restored.stdout).unwrap(), "nothing to restore\n");
}

/// A terminal that closes sends one hang-up, its shell another.
async fn several_hangups_count_once(backend: Backend) {
    let database = TestDatabase::migrated(backend).await;
    let db = database.connect().await;
    let before = catalogue(&db).await;
    // The tests may run with hang-ups ignored.
    let mut program = Command::new("env");
    let seeder = command(&database, "seed", &deferring());
    program.arg("--default-signal=HUP").arg(seeder.get_program()).args(seeder.get_args()).env_remove("DATABASE_URL");
    let (mut child, ..) = start_until(&mut program, "load_users..OK");
    signal("HUP", child.id());
    let mut said = BufReader::new(child.stderr.take().unwrap());
    let mut text = String::new();
    while !text.contains("interrupted at load_") {
        assert!(said.read_line(&mut text).unwrap() > 0, "{text}");
    }
    // The program may have ended.
    let _ = Command::new("kill").args(["-HUP", &child.id().to_string()]).stderr(Stdio::null()).status();
    said.read_to_string(&mut text).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1), "{text}");
    assert!(text.contains("stopped at load_"), "{text}");
    assert_eq!((catalogue(&db).await, pending(&db).await), (before, 0));
}

/// The program cannot print to a closed terminal.
#[tokio::test(flavor = "multi_thread")]
async fn a_closing_terminal_stops_a_run() {
    let database = TestDatabase::migrated(Backend::Postgres).await;
    let db = database.connect().await;
    let before = catalogue(&db).await;
    let seeder = command(&database, "seed", &deferring());
    let words = [seeder.get_program()].into_iter().chain(seeder.get_args()).map(|word| word.to_str().unwrap());
    let line = format!("exec env --default-signal=HUP {}", words.collect::<Vec<_>>().join(" "));
    let mut terminal = Command::new("script");
    terminal.args(["--quiet", "--command", &line, "/dev/null"]).env_remove("DATABASE_URL");
    let mut terminal = terminal.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    eventually("users are stored", async || count(&db, "users").await > 0).await;
    assert!(pending(&db).await > 50);
    terminal.kill().unwrap();
    terminal.wait().unwrap();
    let seeders = "pg_stat_activity WHERE application_name = 'kinoteka seeder' AND datname = current_database()";
    eventually("all is back", async || pending(&db).await == 0 && count(&db, seeders).await == 0).await;
    assert_eq!(catalogue(&db).await, before);
    assert_eq!(count(&db, "seeding_steps WHERE name = 'all_done'").await, 0, "it was stopped");
}

#[tokio::test(flavor = "multi_thread")]
async fn nohup_keeps_a_run_going() {
    let database = TestDatabase::migrated(Backend::Sqlite).await;
    let args = ["--comments=20000", "--ratings=20000"];
    // As `nohup` does.
    let mut program = in_shell("trap '' HUP; exec \"$@\"", &database, &args);
    let (child, mut lines, output) = start_until(&mut program, "load_users..OK");
    signal("HUP", child.id());
    lines.extend(output.lines().map(Result::unwrap));
    let ended = child.wait_with_output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    assert_eq!(lines, STEPS);
}
