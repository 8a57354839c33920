#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use graphql::FieldError;
use request::error::ApiError;
use serde_json::{Value, json};

use super::*;
use crate::event::{About, EventKind, Mark};
use crate::operation::ListenerOperation;
use crate::testing::{CLIENT, executor, hub, prepare, read_root_field, subscription};

type Room = Result<Option<Share>, Exhausted>;

fn scope() -> CursorScope {
    CursorScope { epoch: "epoch".into(), seen: None }
}

fn events(count: i64) -> VecDeque<Event> {
    let event = |id| Event {
        mark: Mark::of_row(0, id, 0),
        kind: EventKind::Added,
        comment: i32::try_from(id).unwrap(),
        about: About::Movie(1),
        written: Instant::now(),
        read: Instant::now(),
    };
    (1..=count).map(event).collect()
}

fn execution(
    bytes_max: u64,
    text: impl Fn(&EventWithCursor) -> Result<String, FieldError> + Send + Sync + 'static,
) -> FeedExecution {
    execution_of("subscription { happened { text } }", bytes_max, text)
}

fn execution_of(
    query: &str,
    bytes_max: u64,
    text: impl Fn(&EventWithCursor) -> Result<String, FieldError> + Send + Sync + 'static,
) -> FeedExecution {
    let executor = executor(text);
    let prepared = prepare(&executor.engine, query, &json!({}));
    let operation = ListenerOperation::read(subscription(prepared, bytes_max), &executor.engine, read_root_field);
    operation.unwrap().execution(&executor, &hub())
}

/// Executes all events. Returns, for each run, the comments of its results and their JSON.
async fn run_all(
    execution: &mut FeedExecution,
    mut events: VecDeque<Event>,
    mut room: impl FnMut(u64) -> Room,
) -> Vec<Vec<(i32, Value)>> {
    let (mut runs, turns) = (Vec::new(), turns());
    while !events.is_empty() {
        let outcomes = execution.run((&mut events, &scope()), (&turns, CLIENT), &mut room).await.unwrap();
        let json = |outcome: &EventResult| serde_json::from_slice(&outcome.payload.json).unwrap();
        runs.push(outcomes.iter().map(|outcome| (outcome.event.comment, json(outcome))).collect());
        assert_eq!(turns.taken(), 0, "the turn is over");
    }
    runs
}

fn comments(runs: &[Vec<(i32, Value)>]) -> Vec<Vec<i32>> {
    runs.iter().map(|run| run.iter().map(|(comment, _)| *comment).collect()).collect()
}

fn exhausted() -> Exhausted {
    let names = QuotaNames { limit: "all", limit_per_client: "own", held: "are held", retry_after_s: 1 };
    Exhausted { names, by_client: true, max: 1 }
}

#[tokio::test]
async fn events_are_executed_in_order_and_in_batches() {
    let mut execution = execution(1_000, |sent| Ok(sent.event.comment.to_string()));
    let runs = run_all(&mut execution, events(70), |_| panic!("small results need no room")).await;
    assert_eq!(runs.iter().map(Vec::len).collect::<Vec<_>>(), [32, 32, 6]);
    for (at, (comment, json)) in runs.iter().flatten().enumerate() {
        assert_eq!(at + 1, usize::try_from(*comment).unwrap());
        assert_eq!(*json, json!({ "data": { "happened": { "text": comment.to_string() } } }));
    }
}

#[tokio::test]
async fn a_failed_event_is_retried_after_earlier_ones() {
    let tries = AtomicU32::new(0);
    // More attempts than for other failures.
    let mut execution = execution(1_000, move |sent| match sent.event.comment {
        3 if tries.fetch_add(1, Ordering::Relaxed) < TRIES_MAX => Err(FieldError::new("UNAVAILABLE", "away")),
        _ => Ok(String::new()),
    });
    let runs = run_all(&mut execution, events(5), |_| Ok(None)).await;
    assert_eq!(comments(&runs), [vec![1, 2], vec![3], vec![4], vec![5]]);
    assert!(runs.iter().flatten().all(|(_, json)| json.get("errors").is_none()), "{runs:?}");
}

#[tokio::test]
async fn an_event_that_fails_for_good_is_delivered_with_its_error() {
    let tries = std::sync::Arc::new(AtomicU32::new(0));
    let counter = std::sync::Arc::clone(&tries);
    let mut execution = execution(1_000, move |sent| match sent.event.comment {
        1 => {
            counter.fetch_add(1, Ordering::Relaxed);
            Err(FieldError::new("INTERNAL", "broken"))
        }
        2 => Err(FieldError::new("FORBIDDEN", "no")),
        _ => Ok(String::new()),
    });
    let runs = run_all(&mut execution, events(3), |_| Ok(None)).await;
    assert_eq!(comments(&runs), [vec![1], vec![2], vec![3]]);
    assert_eq!(tries.load(Ordering::Relaxed), 1 + TRIES_MAX, "once with others, which may be the reason");
    let codes: Vec<_> = runs.iter().flatten().map(|(_, json)| &json["errors"][0]["extensions"]["code"]).collect();
    assert_eq!(codes, [&json!("INTERNAL"), &json!("FORBIDDEN"), &Value::Null]);
    assert_eq!(runs[0][0].1["data"], Value::Null);
}

/// The database is too slow for batches of more than four.
#[tokio::test]
async fn batches_stay_small_for_a_while_after_one_has_failed() {
    let query = "subscription { happened(atOnce: 4) { text } }";
    let mut execution = execution_of(query, 1_000, |_| Ok(String::new()));
    execution.patience = Duration::from_millis(500);
    let runs = run_all(&mut execution, events(104), |_| Ok(None)).await;
    let sizes: Vec<_> = runs.iter().map(Vec::len).collect();
    assert_eq!(sizes, [&[1; 32][..], &[2; 16], &[4; 8], &[1; 8]].concat());
}

#[tokio::test]
async fn an_event_that_takes_too_long_alone_ends_its_listeners() {
    let query = "subscription { happened(atOnce: 0) { text } }";
    let mut execution = execution_of(query, 1_000, |_| Ok(String::new()));
    execution.patience = Duration::from_millis(1);
    let (mut events, turns) = (events(2), turns());
    let ended = execution.run((&mut events, &scope()), (&turns, CLIENT), |_| Ok(None)).await;
    assert!(matches!(ended, Err(End::Stopping)), "{ended:?}");
    assert_eq!((events.len(), turns.taken()), (2, 0));
}

/// An operation whose first events time out in this number of attempts, while the database answers others or not.
fn too_slow(tries: u32, answers: bool) -> (FeedExecution, std::sync::Arc<AtomicU32>) {
    let (hub, tried) = (hub(), std::sync::Arc::new(AtomicU32::new(0)));
    let (answering, counter) = (std::sync::Arc::clone(&hub), std::sync::Arc::clone(&tried));
    let executor = executor(move |_| {
        if answers {
            answering.dispatch(&[]);
        }
        match counter.fetch_add(1, Ordering::Relaxed) {
            past if past < tries => Err(FieldError::new("TIMEOUT", "too slow")),
            _ => Ok(String::new()),
        }
    });
    let prepared = prepare(&executor.engine, "subscription { happened { text } }", &json!({}));
    let operation = ListenerOperation::read(subscription(prepared, 1_000), &executor.engine, read_root_field);
    (operation.unwrap().execution(&executor, &hub), tried)
}

#[tokio::test]
async fn an_operation_that_always_takes_too_long_is_given_up() {
    let (mut execution, tried) = too_slow(u32::MAX, true);
    let (mut events, turns) = (events(5), turns());
    for tries in [TIMEOUTS_MAX, 1, 1] {
        let before = tried.load(Ordering::Relaxed);
        let batch = if tries == TIMEOUTS_MAX { 1 } else { 0 };
        let outcomes = execution.run((&mut events, &scope()), (&turns, CLIENT), |_| Ok(None)).await.unwrap();
        let json: Value = serde_json::from_slice(&outcomes[0].payload.json).unwrap();
        assert_eq!((outcomes.len(), &json["errors"][0]["extensions"]["code"]), (1, &json!("TIMEOUT")));
        // The first is tried once with the others, each of which is resolved.
        assert_eq!(tried.load(Ordering::Relaxed) - before, tries + batch * 5);
    }
    let ended = execution.run((&mut events, &scope()), (&turns, CLIENT), |_| Ok(None)).await;
    assert!(matches!(&ended, Err(End::Refused(errors)) if errors[0].code() == "TIMEOUT"), "{ended:?}");
    // A new listener has one attempt for each event.
    let before = tried.load(Ordering::Relaxed);
    assert!(execution.run((&mut events, &scope()), (&turns, CLIENT), |_| Ok(None)).await.is_ok());
    assert_eq!(tried.load(Ordering::Relaxed) - before, 1);
}

#[tokio::test]
async fn an_event_waits_while_the_database_is_down() {
    let (mut execution, _) = too_slow(TIMEOUTS_MAX, false);
    let runs = run_all(&mut execution, events(1), |_| Ok(None)).await;
    assert_eq!(runs[0][0].1.get("errors"), None, "{runs:?}");
}

#[tokio::test]
async fn the_results_of_a_batch_are_bounded_together() {
    let part = usize::try_from(BATCH_BYTES).unwrap() / BATCH_MAX;
    let mut execution = execution(BATCH_BYTES, move |sent| match sent.event.comment {
        2 => Ok("x".repeat(part)),
        _ => Ok(String::new()),
    });
    let runs = run_all(&mut execution, events(32), |_| Ok(None)).await;
    assert_eq!(comments(&runs)[..2], [vec![1], vec![2]]);
}

#[test]
fn errors_of_resolvers_are_logged_once() {
    assert!(!is_of_engine(&ApiError::Internal("broken".into()).into()));
    assert!(!is_of_engine(&ApiError::CursorExpired.into()));
    assert!(is_of_engine(&FieldError::internal("The field was not resolved.")));
}

#[tokio::test]
async fn a_large_result_is_made_alone_and_a_too_large_one_is_an_error() {
    let large = usize::try_from(BATCH_BYTES).unwrap();
    let mut execution = execution(2 * BATCH_BYTES, move |sent| match sent.event.comment {
        3 => Ok("x".repeat(large)),
        6 => Ok("x".repeat(2 * large)),
        _ => Ok(String::new()),
    });
    let runs = run_all(&mut execution, events(8), |_| Ok(None)).await;
    // After a large result batches grow again.
    assert_eq!(comments(&runs), [vec![1, 2], vec![3], vec![4], vec![5], vec![6], vec![7, 8]]);
    assert_eq!(runs[1][0].1["data"]["happened"]["text"].as_str().unwrap().len(), large);
    let too_large = &runs[4][0].1;
    assert_eq!(too_large["data"], Value::Null);
    assert_eq!(too_large["errors"][0]["extensions"]["code"], "TOO_COMPLEX");
    assert_eq!(too_large["errors"][0]["path"], json!(["happened"]));
}

#[tokio::test]
async fn a_result_waits_for_room_after_earlier_ones() {
    let mut execution = execution(BATCH_BYTES, |sent| match sent.event.comment {
        2 => Ok("x".repeat(20_000)),
        _ => Ok(String::new()),
    });
    let mut refused = 0;
    let runs = run_all(&mut execution, events(3), |bytes| {
        assert!(bytes > 20_000, "small results need no room");
        refused += 1;
        if refused < 3 { Err(exhausted()) } else { Ok(None) }
    });
    assert_eq!(comments(&runs.await), [vec![1], vec![2], vec![3]]);
}

#[tokio::test]
async fn small_results_need_room_only_next_to_others() {
    let mut execution = execution(BATCH_BYTES, |_| Ok("x".repeat(5_000)));
    // Three results together are small enough to need no room.
    let runs = run_all(&mut execution, events(7), |_| Err(exhausted())).await;
    assert_eq!(comments(&runs), [vec![1, 2, 3], vec![4, 5, 6], vec![7]]);
    let runs = run_all(&mut execution, events(7), |_| Ok(None)).await;
    assert_eq!(comments(&runs), [vec![1, 2, 3, 4, 5, 6, 7]]);
}
