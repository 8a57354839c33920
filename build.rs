//! Compresses and lists the files of pages that the binary embeds: those of `web/dist`, where `scripts/web` leaves them
//! (none without that folder), and the plain page. Names the commit.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

use flate2::Compression;
use flate2::write::GzEncoder;

fn main() -> io::Result<()> {
    let root = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(variable("OUT_DIR")?);
    let dist = root.join("web/dist");
    let plain = root.join("src/http/ide");
    // A watched path that is missing would have this run every time.
    println!("cargo::rerun-if-changed={}", if dist.exists() { "web/dist" } else { "web" });
    println!("cargo::rerun-if-changed=src/http/ide");
    embed("built", &dist, &out)?;
    embed("plain", &plain, &out)?;
    println!("cargo::rustc-env=KINOTEKA_COMMIT={}", find_commit(&root));
    Ok(())
}

fn variable(name: &str) -> io::Result<String> {
    env::var(name).map_err(io::Error::other)
}

/// Writes the list of a folder's files, with each path inside it and the compressed content.
fn embed(name: &str, folder: &Path, out: &Path) -> io::Result<()> {
    let mut files = Vec::new();
    if folder.exists() {
        list_files(folder, &mut files)?;
    }
    files.sort();
    let mut list = "&[\n".to_owned();
    for (number, file) in files.iter().enumerate() {
        let path = file.strip_prefix(folder).map_err(io::Error::other)?.display().to_string();
        let compressed = out.join(format!("{name}-{number}.gz"));
        fs::write(&compressed, compress(&fs::read(file)?)?)?;
        let _ = writeln!(list, "    ({path:?}, include_bytes!({:?})),", compressed.display().to_string());
    }
    list.push_str("]\n");
    fs::write(out.join(format!("{name}.rs")), list)
}

fn compress(content: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(content)?;
    encoder.finish()
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
