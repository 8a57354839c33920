//! A SQLite file that cannot be written for a while: acknowledged changes survive, others get `UNAVAILABLE`, and
//! `/readyz` reports the state.

use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::honest::Honest;
use crate::site::{Remains, SIGN_UP, Site, copy_demo};
use crate::volume::{Volume, is_root};

/// A file that fills part of the volume, and is deleted to free space.
const BALLAST: usize = 4 << 20;

/// The number of new accounts when the disk has space again.
const ACCOUNTS: usize = 30;

/// The number of failures to wait for. Each one leaves a connection behind.
const FAILURES: usize = 4;

/// Adds comments of 4,000 letters until some have failed. Returns the acknowledged ones and the errors of the
/// others.
async fn fill(site: &Site, token: &str) -> (Vec<i64>, Vec<String>) {
    let text = "ж".repeat(4_000);
    let (mut acknowledged, mut failed) = (Vec::new(), Vec::new());
    while failed.len() < FAILURES {
        match site.comment(token, &text).await {
            Ok(id) => acknowledged.push(id),
            Err(error) => failed.push(error),
        }
        assert!(acknowledged.len() < 10_000, "the disk does not fill up");
    }
    (acknowledged, failed)
}

/// Creates accounts, half of them with an idempotency key. Returns the acknowledged ones.
async fn sign_up(site: &Site, token: &str) -> Vec<String> {
    site.be_refused(token).await;
    let mut names = Vec::new();
    for number in 0..ACCOUNTS {
        let name = format!("after{number}");
        let key = (number % 2 == 0).then(|| format!("key{number}"));
        let input = json!({ "name": name, "email": format!("{name}@example.org") });
        let it = site.ask_keyed(None, key.as_deref(), SIGN_UP, input).await.unwrap();
        assert!(it["token"].is_string(), "{it}");
        names.push(name);
    }
    names
}

/// Kills the server, and asserts that the file, then the restarted server, has all acknowledged changes.
async fn check(mut site: Site, file: &Path, comments: &[i64], names: &[String]) {
    site.crash();
    let remains = Remains::of(file).await;
    let lost = remains.missing(comments).await.len();
    let kept = remains.count("SELECT count(*) FROM users WHERE username LIKE 'after%'").await;
    assert_eq!((lost, usize::try_from(kept).unwrap()), (0, names.len()), "lost comments, existing accounts");
    assert!(remains.is_intact().await);
    site.restart();
    for name in names.iter().take(2) {
        let query = "mutation ($name: String!) {
            it: logIn(input: { login: $name, password: \"quite a long one\" }) { token } }";
        let it = site.ask(None, query, json!({ "name": name })).await.unwrap();
        assert!(it["token"].is_string(), "{name}: {it}");
    }
}

fn assert_unavailable(failed: &[String]) {
    for error in failed {
        assert!(error.starts_with("UNAVAILABLE the database cannot"), "{failed:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_changes_survive_a_full_disk() {
    let volume = Volume::mount("20m");
    let file = volume.outside("kinoteka.db");
    copy_demo(&file).await;
    std::fs::write(volume.outside("ballast"), vec![0; BALLAST]).unwrap();
    let url = format!("sqlite://{}", volume.inside("kinoteka.db").display());
    let site = Site::start(&url, &volume.starter(), &[]);
    let token = site.log_in("member").await;
    assert_eq!(site.ready().await, (200, "full\n".to_owned()));

    let reader = Honest::queries(site.server.url.clone(), "{ movies(first: 3) { nodes { title } } }");
    let (comments, failed) = fill(&site, &token).await;
    assert_unavailable(&failed);
    assert_eq!(site.wait_ready(503).await, "read-only: the database cannot be written: its disk is full\n");

    std::fs::remove_file(volume.outside("ballast")).unwrap();
    site.wait_ready(200).await;
    let names = sign_up(&site, &token).await;
    let felt = reader.stop().await;
    assert!(felt.failed.is_empty() && felt.asked > 3, "{felt:?}");
    check(site, &file, &comments, &names).await;
}

/// Beyond the maximum size of a file, a write is an I/O error.
#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_changes_survive_io_errors() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kinoteka.db");
    copy_demo(&file).await;
    // SQLite's log grows to 4 MiB before it is overwritten. `ulimit` counts blocks of 512 bytes.
    let script = "trap '' XFSZ; ulimit -S -f 4096; exec \"$@\"";
    let starter = ["sh", "-c", script, "sh"].map(str::to_owned);
    let mut site = Site::start(&format!("sqlite://{}", file.display()), &starter, &[]);
    let token = site.log_in("member").await;

    let (comments, failed) = fill(&site, &token).await;
    assert_unavailable(&failed);
    let told = "read-only: the database cannot be written: its files cannot be read or written\n";
    assert_eq!(site.wait_ready(503).await, told);

    run("prlimit", &["--pid", &site.server.id().to_string(), "--fsize=unlimited:"]);
    site.starter.clear();
    site.wait_ready(200).await;
    let names = sign_up(&site, &token).await;
    check(site, &file, &comments, &names).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_changes_survive_immutable_files() {
    assert!(is_root(), "this test makes files immutable (chattr +i): it needs root with CAP_LINUX_IMMUTABLE");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kinoteka.db");
    copy_demo(&file).await;
    let site = Site::start(&format!("sqlite://{}", file.display()), &[], &[]);
    let token = site.log_in("member").await;
    let mut comments = vec![site.comment(&token, "Раз").await.unwrap()];

    let immutable = Immutable::make(folder.path());
    let failed = [site.comment(&token, "Два").await.unwrap_err(), site.sign_up("never").await.unwrap_err()];
    assert_unavailable(&failed);
    site.wait_ready(503).await;
    drop(immutable);

    site.wait_ready(200).await;
    comments.push(site.comment(&token, "Три").await.unwrap());
    let names = sign_up(&site, &token).await;
    check(site, &file, &comments, &names).await;
}

/// Files that are immutable until this is dropped.
struct Immutable(Vec<String>);

impl Immutable {
    fn make(folder: &Path) -> Self {
        let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path().display().to_string());
        let files: Vec<_> = files.collect();
        let immutable = Self(files);
        immutable.change("+i");
        immutable
    }

    fn change(&self, flag: &str) {
        let files: Vec<_> = std::iter::once(flag).chain(self.0.iter().map(String::as_str)).collect();
        run("chattr", &files);
    }
}

impl Drop for Immutable {
    fn drop(&mut self) {
        self.change("-i");
    }
}

fn run(program: &str, args: &[&str]) {
    let output = Command::new(program).args(args).output();
    let output = output.unwrap_or_else(|error| panic!("this test needs {program}: {error}"));
    assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}
