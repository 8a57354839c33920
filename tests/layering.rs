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
    (&["src/http"], &["entity::", "crate::kit", "crate::schema"], "transport names no table"),
    (&["src/kit"], &["entity::", "crate::http", "crate::schema", "crate::app"], "machinery names no table"),
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
        &["crate::http", "crate::schema", "crate::app", "sqlx", "DbBackend"],
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
    (&["src/feed"], &["entity::", "crate::schema", "crate::app"], "the feed has a table of its own, and no schema"),
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

/// How a resolver learns who asks.
const WHO_ASKS: &[&str] = &["ctx.viewer()", "ctx.caller()", "viewer_with(", "of_viewer(", "is_viewer("];

/// Subscriptions share results among listeners, but for fields that depend on who asks.
#[test]
fn fields_that_depend_on_the_viewer_are_personal() {
    let files = list_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    let mut fields = 0;
    // Mutations are nobody's subscription, and the policy guards them. Fields of `objects.rs` say it themselves.
    let others = ["mutation.rs", "service.rs", "policy.rs", "objects.rs"];
    for file in files.iter().filter(|file| !others.iter().any(|name| file.ends_with(name))) {
        let mut resolver = None;
        for line in std::fs::read_to_string(file).unwrap().lines() {
            let code = line.split("//").next().unwrap();
            // Methods of GraphQL objects are not public; helpers count where they are called.
            if let Some((before, rest)) = code.split_once("fn ") {
                resolver = (before == "    async ").then(|| camel_case(rest.split(['(', '<']).next().unwrap()));
            }
            if let Some(field) = &resolver
                && WHO_ASKS.iter().any(|words| code.contains(words))
            {
                let personal = kinoteka::schema::PERSONAL.contains(&field.as_str());
                assert!(personal, "{field} in {} asks who the viewer is: name it in PERSONAL", file.display());
                fields += 1;
            }
        }
    }
    assert!(fields >= 3, "{fields} fields ask");
}

fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap().to_owned();
    words.fold(first, |name, word| {
        let (initial, rest) = word.split_at(1);
        name + &initial.to_uppercase() + rest
    })
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
