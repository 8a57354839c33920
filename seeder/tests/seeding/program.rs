//! Starts the program and reads its output.

use std::fmt::Display;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::support::database::TestDatabase;

/// The lines of a complete run on standard output.
pub const STEPS: [&str; 16] = [
    "load_tags..OK",
    "load_publications_category..OK",
    "load_award_registry..OK",
    "load_awards_nominations..OK",
    "load_persons_positions..OK",
    "load_cinema_online..OK",
    "load_movies_data..OK",
    "load_users..OK",
    "load_persons..OK",
    "load_movies_staff..OK",
    "load_awards..OK",
    "load_cinema_movie_presence..OK",
    "load_user_movie_orders..OK",
    "load_publications..OK",
    "load_comments..OK",
    "load_users_rating..OK",
];

/// A size that takes seconds and fills most tables in several chunks.
pub const SECONDS: &[&str] =
    &["--movies=2000", "--persons=30000", "--users=60000", "--comments=60000", "--ratings=60000", "--publications=100"];

/// `seeder COMMAND` for a database.
pub fn command(database: &TestDatabase, name: &str, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_seeder"));
    command.args([name, "--database-url", &database.url]).args(args).env_remove("DATABASE_URL");
    command
}

/// Runs `seeder seed` to the end.
pub fn seed(database: &TestDatabase, args: &[&str]) -> Output {
    command(database, "seed", args).output().unwrap()
}

/// `seeder seed` started by a shell: the script ends with the program, which is `"$@"`.
pub fn in_shell(script: &str, database: &TestDatabase, args: &[&str]) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script, "sh", env!("CARGO_BIN_EXE_seeder"), "seed", "--database-url", &database.url]);
    command.args(args).env_remove("DATABASE_URL");
    command
}

/// Runs `seeder seed` with a limit on file sizes, in half kilobytes: this resembles a full disk most closely without
/// privileges.
pub fn seed_in_little_room(database: &TestDatabase, blocks: u32) -> Output {
    // Without the trap the signal would end the program.
    in_shell(&format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\""), database, &[]).output().unwrap()
}

/// Runs `seeder seed`, which must succeed. Returns its lines on standard output.
pub fn seed_well(database: &TestDatabase, args: &[&str]) -> Vec<String> {
    let output = seed(database, args);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// Standard error of a run that must fail.
pub fn message(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Starts `seeder seed` and waits until it prints a line. Returns the lines up to it.
pub fn seed_until(database: &TestDatabase, args: &[&str], line: &str) -> (Child, Vec<String>) {
    let (child, lines, _) = start_until(&mut command(database, "seed", args), line);
    (child, lines)
}

/// Starts a program and waits until it prints a line. Returns the lines up to it and a reader for the rest.
pub fn start_until(command: &mut Command, line: &str) -> (Child, Vec<String>, BufReader<ChildStdout>) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut lines = Vec::new();
    for read in output.by_ref().lines() {
        lines.push(read.unwrap());
        if lines.last().is_some_and(|last| last == line) {
            return (child, lines, output);
        }
    }
    panic!("{line} is missing in {lines:?}: {:?}", child.wait_with_output());
}

/// Sends a signal, such as `TERM`, to a process.
pub fn signal(name: &str, process: impl Display) {
    let status = Command::new("kill").args([format!("-{name}"), process.to_string()]).status().unwrap();
    assert!(status.success(), "kill -{name} {process}: {status}");
}

/// Waits until a condition is true.
pub async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so().await {
        assert!(Instant::now() < deadline, "timed out waiting until {what}");
        sleep(Duration::from_millis(10)).await;
    }
}
