//! The layers of docs/ARCHITECTURE.md. Crates enforce most of them: this lists which crate may use which, and checks the
//! rest in the paths of the source.

#![expect(clippy::unwrap_used, reason = "a test stops at an unexpected error")]

mod source;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use source::{Circle, Source, Target};

/// The crates of the server, lowest first, and the workspace crates that each one may use.
const CRATES: &[(&str, &[&str])] = &[
    ("entity", &[]),
    ("migration", &[]),
    ("crates/graphql", &[]),
    ("crates/settings", &[]),
    ("crates/telemetry", &[]),
    ("crates/seeding", &["entity", "migration"]),
    ("crates/request", &["graphql", "telemetry"]),
    ("crates/db", &["migration", "request", "telemetry"]),
    ("crates/http", &["graphql", "request", "settings", "telemetry"]),
    ("crates/feed", &["db", "graphql", "migration", "request", "telemetry"]),
    ("crates/kit", &["db", "entity", "graphql", "migration", "request", "telemetry"]),
    (
        "",
        &["db", "entity", "feed", "graphql", "http", "kit", "migration", "request", "seeding", "settings", "telemetry"],
    ),
];

/// The domains, one folder each. Their objects reference each other: a movie has comments, and a comment has a
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

/// The only cycles of modules, by crate. Those within a domain are an object and its users: its inputs, and the
/// mutations whose rules it shows.
const CIRCLES: &[(&str, &[&str])] = &[
    ("", DOMAINS),
    ("", &["account::admin", "account::credentials", "account::service", "account::session"]),
    ("", &["cinema::inputs", "cinema::objects"]),
    ("", &["comment::mutations", "comment::objects", "comment::service"]),
    ("", &["movie::inputs", "movie::objects"]),
    ("", &["person::inputs", "person::objects"]),
    ("", &["publication::inputs", "publication::mutations", "publication::objects", "publication::service"]),
    ("", &["rating::objects", "rating::reads"]),
    ("", &["staff::inputs", "staff::objects"]),
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

/// Modules that other modules must not name, with the reason. A module includes its submodules; `*` is any domain.
const RULES: &[(&str, &[&str], &str)] = &[
    ("*", &["app", "config", "health", "library", "kinoteka_http", "axum"], "a domain knows no transport"),
    ("*", &["sqlx", "DbBackend"], "a domain knows no database in particular"),
    ("*::service", &["async_graphql", "graphql", "request::clock"], "rules know no API, and are given the time"),
    ("library", &["app", "config"], "the schema needs no running server"),
];

/// Files that a domain may have. `account` has more, because code with passwords is separate.
const FILES: &[&str] = &["inputs", "mod", "mutations", "objects", "reads", "service", "subscription"];

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
fn modules_have_no_cycles() {
    let mut found = BTreeMap::new();
    // Entities are generated: each names the entities of its keys.
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

#[test]
fn domains_follow_their_rules() {
    let source = Source::read(&folder("src"));
    let mut broken = Vec::new();
    for (at, target) in source.names() {
        let (Target::Inside(path) | Target::Outside(path)) = target;
        for (module, words, why) in RULES {
            let is_meant = match module.strip_prefix('*') {
                Some(rest) => at.split_first().is_some_and(|(domain, below)| {
                    DOMAINS.contains(&&**domain)
                        && (rest.is_empty() || below.join("::") == rest.trim_start_matches("::"))
                }),
                None => at.first().is_some_and(|first| first == module),
            };
            let is_named = |word: &&str| word.split("::").eq(path.iter().take(word.split("::").count()));
            if is_meant && words.iter().any(is_named) {
                broken.push(format!("{} names {} ({why})", at.join("::"), path.join("::")));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn domains_have_the_same_files() {
    for domain in DOMAINS.iter().filter(|domain| **domain != "account") {
        for entry in std::fs::read_dir(folder("src").join(domain)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap();
            assert!(FILES.contains(&name), "{}", path.display());
            let inputs = std::fs::read_to_string(&path).unwrap().contains("InputObject");
            assert!(!inputs || name == "inputs", "{} has inputs", path.display());
        }
    }
}

#[test]
fn clients_of_tests_have_timeouts() {
    let mut broken = Vec::new();
    for name in ["tests/api", "tests/command_line", "tests/feed", "tests/hostile", "tests/load"] {
        for (at, target) in Source::read(&folder(name)).names() {
            let (Target::Inside(path) | Target::Outside(path)) = target;
            let path = path.join("::");
            if path.ends_with("Client::new") || path.ends_with("Client::builder") || path == "reqwest::get" {
                broken.push(format!("{name}/{} names {path}: support::client is for that", at.join("/")));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn the_kit_names_only_its_own_table() {
    let source = Source::read(&folder("crates/kit/src"));
    let own = ["audit", "idempotency"];
    let is_foreign = |(at, target): &(&Vec<String>, Target)| {
        matches!(target, Target::Outside(path) if path[0] == "entity") && !own.contains(&&*at[0])
    };
    let found: Vec<_> = source.names().filter(is_foreign).map(|(at, _)| at.join("::")).collect();
    assert!(found.is_empty(), "{found:?}");
}
