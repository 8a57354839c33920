//! Makes the list of the pages' files that the binary embeds, from `web/dist`, where
//! `scripts/web` leaves them. Without that folder the list is empty. Names the commit.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let root = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    let dist = root.join("web/dist");
    let mut files = Vec::new();
    if dist.exists() {
        println!("cargo::rerun-if-changed=web/dist");
        list_files(&dist, &mut files)?;
    } else {
        // A watched path that is missing would have this run every time.
        println!("cargo::rerun-if-changed=web");
    }
    files.sort();
    let mut list = "&[\n".to_owned();
    for file in &files {
        let path = file.strip_prefix(&dist).map_err(io::Error::other)?.display().to_string();
        // The macro reads the file, so that cargo rebuilds when its content changes.
        let _ = writeln!(list, "    ({path:?}, include_bytes!({:?})),", file.display().to_string());
    }
    list.push_str("]\n");
    fs::write(Path::new(&variable("OUT_DIR")?).join("web.rs"), list)?;
    println!("cargo::rustc-env=KINOTEKA_COMMIT={}", find_commit(&root));
    Ok(())
}

fn variable(name: &str) -> io::Result<String> {
    env::var(name).map_err(io::Error::other)
}

fn list_files(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            list_files(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

/// The commit of a release build: the variable `KINOTEKA_COMMIT`, or what git says. Other
/// builds do not ask, since every commit would then build everything again.
fn find_commit(root: &Path) -> String {
    println!("cargo::rerun-if-env-changed=KINOTEKA_COMMIT");
    if let Ok(commit) = env::var("KINOTEKA_COMMIT") {
        return commit;
    }
    if env::var("PROFILE").is_ok_and(|profile| profile == "release")
        && let Some(log) = git(root, &["rev-parse", "--git-path", "logs/HEAD"])
        && let Some(commit) = git(root, &["rev-parse", "--short=12", "HEAD"])
    {
        println!("cargo::rerun-if-changed={log}");
        return commit;
    }
    "unknown".to_owned()
}

fn git(root: &Path, args: &[&str]) -> Option<String> {
    let output = Command::new("git").arg("-C").arg(root).args(args).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
