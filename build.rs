//! Names the commit that is built.

use std::env;
use std::path::Path;
use std::process::Command;

fn main() -> Result<(), env::VarError> {
    println!("cargo::rerun-if-changed=build.rs");
    let root = env::var("CARGO_MANIFEST_DIR")?;
    println!("cargo::rustc-env=KINOTEKA_COMMIT={}", find_commit(Path::new(&root)));
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
