//! The page `docs/configuration.md`.

use std::path::Path;
use std::process::Command;

/// `scripts/configuration` writes the page.
#[test]
fn the_page_of_settings_is_current() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
    let output = Command::new(env!("CARGO_BIN_EXE_seeder")).arg("reference").output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("### seeder load") && said.contains("| `--duration` |"), "{said}");
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.ends_with(&said), "docs/configuration.md is stale: run scripts/configuration");
}

#[test]
fn help_fits_80_columns() {
    for words in [&[][..], &["seed"], &["load"], &["restore"]] {
        for flag in ["-h", "--help"] {
            let output = Command::new(env!("CARGO_BIN_EXE_seeder")).args(words).arg(flag).output().unwrap();
            let help = String::from_utf8(output.stdout).unwrap();
            let long: Vec<_> = help.lines().filter(|line| line.chars().count() > 80).collect();
            assert!(help.contains("Usage:") && long.is_empty(), "{words:?} {flag}: {long:#?}");
        }
    }
}
