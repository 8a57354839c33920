//! The arrows of docs/ARCHITECTURE.md, checked in the `use` lines of the source.

#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::path::{Path, PathBuf};

const DOMAINS: &[&str] = &[
    "crate::account",
    "crate::award",
    "crate::cinema",
    "crate::comment",
    "crate::movie",
    "crate::order",
    "crate::person",
    "crate::publication",
    "crate::rating",
    "crate::search",
    "crate::staff",
    "crate::tag",
];

/// Paths, what must not stand in them, and why.
const RULES: &[(&[&str], &[&str], &str)] = &[
    (&["src/http"], &["entity::", "crate::kit", "crate::library"], "transport names no table"),
    (&["src/kit"], &["entity::", "crate::http", "crate::library", "crate::app"], "machinery names no table"),
    (&["src/http", "src/kit"], DOMAINS, "transport and machinery name no domain"),
    (&["src/db"], &["entity::", "crate::http", "crate::kit", "async_graphql"], "connecting knows no API"),
    (
        &[
            "src/account",
            "src/award",
            "src/cinema",
            "src/comment",
            "src/movie",
            "src/order",
            "src/person",
            "src/publication",
            "src/rating",
            "src/staff",
            "src/tag",
        ],
        &["crate::http", "crate::library", "crate::app", "sqlx", "DbBackend"],
        "a domain knows no transport and no database in particular",
    ),
    (
        &[
            "src/account/service.rs",
            "src/cinema/service.rs",
            "src/comment/service.rs",
            "src/order/service.rs",
            "src/publication/service.rs",
            "src/rating/service.rs",
            "src/tag/service.rs",
        ],
        &["async_graphql", "clock"],
        "rules know no API, and are given the time",
    ),
    (
        &["src/feed"],
        &["async_graphql", "entity::", "crate::library", "crate::app"],
        "the feed has a table of its own, and no schema",
    ),
    (&["src/feed"], DOMAINS, "the feed names no domain"),
    (
        &["crates/graphql/src"],
        &["axum", "entity::", "http::", "kinoteka", "sea_orm", "sqlx"],
        "the language names no table and no HTTP",
    ),
    (&["entity/src"], &["async_graphql", "kinoteka"], "entities are only tables"),
    (&["migration/src"], &["entity::", "async_graphql"], "the schema does not need what is generated from it"),
    (&["crates/seeding/src", "seeder/src"], &["kinoteka::", "async_graphql"], "the seeder does not need the server"),
    (
        &["tests/api", "tests/command_line", "tests/feed", "tests/hostile", "tests/load"],
        &["Client::new(", "Client::builder(", "reqwest::get("],
        "support::client makes clients that do not wait for ever",
    ),
];

#[test]
fn source_keeps_to_its_layers() {
    let mut broken = Vec::new();
    for (paths, words, why) in RULES {
        for path in *paths {
            let files = list_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join(path));
            assert!(!files.is_empty(), "nothing at {path}");
            for file in files {
                for (number, line) in std::fs::read_to_string(&file).unwrap().lines().enumerate() {
                    let code = line.split("//").next().unwrap();
                    if let Some(word) = words.iter().find(|word| code.contains(*word)) {
                        broken.push(format!("{}:{}: {word} ({why})", file.display(), number + 1));
                    }
                }
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

fn list_files(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_owned()];
    }
    let entries = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries.flat_map(|path| list_files(&path)).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "rs"));
    files
}
