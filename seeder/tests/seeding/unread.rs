//! Runs whose output nobody reads.

use std::process::{Command, ExitStatus, Stdio};

use crate::content::assert_same_rows;
use crate::program::{command, in_shell};
use crate::support::database::{Backend, TestDatabase};

on_both!(a_run_without_readers_continues_to_its_end, a_run_without_outputs_continues_to_its_end);

/// Runs a program whose output pipes are closed before it prints.
fn run_unread(command: &mut Command) -> ExitStatus {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop((child.stdout.take(), child.stderr.take()));
    child.wait().unwrap()
}

async fn a_run_without_readers_continues_to_its_end(backend: Backend) {
    let (database, whole) = (TestDatabase::migrated(backend).await, TestDatabase::seeded(backend).await);
    let status = run_unread(&mut command(&database, "seed", &[]));
    assert!(status.success(), "{status}");
    assert_same_rows(&database.connect().await, &whole.connect().await).await;
    // The exit status has the result.
    assert_eq!(run_unread(&mut command(&database, "seed", &[])).code(), Some(1));
    assert_eq!(run_unread(&mut command(&database, "restore", &[])).code(), Some(0));
}

/// A file that is opened next, such as the database, must not reuse the number of a closed output.
async fn a_run_without_outputs_continues_to_its_end(backend: Backend) {
    let (database, whole) = (TestDatabase::migrated(backend).await, TestDatabase::seeded(backend).await);
    let status = in_shell("exec \"$@\" <&- >&- 2>&-", &database, &[]).status().unwrap();
    assert!(status.success(), "{status}");
    assert_same_rows(&database.connect().await, &whole.connect().await).await;
}
