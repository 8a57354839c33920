//! Histories: a clean one has no faults, and each alteration is found.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::program::{Running, Served, load, message, report, seeder};
use crate::support::database::Backend;

/// A history, line by line.
#[derive(Clone)]
pub struct History(pub Vec<Value>);

impl History {
    pub fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap();
        Self(text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
    }

    /// The text, with a matching last line.
    fn sealed(&self) -> String {
        let (end, lines) = self.0.split_last().unwrap();
        let mut text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let sum: String = Sha256::digest(&text).iter().map(|byte| format!("{byte:02x}")).collect();
        let mut end = end.clone();
        (end["end"]["lines"], end["end"]["sha256"]) = (json!(lines.len()), json!(sum));
        text += &format!("{end}\n");
        text
    }

    fn find(&self, fits: impl Fn(&Value) -> bool) -> usize {
        self.0.iter().position(fits).unwrap()
    }

    /// Reads by the session that wrote the value: the line, and the index in it.
    fn own_reads(&self, word: &str) -> Vec<(usize, usize)> {
        let mut written = HashSet::new();
        let mut places = Vec::new();
        for (line, value) in self.0.iter().enumerate() {
            let call = &value["call"];
            let session = call["session"].as_str().unwrap_or_default();
            for (place, saw) in call["saw"].as_array().into_iter().flatten().enumerate() {
                let thing = saw["thing"].as_str().unwrap();
                if thing.starts_with(word) && written.contains(&(session, thing)) && !saw["value"].is_null() {
                    places.push((line, place));
                }
            }
            if call["outcome"] == "done" && call["wrote"].is_object() {
                written.insert((session, call["wrote"]["thing"].as_str().unwrap()));
            }
        }
        places
    }

    /// The lines of a listener's events.
    fn events(&self, listener: u64) -> Vec<usize> {
        let is_its = |line: &&usize| self.0[**line]["event"]["listener"] == listener;
        let lines: Vec<_> = (0..self.0.len()).collect();
        lines.iter().filter(is_its).copied().collect()
    }

    /// Swaps two events of a listener.
    fn swap(&mut self, one: usize, other: usize) {
        for field in ["id", "comment"] {
            let value = self.0[one]["event"][field].take();
            let value = std::mem::replace(&mut self.0[other]["event"][field], value);
            self.0[one]["event"][field] = value;
        }
    }
}

/// `seeder check --json` of a text.
pub fn check(text: &str) -> Output {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("run.jsonl");
    std::fs::write(&file, text).unwrap();
    seeder().args(["check", "--json"]).arg(file).output().unwrap()
}

/// The counts of faults by kind.
pub fn faults(output: &Output) -> Value {
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    assert_eq!(output.status.code(), Some(i32::from(report["faults"]["total"] != 0)), "{output:?}");
    report["faults"].clone()
}

/// Asserts that a fault of this kind is found, at this line if given.
fn finds(history: &History, kind: &str, line: Option<usize>) {
    let faults = faults(&check(&history.sealed()));
    assert!(faults["counts"][kind].as_u64().is_some(), "{kind}: {faults:#}");
    if let Some(line) = line {
        let is_named = faults["first"]
            .as_array()
            .unwrap()
            .iter()
            .any(|fault| fault["kind"] == kind && fault["lines"].as_array().unwrap().contains(&json!(line + 1)));
        assert!(is_named, "line {}: {faults:#}", line + 1);
    }
}

async fn clean_run(folder: &TempDir, backend: Backend) -> (Served, PathBuf) {
    let served = Served::start(backend).await;
    let file = folder.path().join("run.jsonl");
    let args = ["--duration=7", "--rng-seed=1", "--listeners=3", "--history", file.to_str().unwrap()];
    report(&served.url(), &args);
    (served, file)
}

on_both!(a_clean_history_has_no_faults);

async fn a_clean_history_has_no_faults(backend: Backend) {
    let folder = TempDir::new().unwrap();
    let (served, file) = clean_run(&folder, backend).await;
    let output = seeder().arg("check").arg(&file).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.ends_with("no faults\n"), "{output:?}");
    assert!(!text.contains("not checked"), "{text}");
    // The file is not overwritten.
    let again = load(&served.url(), &["--duration=1", "--history", file.to_str().unwrap()]).output().unwrap();
    assert!(message(&again).contains("--history"), "{again:?}");
}

/// The alterations that the planted faults of the server would cause.
#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_fault_is_found_in_an_altered_history() {
    let folder = TempDir::new().unwrap();
    let (_served, file) = clean_run(&folder, Backend::Sqlite).await;
    let clean = History::read(&file);
    assert_eq!(faults(&check(&clean.sealed()))["total"], 0);

    // Without the wait for a replica: a session does not see its own write.
    let mut stale = clean.clone();
    let (line, place) = clean.own_reads("comment/")[0];
    stale.0[line]["call"]["saw"][place]["value"] = Value::Null;
    finds(&stale, "read-your-writes", Some(line));

    // An event is dropped, for one listener and for all.
    let middle = clean.events(1)[clean.events(1).len() / 2];
    let mut dropped = clean.clone();
    dropped.0.remove(middle);
    finds(&dropped, "listeners-differ", None);
    let comment = clean.0[middle]["event"]["comment"].clone();
    assert!(comment.is_u64());
    dropped.0.retain(|line| line["event"]["comment"] != comment);
    finds(&dropped, "missed-event", None);

    // An event is repeated.
    let mut repeated = clean.clone();
    repeated.0.insert(middle, clean.0[middle].clone());
    finds(&repeated, "repeated-event", Some(middle + 1));

    // Two events are swapped, for one listener and for all: the first and the last, which was sent long after it.
    let mut swapped = clean.clone();
    let events = clean.events(1);
    swapped.swap(events[4], events[5]);
    finds(&swapped, "listeners-differ", None);
    let mut swapped = clean.clone();
    for listener in 0..4 {
        let events = clean.events(listener);
        swapped.swap(events[0], *events.last().unwrap());
    }
    finds(&swapped, "writes-follow-reads", None);

    // A change is acknowledged but never committed.
    let mut lost = clean.clone();
    let found = clean.find(|line| line["found"]["thing"].as_str().is_some_and(|thing| thing.starts_with("comment/")));
    let thing = lost.0.remove(found)["found"]["thing"].clone();
    finds(&lost, "missing", Some(clean.find(|line| line["call"]["wrote"]["thing"] == thing)));

    // The key of a retry is lost.
    let mut twice = clean.clone();
    twice.0.insert(found, clean.0[found].clone());
    finds(&twice, "twice", Some(found + 1));

    // An ended session is still valid.
    let mut known = clean.clone();
    let is_end = |line: &Value| {
        let saw = &line["call"]["saw"][0];
        saw["thing"].as_str().is_some_and(|thing| thing.starts_with("session/")) && saw["value"].is_null()
    };
    let line = clean.find(is_end);
    let number = clean.0[line]["call"]["saw"][0]["thing"].as_str().unwrap().split('/').nth(1).unwrap();
    known.0[line]["call"]["saw"][0]["value"] = number.parse::<u32>().unwrap().into();
    finds(&known, "read-your-writes", Some(line));

    // A response belongs to another viewer: by the name, and by a personal field.
    let mut other = clean.clone();
    let (line, place) = clean.own_reads("rating/")[0];
    other.0[line]["call"]["saw"][place]["value"] = json!(77);
    finds(&other, "other-viewer", Some(line));
    let mut other = clean.clone();
    other.0[line]["call"]["viewer"] = "somebody".into();
    finds(&other, "other-viewer", Some(line));

    // A refused change exists.
    let mut refused = clean.clone();
    let wrote = clean.find(|line| line["call"]["wrote"]["thing"] == thing);
    refused.0[wrote]["call"]["outcome"] = "refused".into();
    finds(&refused, "refused-present", Some(wrote));
    // With an unknown outcome, it may exist or not.
    let mut unknown = clean.clone();
    unknown.0[wrote]["call"]["outcome"] = "unknown".into();
    assert_eq!(faults(&check(&unknown.sealed()))["total"], 0);
    unknown.0.insert(found, clean.0[found].clone());
    finds(&unknown, "twice", Some(found + 1));
}

fn unusable(text: &str, words: &str) {
    let output = check(text);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{words}: {output:?}");
    assert!(said.contains(words), "{words}: {said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incomplete_history_is_refused() {
    let folder = TempDir::new().unwrap();
    let served = Served::start(Backend::Sqlite).await;
    let [one, other] = ["one", "other"].map(|name| folder.path().join(name));
    // A history that ends by a signal is complete.
    let mut running = Running::start(&served.url(), &["--history", one.to_str().unwrap(), "--rng-seed=1"]);
    running.read(40);
    running.signal("INT");
    assert!(running.end().status.success());
    report(&served.url(), &["--duration=1", "--history", other.to_str().unwrap()]);
    let [one, other] = [one, other].map(|file| std::fs::read_to_string(file).unwrap());
    let lines: Vec<_> = one.lines().collect();

    unusable("", "begins with a line");
    unusable("{}\n", "line 1");
    unusable("GIF89a\n", "line 1: not a line of a history");
    unusable(&one.replacen("\"version\":1", "\"version\":2", 1), "version 2");
    unusable(&one[..one.len() - 1], "cut short");
    unusable(&one[..one.len() / 2], "cut short");
    unusable(&(lines[..lines.len() - 1].join("\n") + "\n"), "cut short, or the load was killed");
    unusable(&one.replacen("\"done\"", "\"refused\"", 1), "altered");
    let mut missing = lines.clone();
    missing.remove(5);
    unusable(&(missing.join("\n") + "\n"), "lines are missing or added");
    unusable(&format!("{one}{other}"), "text follows the last line");
    unusable(&format!("{}\n{other}", lines[..9].join("\n")), "another run");
    unusable(&(one.clone() + lines[5] + "\n"), "text follows the last line");
    let history = History(lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect());
    let call = history.find(|line| line["call"]["wrote"].is_object());
    for (field, value, words) in [
        ("end", json!(0), "ends before it begins"),
        ("instance", json!(1), "names 1 servers"),
        ("end", json!(-1), "not a line of a history"),
        ("wrote", json!({ "thing": "cat/1", "value": 1 }), "is not a thing"),
        ("colour", json!("red"), "unknown field"),
    ] {
        let mut altered = history.clone();
        altered.0[call]["call"][field] = value;
        unusable(&altered.sealed(), words);
    }
}
