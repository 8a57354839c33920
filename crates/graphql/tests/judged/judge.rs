//! Runs `tests/documents/judge.mjs`.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use graphql::Schema;

/// The judge's result for a case.
pub type Verdict = serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The text of a file by its path in the project.
pub fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap()
}

/// A schema by its path in the project.
pub fn schema(path: &str) -> Schema {
    Schema::from_sdl(&read(path)).unwrap()
}

/// Runs the judge with these arguments and this standard input, and returns its verdicts.
pub fn ask(arguments: &[&str], input: &str) -> Vec<Verdict> {
    ask_lines(arguments, input).iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The same as the lines that the judge writes.
pub fn ask_lines(arguments: &[&str], input: &str) -> Vec<String> {
    let folder = root().join("tests/documents");
    assert!(
        folder.join("node_modules/graphql").is_dir(),
        "graphql-js is missing: run scripts/test, or `npm ci` in tests/documents"
    );
    let mut command = Command::new("node");
    command.arg("judge.mjs").args(arguments).current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut node = command.spawn().expect("Node.js is missing: run scripts/test, or install `node`");
    node.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = node.wait_with_output().unwrap();
    assert!(output.status.success(), "judge.mjs {arguments:?}: {}", output.status);
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}
