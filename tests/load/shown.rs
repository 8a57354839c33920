//! The output of a load: on a terminal, and as a page.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::program::{Served, load};
use crate::support::client;
use crate::support::database::Backend;

/// The output of `seeder load` on a terminal.
fn on_terminal(url: &str, args: &[&str], variable: (&str, &str)) -> String {
    let load = load(url, args);
    let words = [load.get_program()].into_iter().chain(load.get_args()).map(|word| word.to_str().unwrap());
    let line = words.collect::<Vec<_>>().join(" ");
    let mut terminal = Command::new("script");
    terminal.args(["--quiet", "--return", "--command", &line, "/dev/null"]);
    let output = terminal.env("TERM", "xterm").env_remove("NO_COLOR").env(variable.0, variable.1).stdin(Stdio::null());
    String::from_utf8(output.output().unwrap().stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_gets_only_the_table_and_a_large_verdict() {
    let served = Served::start(Backend::Sqlite).await;
    let text = on_terminal(&served.url(), &["--duration=2", "--rng-seed=1"], ("LANG", "C.UTF-8"));
    assert!(!text.contains("Action: ") && text.contains("rate-movie") && text.contains("█████   ███"), "{text}");
    assert!(text.contains("\x1b[32m"), "{text}");
    let text = on_terminal(&served.url(), &["--duration=2", "--rng-seed=1", "--actions"], ("NO_COLOR", "1"));
    assert!(text.contains("Action: ") && text.contains("█████   ███") && !text.contains("\x1b[3"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_is_one_page_and_listeners_close_their_sockets() {
    let served = Served::start(Backend::Sqlite).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.html");
    let report = format!("--report={}", file.display());
    let args = ["--duration=3", "--rng-seed=1", "--listeners=3", "--verify", &report];
    let output = load(&served.url(), &args).output().unwrap();
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(output.status.success() && text.contains("Action: ") && text.ends_with("\nPASS\n"), "{output:?}");
    let page = std::fs::read_to_string(&file).unwrap();
    assert_eq!((page.matches("<h2>").count(), page.matches("<script").count()), (4, 0), "{page}");
    assert!(page.contains("PASS</span>") && page.contains("rate-movie") && page.contains("<polyline"), "{page}");
    // Resources from elsewhere would have a URL.
    assert_eq!(page.matches("http").count(), page.matches("http-equiv").count() + page.matches(&served.url()).count());
    // One more listener receives everything again. The server counts a connection just after it has confirmed the close.
    let deadline = Instant::now() + client::PATIENCE;
    loop {
        let metrics = client::get(format!("http://{}/metrics", served.node.address())).await.unwrap();
        let metrics = metrics.text().await.unwrap();
        let closed: Vec<_> = metrics.lines().filter(|line| line.starts_with("kinoteka_sockets_closed_total")).collect();
        if closed == [r#"kinoteka_sockets_closed_total{kind="websocket",end="client"} 4"#] {
            break;
        }
        assert!(Instant::now() < deadline, "{closed:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    let report = format!("--report={}", folder.path().join("missing/report.html").display());
    let output = load(&served.url(), &["--duration=3", &report]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("--report") && said.contains("cannot be written") && output.stdout.is_empty(), "{said}");
}
