//! Hand-made histories.

#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::io::{BufReader, Read};
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::command::{HistoryCheck, check};
use crate::history::file::HistoryReader;

fn run(listeners: u32) -> Value {
    let urls = ["http://one/graphql", "http://two/graphql"];
    json!({ "run": { "format": "kinoteka-history", "version": 1, "id": "0a1b", "started": 0, "urls": urls,
        "rngSeed": 1, "listeners": listeners } })
}

/// A write of a session.
fn write(start: u64, end: u64, session: &str, outcome: &str, thing: &str, value: impl Into<Value>) -> Value {
    json!({ "call": { "start": start, "end": end, "session": session, "instance": 0, "name": "mutation",
        "outcome": outcome, "sent": 1, "wrote": { "thing": thing, "value": value.into() } } })
}

/// A write with a parent.
fn write_under(start: u64, end: u64, session: &str, outcome: &str, thing: &str, value: u32, under: &str) -> Value {
    let mut line = write(start, end, session, outcome, thing, value);
    line["call"]["under"] = under.into();
    line
}

fn read(start: u64, end: u64, session: &str, thing: &str, value: impl Into<Value>) -> Value {
    json!({ "call": { "start": start, "end": end, "session": session, "instance": 1, "name": "nodes",
        "outcome": "done", "sent": 1, "saw": [{ "thing": thing, "value": value.into() }] } })
}

fn event(at: u64, listener: u32, id: &str, comment: impl Into<Value>) -> Value {
    json!({ "event": { "at": at, "listener": listener, "id": id, "comment": comment.into() } })
}

fn restart(at: u64, listener: u32) -> Value {
    json!({ "restart": { "at": at, "listener": listener } })
}

/// The values at the end.
fn end(found: &[(&str, Value)]) -> Vec<Value> {
    let found = found.iter().map(|(thing, value)| json!({ "found": { "thing": thing, "value": value } }));
    [json!({ "reading": { "at": 1_000 } })].into_iter().chain(found).collect()
}

fn judge(lines: &[Value], read: bool, heard: bool) -> HistoryCheck {
    let mut text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let sum: String = Sha256::digest(&text).iter().map(|byte| format!("{byte:02x}")).collect();
    let end = json!({ "end": { "read": read, "heard": heard, "lines": lines.len(), "sha256": sum } });
    text += &format!("{end}\n");
    check(HistoryReader::new(text.as_bytes())).unwrap()
}

/// The kinds of the faults, with their lines.
fn kinds(lines: &[Value], read: bool, heard: bool) -> Vec<(String, Vec<u32>)> {
    let checked = judge(lines, read, heard);
    let findings = checked.conclusion.findings.first.into_iter();
    findings.map(|finding| (json!(finding.kind).as_str().unwrap().to_owned(), finding.lines)).collect()
}

fn found(kind: &str, lines: &[u32]) -> Vec<(String, Vec<u32>)> {
    vec![(kind.to_owned(), lines.to_vec())]
}

const COMMENT: &str = "comment/1";

#[test]
fn unknown_outcomes_may_exist_at_most_once() {
    let unknown = write(1, 9, "a", "unknown", COMMENT, 1);
    let with = |found: &[(&str, Value)]| kinds(&[vec![run(0), unknown.clone()], end(found)].concat(), true, false);
    assert_eq!(with(&[]), []);
    assert_eq!(with(&[(COMMENT, json!(1))]), []);
    assert_eq!(with(&[(COMMENT, json!(1)), (COMMENT, json!(1))]), found("twice", &[5]));
    // A comment that was seen exists from then on.
    let seen = [run(0), unknown.clone(), read(10, 11, "b", COMMENT, 1)].to_vec();
    assert_eq!(kinds(&[seen, end(&[])].concat(), true, false), found("missing", &[2]));
    // Without a reading of the end, nothing is missing.
    assert_eq!(kinds(&[run(0), write(1, 2, "a", "done", COMMENT, 1)], false, false), []);
}

#[test]
fn the_last_reading_counts() {
    let lines = [vec![run(0), write(1, 2, "a", "done", COMMENT, 1)], end(&[]), end(&[(COMMENT, json!(1))])];
    assert_eq!(kinds(&lines.concat(), true, false), []);
    let lines = [vec![run(0), write(1, 2, "a", "done", COMMENT, 1)], end(&[(COMMENT, json!(1))]), end(&[])];
    assert_eq!(kinds(&lines.concat(), true, false), found("missing", &[2]));
}

#[test]
fn any_of_concurrent_writes_may_be_last() {
    let rating = "rating/a/M";
    for (second, values) in [(5, [true, true]), (11, [false, true])] {
        for (value, fits) in [1, 2].into_iter().zip(values) {
            let writes = [write(1, 10, "a", "done", rating, 1), write(second, 20, "a", "done", rating, 2)];
            let lines = [vec![run(0)], writes.to_vec(), end(&[(rating, json!(value))])].concat();
            assert_eq!(kinds(&lines, true, false).is_empty(), fits, "{second} {value}");
            // A session sees the same values.
            let lines = [&[run(0)], &writes[..], &[read(21, 22, "a", rating, value)]].concat();
            assert_eq!(kinds(&lines, false, false).is_empty(), fits, "{second} {value}");
            // While the second write runs, either value is right.
            let lines = [&[run(0)], &writes[..], &[read(15, 16, "a", rating, value)]].concat();
            assert_eq!(kinds(&lines, false, false), [], "{second} {value}");
        }
    }
}

#[test]
fn sessions_see_what_they_wrote_and_what_they_saw() {
    let publication = "publication/1";
    let lines = |reads: &[Value]| {
        let writes = [run(0), write(1, 2, "a", "done", publication, 1), write(5, 6, "a", "done", publication, 3)];
        [&writes[..], reads].concat()
    };
    let judge = |reads: &[Value]| kinds(&lines(reads), false, false);
    // Another session may see an old state or nothing: a replica may lag.
    assert_eq!(judge(&[read(9, 10, "b", publication, 1), read(11, 12, "b", publication, 3)]), []);
    assert_eq!(judge(&[read(9, 10, "b", publication, Value::Null)]), []);
    assert_eq!(judge(&[read(9, 10, "a", publication, 1)]), found("read-your-writes", &[4, 3]));
    // It may not go back.
    let back = [read(9, 10, "b", publication, 3), read(11, 12, "b", publication, 1)];
    assert_eq!(judge(&back), found("monotonic-reads", &[5, 4]));
    // Concurrent reads have no order.
    let [first, second] = [read(9, 20, "b", publication, 3), read(10, 21, "c", publication, 1)];
    assert_eq!(judge(&[first, second]), []);
    // The server reported it as stale.
    let mut stale = read(9, 10, "a", publication, 1);
    stale["call"]["stale"] = true.into();
    assert_eq!(judge(&[stale]), []);
    // Nobody wrote that value.
    assert_eq!(judge(&[read(9, 10, "b", publication, 4)]), found("other-viewer", &[4]));
}

#[test]
fn a_read_may_end_before_the_write_that_it_saw() {
    let lines = [run(0), read(2, 3, "b", COMMENT, 1), write(1, 9, "a", "done", COMMENT, 1)];
    assert_eq!(kinds(&lines, false, false), []);
    let lines = [run(0), read(2, 3, "b", COMMENT, 1), write(4, 9, "a", "done", COMMENT, 1)];
    assert_eq!(kinds(&lines, false, false).len(), 1);
}

#[test]
fn children_are_deleted_with_their_parent() {
    let mut made = write(1, 2, "a", "done", "publication/1", 1);
    made["call"]["id"] = "P".into();
    let comment = write_under(3, 4, "b", "done", "comment/2", 2, "P");
    let deleted = write(5, 6, "a", "done", "publication/1", Value::Null);
    let lines = [vec![run(0), made.clone(), comment.clone(), read(7, 8, "b", "comment/2", Value::Null)], end(&[])];
    assert_eq!(kinds(&lines.concat(), true, false).len(), 3);
    let after = vec![run(0), made, comment, deleted, read(7, 8, "b", "comment/2", Value::Null)];
    assert_eq!(kinds(&[after.clone(), end(&[])].concat(), true, false), []);
    let there = kinds(&[after, end(&[("publication/1", json!(1))])].concat(), true, false);
    assert_eq!(there, found("wrong-value", &[7, 4]));
}

/// Three comments, each sent when the previous one existed.
fn comments() -> Vec<Value> {
    let thing = |number: u64| format!("comment/{number}");
    let write = |number: u64| write(number * 10, number * 10 + 5, "a", "done", &thing(number), number);
    [1, 2, 3].into_iter().map(write).collect()
}

#[test]
fn listeners_receive_the_same_in_the_order_of_time() {
    let judge = |events: &[(u32, u32)]| {
        let events = events.iter().map(|(listener, comment)| event(90, *listener, &format!("c{comment}"), *comment));
        let lines: Vec<_> = [run(2)].into_iter().chain(comments()).chain(events).collect();
        kinds(&lines, false, true).into_iter().map(|(kind, _)| kind).collect::<Vec<_>>()
    };
    assert!(judge(&[(0, 1), (0, 2), (1, 1), (0, 3), (1, 2), (1, 3)]).is_empty());
    assert_eq!(judge(&[(0, 1), (0, 2), (0, 3), (1, 1), (1, 2)]), ["missed-event"]);
    assert_eq!(judge(&[(0, 1), (0, 2), (0, 3), (1, 1), (1, 3)]), ["listeners-differ"]);
    assert_eq!(judge(&[(0, 1), (0, 2), (0, 2), (0, 3), (1, 1), (1, 2), (1, 3)]), ["repeated-event"]);
    assert_eq!(judge(&[(0, 1), (0, 3), (0, 2), (1, 1), (1, 3), (1, 2)]), ["writes-follow-reads"]);
    assert_eq!(judge(&[(0, 1), (0, 2), (1, 1), (1, 2)]), ["missed-event"]);
    assert_eq!(judge(&[(0, 1), (0, 2), (0, 3), (0, 4), (1, 1), (1, 2), (1, 3), (1, 4)]), ["refused-present"]);
}

#[test]
fn restarted_listeners_are_compared_from_there() {
    let [one, two, three] = [10, 20, 30].map(|at| event(at, 0, &format!("c{}", at / 10), at / 10));
    let lines = |events: &[Value]| [&[run(2)], &comments()[..], events].concat();
    let other = |line: &Value| {
        let mut line = line.clone();
        line["event"]["listener"] = 1.into();
        line
    };
    // The history lost the first comment. Both listeners restart at different positions. An id is used again.
    let lost = event(12, 0, "c2", Value::Null);
    let begin = [one.clone(), lost, other(&one), restart(15, 0), restart(16, 1)];
    let restarted = [&begin[..], &[three.clone(), other(&two), other(&three)]].concat();
    let kinds_of =
        |events: &[Value]| kinds(&lines(events), false, true).into_iter().map(|(kind, _)| kind).collect::<Vec<_>>();
    // The second listener had not received the lost event, and nobody expects it now.
    assert_eq!(kinds_of(&restarted), Vec::<String>::new());
    let short = [&begin[..], &[two.clone(), three.clone(), other(&two)]].concat();
    assert_eq!(kinds_of(&short), ["missed-event"]);
    let repeated = [&begin[..], &[two.clone(), three.clone(), other(&two), other(&three), other(&three)]].concat();
    assert_eq!(kinds_of(&repeated), ["repeated-event"]);
    // Both received the same number of events, and each missed those of the other.
    let apart = [&begin[..], &[two.clone(), other(&three)]].concat();
    assert_eq!(kinds_of(&apart), ["listeners-differ"]);
}

/// A call is recorded when it ends. Others may have read its changes before.
#[test]
fn many_early_reads_hide_no_fault() {
    let _alone = MEMORY.lock().unwrap_or_else(PoisonError::into_inner);
    let early = |number: u32| {
        let (thing, at) = (format!("comment/{number}"), u64::from(number) * 10);
        [read(at + 5, at + 6, "b", &thing, number), write(at + 1, at + 9, "a", "done", &thing, number)]
    };
    let mut lines = vec![run(0)];
    lines.extend((1..=u32::try_from(super::SUSPECTS_MAX).unwrap()).flat_map(early));
    lines.push(write(5_000_000, 5_000_001, "a", "done", "rating/a/x", 2));
    lines.push(read(5_000_002, 5_000_003, "a", "rating/a/x", 1));
    let line = u32::try_from(lines.len()).unwrap();
    assert_eq!(kinds(&lines, false, false), found("other-viewer", &[line, line - 1]));
}

#[test]
fn a_silent_feed_is_an_outage() {
    let lines = [
        run(1),
        write(1, 1_000_000, "a", "done", COMMENT, 1),
        write(1, 2_000_000, "a", "done", "comment/2", 2),
        event(4_500_000, 0, "x", 1),
        event(4_600_000, 0, "y", 2),
    ];
    let outages = judge(&lines, false, true).conclusion.feed_outages;
    assert_eq!((outages.count, outages.longest), (1, 3.6));
}

/// A history has no clocks of servers or databases. The start of the run is for people only.
#[test]
fn clocks_do_not_matter() {
    let mut ahead = run(1);
    ahead["run"]["started"] = u64::MAX.into();
    let lines = [vec![ahead], comments(), vec![event(40, 0, "a", 1), event(41, 0, "b", 2), event(42, 0, "c", 3)]];
    assert_eq!(kinds(&lines.concat(), false, true), []);
}

/// Lines of a long run, made as they are read: comments, reads and events of them, and ratings that change all the
/// time.
struct LongRun {
    comments: u64,
    next: u64,
    text: Vec<u8>,
    at: usize,
    lines: u64,
    sum: Sha256,
}

impl LongRun {
    /// Six lines for each comment: the write, two events, another write, a read and the value at the end.
    fn of(lines: u64) -> Self {
        Self { comments: lines / 6, next: 0, text: Vec::new(), at: 0, lines: 0, sum: Sha256::new() }
    }

    fn fill(&mut self) {
        self.text.clear();
        self.at = 0;
        let (next, n) = (self.next, self.next.wrapping_sub(1));
        let thing = format!("comment/{n}");
        let lines = match next {
            0 => vec![run(2)],
            _ if next <= self.comments => {
                let session = format!("load{}", n % 10);
                let rating = format!("rating/{session}/M{}", n % 500);
                let id = format!("Q29tbWVudDo{n}");
                vec![
                    write(n * 10, n * 10 + 5, &session, "done", &thing, n),
                    event(n * 10 + 6, 0, &id, n),
                    event(n * 10 + 6, 1, &id, n),
                    read(n * 10 + 6, n * 10 + 8, &session, &thing, n),
                    write(n * 10, n * 10 + 9, &session, "done", &rating, n % 5 + 1),
                ]
            }
            _ if next == self.comments + 1 => end(&[]),
            _ if next <= 2 * self.comments + 1 => {
                let n = next - self.comments - 2;
                vec![json!({ "found": { "thing": format!("comment/{n}"), "value": n } })]
            }
            _ if next == 2 * self.comments + 2 => {
                let sum: String = self.sum.clone().finalize().iter().map(|byte| format!("{byte:02x}")).collect();
                vec![json!({ "end": { "read": true, "heard": true, "lines": self.lines, "sha256": sum } })]
            }
            _ => vec![],
        };
        for line in lines {
            self.lines += 1;
            self.text.extend(format!("{line}\n").as_bytes());
        }
        self.sum.update(&self.text);
        self.next += 1;
    }
}

impl Read for LongRun {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.at == self.text.len() {
            self.fill();
        }
        let read = (&self.text[self.at..]).read(buffer)?;
        self.at += read;
        Ok(read)
    }
}

/// The peak memory of this process, in bytes.
fn memory_max() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// Held by the tests that use much memory, so that none is measured with another.
static MEMORY: Mutex<()> = Mutex::new(());

fn check_long(lines: u64) -> u64 {
    let _alone = MEMORY.lock().unwrap_or_else(PoisonError::into_inner);
    let before = memory_max();
    let checked = check(HistoryReader::new(BufReader::new(LongRun::of(lines)))).unwrap();
    assert_eq!(checked.conclusion.findings.total(), 0, "{}", checked.to_text());
    assert!(checked.conclusion.counts.lines >= lines - 6, "{}", checked.to_text());
    memory_max() - before
}

#[test]
fn memory_is_that_of_things() {
    let lines = 120_000;
    let memory = check_long(lines);
    // At 60 bytes per line, ten million lines take 0.6 GB.
    assert!(memory < lines * 60, "{memory} bytes for {lines} lines");
}

#[test]
fn ten_million_lines_take_less_than_a_gibibyte() {
    if std::env::var_os("KINOTEKA_LONG").is_none() {
        return;
    }
    let memory = check_long(10_000_000);
    println!("{memory} bytes for ten million lines");
    assert!(memory < 1 << 30, "{memory}");
}
