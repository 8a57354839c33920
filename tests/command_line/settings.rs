//! Flags, variables, `kinoteka config` and help.

use std::path::Path;

use clap::{Command, CommandFactory};
use kinoteka::config::Cli;

use crate::process::{Run, Server, command, run};
use crate::serve::PATIENCE;
use crate::support::database::{Backend, TestDatabase};

/// Runs the program with these environment variables.
fn run_with(args: &[&str], variables: &[(&str, &str)]) -> Run {
    let output = command(args).envs(variables.iter().copied()).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Run { status: output.status, stdout: text(output.stdout), stderr: text(output.stderr) }
}

#[test]
fn an_error_names_the_flag_or_variable_and_the_remedy() {
    for (flag, variable, value, remedy) in [
        ("--listen", "KINOTEKA_LISTEN", "8930", "127.0.0.1:8930"),
        ("--listen", "KINOTEKA_LISTEN", "localhost:8930", "127.0.0.1:8930"),
        ("--metrics-listen", "KINOTEKA_METRICS_LISTEN", "127.0.0.1", "127.0.0.1:8000"),
        ("--trusted-proxies", "KINOTEKA_TRUSTED_PROXIES", "10.0.0.0/33", "from 0 to 32, such as 10.0.0.0/8"),
        ("--cors-origins", "KINOTEKA_CORS_ORIGINS", "films.example", "https://films.example"),
        ("--database-connections", "KINOTEKA_DATABASE_CONNECTIONS", "-1", "from 1 to 1000"),
        ("--limit-depth", "KINOTEKA_LIMIT_DEPTH", "many", "at least 1"),
        ("--session-hours", "KINOTEKA_SESSION_HOURS", "1.5", "from 1 to 87600"),
        ("--ide", "KINOTEKA_IDE", "banana", "true or false"),
        ("--log-format", "KINOTEKA_LOG_FORMAT", "xml", "pretty, json"),
        // Errors that are found after the command line was parsed.
        ("--log-filter", "KINOTEKA_LOG", "=?=", "try \"info\""),
        ("--database-url", "DATABASE_URL", "mysql://localhost/x", "postgres://"),
        ("--database-url", "KINOTEKA_DATABASE_URL", "sqlite://x.db?mode=banana", "SQLite URL"),
    ] {
        let by_flag = run(&["serve", flag, value]);
        let message = by_flag.failure();
        assert!(message.contains(&format!("error: {flag}")) && message.contains(remedy), "{value}: {message}");
        assert!(!message.contains(variable), "{message}");
        let by_variable = run_with(&["serve"], &[(variable, value)]);
        let message = by_variable.failure();
        assert!(message.contains(&format!("error: {variable}")) && message.contains(remedy), "{value}: {message}");
        assert!(!message.contains(flag), "{message}");
        // The flag takes precedence, so the error names it.
        let by_both = run_with(&["serve", &format!("{flag}={value}")], &[(variable, "")]);
        assert!(by_both.failure().contains(flag), "{by_both:?}");
    }
    let demo = run_with(&["serve"], &[("KINOTEKA_DEMO", "banana")]);
    assert!(demo.failure().contains("KINOTEKA_DEMO: \"banana\" must be true or false"), "{demo:?}");
}

#[test]
fn an_empty_variable_counts_as_unset() {
    let mut variables = Vec::new();
    Cli::command().get_arguments().filter_map(|arg| arg.get_env()).for_each(|name| variables.push(name.to_owned()));
    assert!(variables.len() > 60, "{variables:?}");
    let all: Vec<_> = variables.iter().map(|name| (name.to_str().unwrap(), "")).collect();
    let (plain, empty) = (run(&["config"]), run_with(&["config"], &all));
    assert_eq!((empty.stderr.as_str(), &empty.stdout), ("", &plain.stdout));
    assert_eq!(run_with(&["--help"], &all).ok(), run(&["--help"]).ok());
}

#[tokio::test]
async fn the_database_url_is_taken_from_either_variable() {
    let database = TestDatabase::migrated(Backend::Sqlite).await;
    for variables in [
        &[("DATABASE_URL", database.url.as_str())][..],
        &[("KINOTEKA_DATABASE_URL", &database.url)],
        &[("KINOTEKA_DATABASE_URL", &database.url), ("DATABASE_URL", "mysql://elsewhere")],
        &[("KINOTEKA_DATABASE_URL", ""), ("DATABASE_URL", &database.url)],
    ] {
        assert!(run_with(&["migrate", "status"], variables).ok().ends_with("is current\n"), "{variables:?}");
    }
}

#[tokio::test]
async fn an_unknown_variable_gives_a_warning_with_a_similar_name() {
    let wrong = [("KINOTEKA_LISTN", "127.0.0.1:1"), ("KINOTEKA_SHOE_SIZE", "44"), ("KINOTEKA_URL", "http://x/")];
    let config = run_with(&["config"], &wrong);
    let warnings: Vec<_> = config.stderr.lines().collect();
    assert_eq!(warnings.len(), 2, "{config:?}");
    assert!(
        warnings[0].starts_with("warning: ")
            && warnings[0].ends_with("KINOTEKA_LISTN is unknown and ignored; did you mean KINOTEKA_LISTEN?")
    );
    assert!(warnings[1].contains("KINOTEKA_SHOE_SIZE is unknown and ignored; --help"));
    let database = TestDatabase::migrated(Backend::Sqlite).await;
    // In the server's log.
    let server = Server::start_by(&["env", "KINOTEKA_LISTN=1"], &["--database-url", &database.url]);
    assert!(
        server.startup_log.contains("did you mean KINOTEKA_LISTEN?") && server.startup_log.contains("WARN"),
        "{}",
        server.startup_log
    );
    server.signal("TERM");
    assert!(server.wait(PATIENCE).0.success());
}

/// The value and the source in the line of a setting.
fn setting<'a>(config: &'a str, flag: &str) -> Vec<&'a str> {
    let line = config.lines().find(|line| line.split_whitespace().next() == Some(flag));
    line.unwrap_or_else(|| panic!("no {flag} in {config}")).split_whitespace().skip(1).collect()
}

#[test]
fn config_shows_settings_with_their_sources_and_no_secret() {
    let variables = [
        ("KINOTEKA_DATABASE_URL", "postgres://anna:sesame@localhost/films?password=sesame"),
        ("DATABASE_READ_URL", "postgres://anna:sesame@localhost/films"),
        ("KINOTEKA_LISTEN", "127.0.0.1:8001"),
    ];
    let config = run_with(&["config", "--limit-depth", "7", "--request-timeout-ms", "1000"], &variables);
    assert!(!format!("{config:?}").contains("sesame"), "{config:?}");
    let shown = config.ok();
    assert_eq!(setting(&shown, "--listen"), ["127.0.0.1:8001", "KINOTEKA_LISTEN"]);
    assert_eq!(setting(&shown, "--limit-depth"), ["7", "flag"]);
    assert_eq!(setting(&shown, "--limit-tokens"), ["2000", "default"]);
    assert_eq!(setting(&shown, "--introspection"), ["true", "default"]);
    assert_eq!(setting(&shown, "--metrics-listen"), ["-", "default"]);
    assert_eq!(setting(&shown, "--database-read-url"), ["postgres://anna:***@localhost/films", "DATABASE_READ_URL"]);
    assert_eq!(setting(&shown, "--database-url")[1], "KINOTEKA_DATABASE_URL");
    assert_eq!(setting(&shown, "--lock-timeout-ms").join(" "), "500 default, lowered by --request-timeout-ms");
    let mut headings: Vec<_> = shown.lines().filter(|line| line.ends_with(':')).collect();
    headings.sort_unstable();
    assert!(headings.len() > 8 && headings.windows(2).all(|pair| pair[0] != pair[1]), "{headings:?}");
    // Every flag of `serve` is listed.
    for arg in Cli::command().get_arguments().filter(|arg| arg.get_env().is_some()) {
        setting(&shown, &format!("--{}", arg.get_long().unwrap()));
    }
    let broken = run_with(&["config"], &[("DATABASE_URL", "postgres://anna:sesame@a b/")]);
    assert!(!format!("{broken:?}").contains("sesame") && broken.failure().contains("DATABASE_URL"), "{broken:?}");
}

/// A server that refuses to start creates and changes nothing.
#[test]
fn config_and_serve_refuse_the_same_settings() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kinoteka.db");
    let url = format!("sqlite://{}?mode=rwc", file.display());
    for (args, words) in [
        (&["--monitor-url", "sesame"][..], "--monitor-url: not a URL"),
        (&["--monitor-url", "sqlite://x.db"], "--monitor-url: only PostgreSQL has statistics"),
        (&["--database-read-url", "sqlite://x.db"], "--database-read-url: only PostgreSQL has replicas"),
        (&["--database-read-url", "sesame"], "--database-read-url: not a URL"),
        (&["--log-filter", "kinoteka=loud"], "--log-filter \"kinoteka=loud\" is not a valid filter"),
        (&["--listen", "127.0.0.1:8001", "--metrics-listen", "127.0.0.1:8001"], "--metrics-listen: 127.0.0.1:8001 is"),
    ] {
        for command in ["config", "serve"] {
            let run = run(&[&[command, "--database-url", &url], args].concat());
            assert!(run.failure().contains(words) && !run.stderr.contains("sesame"), "{command} {args:?}: {run:?}");
            assert!(!file.exists(), "{args:?}");
        }
    }
}

#[test]
fn config_warns_about_doubtful_settings() {
    let (postgres, metrics) = (["--database-url", "postgres://localhost/x"], ["--metrics-listen", "127.0.0.1:0"]);
    let warnings = |args: &[&str]| run(&[&["config"], args].concat()).stderr;
    let postgres_and_metrics = [postgres, metrics].concat();
    for (args, words) in [
        (vec![], vec![]),
        (vec!["--production"], vec!["--production on SQLite", "/metrics is public"]),
        ([&["--production"], &postgres_and_metrics[..]].concat(), vec![]),
        ([&["--production", "--demo"], &postgres_and_metrics[..]].concat(), vec!["omit --demo"]),
        ([&["--demo", "--listen", "0.0.0.0:8000"], &metrics[..]].concat(), vec!["--listen (0.0.0.0:8000) with --demo"]),
        (vec!["--listen", "0.0.0.0:8000"], vec!["everyone who can reach --listen (0.0.0.0:8000)"]),
        ([&["--listen", "0.0.0.0:8000"], &metrics[..]].concat(), vec![]),
    ] {
        let warned = warnings(&args);
        assert_eq!(warned.lines().count(), words.len(), "{args:?}: {warned}");
        assert!(words.iter().all(|word| warned.contains(word)), "{args:?}: {warned}");
    }
    let named = run_with(&["config"], &[("KINOTEKA_LISTEN", "0.0.0.0:8000")]).stderr;
    assert!(named.contains("reach KINOTEKA_LISTEN (0.0.0.0:8000)"), "{named}");
}

/// `scripts/configuration` writes the page.
#[test]
fn the_page_of_settings_matches_the_program() {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md")).unwrap();
    let said = run(&["config", "--markdown"]).ok();
    assert!(page.starts_with(&said), "docs/configuration.md is stale: run scripts/configuration");
    for word in ["| `--feed-retention-hours` | `KINOTEKA_FEED_RETENTION_HOURS` | `168` |", "| `CURSOR_EXPIRED` |"] {
        assert!(said.contains(word), "{word} is missing");
    }
    for arg in Cli::command().get_arguments().filter(|arg| arg.get_env().is_some()) {
        assert!(said.contains(&format!("| `--{}` |", arg.get_long().unwrap())), "{arg}");
        assert!(arg.get_help_heading().is_some(), "{arg} has no heading");
    }
}

/// All commands, as lists of words.
fn commands(command: &Command, path: &[String], found: &mut Vec<Vec<String>>) {
    found.push(path.to_vec());
    for below in command.get_subcommands() {
        commands(below, &[path, &[below.get_name().to_owned()]].concat(), found);
    }
}

#[test]
fn help_fits_80_columns_and_h_is_short() {
    let mut found = Vec::new();
    commands(&Cli::command(), &[], &mut found);
    assert!(found.len() > 10, "{found:?}");
    for words in found {
        let help = |flag: &'static str| {
            let words: Vec<_> = words.iter().map(String::as_str).chain([flag]).collect();
            run_with(&words, &[("COLUMNS", "200")]).ok()
        };
        let (short, long) = (help("-h"), help("--help"));
        for line in short.lines().chain(long.lines()) {
            assert!(line.chars().count() <= 80, "{words:?}: {line}");
        }
        assert!(short.lines().count() <= 55, "{words:?}: {short}");
    }
    let (short, long) = (run(&["serve", "-h"]).ok(), run(&["serve", "--help"]).ok());
    for flag in ["--database-url", "--demo", "--listen", "--log-format", "--production", "see more with '--help'"] {
        assert!(short.contains(flag), "{flag} is missing in {short}");
    }
    let status = run(&["status", "-h"]).ok();
    assert!(status.contains("--patroni-url") && status.contains("see --help"), "{status}");
    assert!(!short.contains("--limit-depth") && long.contains("--limit-depth"), "{short}");
    for heading in ["Database:", "Addresses:", "Start:", "Accounts:", "Limits:", "Timeouts:", "Logs:"] {
        assert!(long.lines().any(|line| line == heading), "{heading} is missing in {long}");
    }
}
