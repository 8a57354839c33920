//! The layers of docs/ARCHITECTURE.md. Crates keep most of them: this says which crate may use which, and checks in the
//! paths of the source what crates cannot keep.

#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

mod source;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use source::{Circle, Source};

/// The crates of the server, the lowest first, and which of the workspace each one may use.
const CRATES: &[(&str, &[&str])] = &[
    ("entity", &[]),
    ("migration", &[]),
    ("crates/graphql", &[]),
    ("crates/telemetry", &[]),
    ("crates/seeding", &["entity", "migration"]),
    ("crates/request", &["graphql", "telemetry"]),
    ("crates/db", &["migration", "request", "telemetry"]),
    ("crates/http", &["graphql", "request", "telemetry"]),
    ("crates/feed", &["db", "graphql", "migration", "request", "telemetry"]),
    ("crates/kit", &["db", "entity", "graphql", "migration", "request"]),
    ("", &["db", "entity", "feed", "graphql", "http", "kit", "migration", "request", "seeding", "telemetry"]),
];

/// What users see of the library, a folder each. Their objects name each other: a movie has comments, and a comment a
/// movie.
const DOMAINS: &[&str] = &[
    "account",
    "award",
    "cinema",
    "comment",
    "movie",
    "order",
    "person",
    "publication",
    "rating",
    "staff",
    "subject",
    "tag",
];

/// The only circles of modules, by crate.
const CIRCLES: &[(&str, &[&str])] = &[
    ("", DOMAINS),
    ("", &["account::admin", "account::credentials", "account::service", "account::session"]),
    ("", &["cinema::inputs", "cinema::objects"]),
    ("", &["comment::mutations", "comment::objects", "comment::service"]),
    ("", &["movie::inputs", "movie::objects"]),
    ("", &["person::inputs", "person::objects"]),
    ("", &["publication::inputs", "publication::mutations", "publication::objects", "publication::service"]),
    ("", &["rating::objects", "rating::reads"]),
    ("", &["search::find", "search::texts", "search::titles"]),
    ("crates/http", &["events", "graphql", "socket"]),
    ("crates/http", &["params", "values"]),
    ("crates/feed", &["group::driver", "group::flow"]),
    ("crates/kit", &["audit", "changes", "cursor", "edit", "form", "idempotency", "mutate", "page", "rows", "sort"]),
    ("crates/kit", &["rows::join", "rows::link"]),
    ("crates/kit", &["rows::list", "rows::nested"]),
    ("crates/graphql", &["describe", "execution", "plan"]),
    ("crates/graphql", &["input", "schema"]),
    ("crates/graphql", &["describe::object", "describe::output"]),
    ("crates/graphql", &["execution::run", "execution::write"]),
    ("crates/graphql", &["schema::build", "schema::sdl"]),
    ("crates/seeding", &["fakes", "locale", "names", "text"]),
    ("crates/seeding", &["fakes::accounts", "fakes::world"]),
];

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

#[test]
fn crates_use_those_below_them() {
    let mut broken = Vec::new();
    for (name, allowed) in CRATES {
        let manifest = std::fs::read_to_string(folder(name).join("Cargo.toml")).unwrap();
        let dependencies = manifest.split("\n[dependencies]\n").nth(1).unwrap().split("\n[").next().unwrap();
        for used in dependencies.lines().filter_map(|line| line.split(['.', ' ']).next()) {
            let used = used.trim_start_matches("kinoteka-");
            let is_ours = CRATES.iter().any(|(path, _)| Path::new(path).file_name().is_some_and(|name| name == used));
            if is_ours && !allowed.contains(&used) && !(*name == "crates/kit" && used == "http") {
                broken.push(format!("{name} uses {used}"));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn modules_make_no_circles() {
    let mut found = BTreeMap::new();
    // Entities are generated: each names those that its keys refer to.
    for (name, _) in CRATES.iter().filter(|(name, _)| *name != "entity") {
        let circles = Source::read(&folder(name).join("src")).circles();
        let allowed = CIRCLES.iter().filter(|(path, _)| path == name).map(|(_, circle)| *circle);
        let allowed: Vec<_> = allowed.collect();
        let is_new = |circle: &Circle| {
            !allowed.iter().any(|allowed| circle.modules.iter().all(|module| allowed.contains(&&**module)))
        };
        found.insert(*name, circles.into_iter().filter(is_new).collect::<Vec<_>>());
    }
    found.retain(|_, circles| !circles.is_empty());
    assert!(found.is_empty(), "{found:#?}");
}
