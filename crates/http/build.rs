//! Compresses and lists the files of the embedded pages: those of `web/dist`, which `scripts/web` builds (none without
//! that folder), and the plain page.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

use flate2::Compression;
use flate2::write::GzEncoder;

fn main() -> io::Result<()> {
    let root = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(variable("OUT_DIR")?);
    let web = root.join("../../web").canonicalize()?;
    let (dist, plain) = (web.join("dist"), root.join("src/ide"));
    // If a watched path were missing, this script would run in every build.
    for watched in [if dist.exists() { &dist } else { &web }, &plain] {
        println!("cargo::rerun-if-changed={}", watched.display());
    }
    embed("built", &dist, &out)?;
    embed("plain", &plain, &out)
}

/// Writes the list of a folder's files: each file's path inside it, and the compressed content.
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
