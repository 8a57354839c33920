//! Runs whose words nobody reads.

use std::process::{Command, ExitStatus, Stdio};

use crate::content::assert_same_rows;
use crate::program::{command, in_shell};
use crate::support::database::{Backend, TestDatabase};

on_both!(a_run_that_nobody_reads_goes_on_to_its_end, a_run_without_outputs_goes_on_to_its_end);

/// Runs a program whose readers go away before it says a word.
fn run_unread(command: &mut Command) -> ExitStatus {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop((child.stdout.take(), child.stderr.take()));
    child.wait().unwrap()
}

async fn a_run_that_nobody_reads_goes_on_to_its_end(backend: Backend) {
    let (database, whole) = (TestDatabase::migrated(backend).await, TestDatabase::seeded(backend).await);
    let status = run_unread(&mut command(&database, "seed", &[]));
    assert!(status.success(), "{status}");
    assert_same_rows(&database.connect().await, &whole.connect().await).await;
    // How it went shows in the status.
    assert_eq!(run_unread(&mut command(&database, "seed", &[])).code(), Some(1));
    assert_eq!(run_unread(&mut command(&database, "restore", &[])).code(), Some(0));
}

/// What is opened next, such as the database's file, must not take the place of what is closed.
async fn a_run_without_outputs_goes_on_to_its_end(backend: Backend) {
    let (database, whole) = (TestDatabase::migrated(backend).await, TestDatabase::seeded(backend).await);
    let status = in_shell("exec \"$@\" <&- >&- 2>&-", &database, &[]).status().unwrap();
    assert!(status.success(), "{status}");
    assert_same_rows(&database.connect().await, &whole.connect().await).await;
}
