//! Starting the program, and reading what it said.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};

use crate::support::database::TestDatabase;

/// The lines of a whole run on standard output.
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

/// A size that takes seconds and needs several chunks of most tables.
pub const SECONDS: &[&str] =
    &["--movies=2000", "--persons=30000", "--users=60000", "--comments=60000", "--ratings=60000", "--publications=100"];

/// `seeder COMMAND` on a database.
pub fn command(database: &TestDatabase, name: &str, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_seeder"));
    command.args([name, "--database-url", &database.url]).args(args).env_remove("DATABASE_URL");
    command
}

/// Runs `seeder seed` to its end.
pub fn seed(database: &TestDatabase, args: &[&str]) -> Output {
    command(database, "seed", args).output().unwrap()
}

/// Runs `seeder seed` where no file may be longer than so many half kilobytes: the nearest to a full disk that needs
/// no privileges.
pub fn seed_in_little_room(database: &TestDatabase, blocks: u32) -> Output {
    let program = env!("CARGO_BIN_EXE_seeder");
    // Without the trap the system would end it.
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\"");
    let mut command = Command::new("sh");
    command.args(["-c", &script, "sh", program, "seed", "--database-url", &database.url]);
    command.env_remove("DATABASE_URL").output().unwrap()
}

/// Runs `seeder seed`, which must succeed; gives its lines on standard output.
pub fn seed_well(database: &TestDatabase, args: &[&str]) -> Vec<String> {
    let output = seed(database, args);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// What a run that must fail said on standard error.
pub fn message(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Starts `seeder seed` and waits until it has printed a line; gives the lines up to it.
pub fn seed_until(database: &TestDatabase, args: &[&str], line: &str) -> (Child, Vec<String>) {
    let mut child = command(database, "seed", args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = Vec::new();
    for read in BufReader::new(child.stdout.take().unwrap()).lines() {
        let read = read.unwrap();
        lines.push(read.clone());
        if read == line {
            return (child, lines);
        }
    }
    panic!("{line} never came, but {lines:?}: {:?}", child.wait_with_output());
}
