//! The hand-over: a listener that caught up on its own joins its group, without gaps or repeats.

#![expect(clippy::unwrap_used, reason = "a test stops at what it did not expect")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use graphql::FieldError;
use migration::connect::pool_options;
use request::subscribe::ResumeFrom;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::*;
use crate::event::{About, Event, EventKind, Mark};
use crate::execution::EventWithCursor;
use crate::source::{FeedOrder, HistoryPage, Source};
use crate::testing::{CLIENT, TOPIC, executor, prepare, read_root_field, subscription};

const EPOCH: &str = "abcdefabcdef";

/// A limit for operations that take almost no time.
const PATIENCE: Duration = Duration::from_secs(30);

fn mark(id: i32) -> Mark {
    Mark::of_row(0, id.into(), 0)
}

fn event(comment: i32) -> Event {
    let now = Instant::now();
    let about = About::Movie(1);
    Event { mark: mark(comment), kind: EventKind::Added, comment, about, written: now, read: now }
}

/// A feed whose hub has read this number of events.
fn feed(count: i32) -> SharedExecutor {
    feed_of(count, |sent| Ok(sent.event.comment.to_string()))
}

fn feed_of(
    count: i32,
    text: impl Fn(&EventWithCursor) -> Result<String, FieldError> + Send + Sync + 'static,
) -> SharedExecutor {
    // It never connects: everything is in memory.
    let source = Source::Sqlite(pool_options().connect_lazy("sqlite::memory:").unwrap());
    let events = (1..=count).map(event).collect();
    let page =
        HistoryPage { epoch: EPOCH.into(), order: FeedOrder::Rows, intact: true, waiting: None, edge: mark(0), events };
    SharedExecutor::new(executor(text), Arc::new(Hub::new(source, page)), read_root_field)
}

impl SharedExecutor {
    fn dispatch(&self, comments: impl Iterator<Item = i32>) {
        self.0.hub.dispatch(&comments.map(event).collect::<Vec<_>>());
    }

    fn subscription(&self) -> Subscription {
        let query = "subscription { happened { text cursor } }";
        subscription(prepare(&self.0.executor.engine, query, &json!({})), 1 << 20)
    }

    fn listen_after(&self, comment: i32) -> Payloads {
        let seen = ResumeFrom(FeedCursor::encode(EPOCH, mark(comment)).into());
        self.subscribe(Subscription { resume_from: Some(seen), ..self.subscription() })
    }
}

fn comment(payload: &SubscriptionResult) -> i32 {
    let json: Value = serde_json::from_slice(&payload.json).unwrap();
    json["data"]["happened"]["text"].as_str().unwrap().parse().unwrap()
}

async fn take(payloads: &mut Payloads, count: usize) -> Vec<i32> {
    let mut taken = Vec::new();
    while taken.len() < count {
        let next = timeout(PATIENCE, payloads.next()).await.unwrap();
        taken.push(comment(&next.unwrap().unwrap()));
    }
    taken
}

#[tokio::test]
async fn events_during_catch_up_come_once_and_in_order() {
    // With none, one and several batches of missed events left when new ones come.
    for taken in [0, 1, 31, 32, 69, 70] {
        let feed = feed(70);
        let mut listener = feed.listen_after(0);
        let mut all = take(&mut listener, taken).await;
        feed.dispatch(71..=75);
        all.extend(take(&mut listener, 75 - taken).await);
        feed.dispatch(76..=80);
        all.extend(take(&mut listener, 5).await);
        assert_eq!(all, (1..=80).collect::<Vec<_>>(), "{taken}");
    }
}

#[tokio::test]
async fn a_returning_listener_joins_its_group() {
    let feed = feed(3);
    let mut first = feed.subscribe(feed.subscription());
    let mut behind = feed.listen_after(1);
    assert_eq!(take(&mut behind, 1).await, [2]);
    feed.dispatch(4..=6);
    // The first gets the group's results; the second has its own.
    assert_eq!(take(&mut first, 3).await, [4, 5, 6]);
    assert_eq!(take(&mut behind, 4).await, [3, 4, 5, 6]);
    feed.dispatch(7..=7);
    assert_eq!((take(&mut first, 1).await, take(&mut behind, 1).await), (vec![7], vec![7]));
    assert_eq!(feed.0.groups.len(), 1);
}

/// The group has read the table, as after a full inbox, and is ahead of the events that the hub has dispatched.
#[tokio::test]
async fn events_ahead_of_the_hub_are_executed_for_a_joining_listener() {
    let feed = feed(3);
    let operation = ListenerOperation::read(feed.subscription(), &feed.0.executor.engine, read_root_field).unwrap();
    let hub = &feed.0.hub;
    let executions = [(); 2].map(|()| operation.execution(&feed.0.executor, hub));
    let member = feed.0.groups.enter(&operation, || (Follower::begin(Arc::clone(hub), TOPIC), executions));
    member.put_group_at(mark(5).position);
    let cursor = FeedCursor { epoch: EPOCH.to_owned(), mark: mark(0), seen: None };
    let follower = Follower::resume(Arc::clone(hub), TOPIC, &cursor).unwrap();
    let mut catch_up = CatchUp::new((&feed.0.groups, hub), CLIENT, follower, member);
    assert!(catch_up.next().await.unwrap().is_none());
    assert_eq!(catch_up.results.drain(..).map(|payload| comment(&payload)).collect::<Vec<_>>(), [1, 2, 3]);
    // It listens, and waits for events that the group has executed.
    assert!(timeout(Duration::ZERO, catch_up.next()).await.is_err());
    assert!(catch_up.joined.as_ref().is_some_and(|(_, done)| *done == mark(5).position));
    feed.dispatch(4..=6);
    let mut listener = loop {
        match timeout(PATIENCE, catch_up.next()).await.unwrap().unwrap() {
            Some(listener) => break listener,
            None => assert!(catch_up.results.len() <= 2, "the sixth is the group's"),
        }
    };
    assert_eq!(catch_up.results.drain(..).map(|payload| comment(&payload)).collect::<Vec<_>>(), [4, 5]);
    let next = timeout(PATIENCE, listener.next()).await.unwrap();
    assert_eq!(comment(&next.unwrap_or_else(|_| panic!("the group continues"))), 6);
}

/// After an instance was lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn listeners_that_return_together_share_executions() {
    const EVENTS: usize = 100;
    let executed = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&executed);
    let feed = feed_of(100, move |sent| {
        counter.fetch_add(1, Ordering::Relaxed);
        Ok(sent.event.comment.to_string())
    });
    // Keeps the group, and so its results, when the first are done before the last begin.
    let mut stays = feed.subscribe(feed.subscription());
    assert!(timeout(Duration::ZERO, stays.next()).await.is_err());
    let started = Instant::now();
    let mut listeners = tokio::task::JoinSet::new();
    for number in 0..1_000 {
        // Some have seen more events.
        let seen = number % 5;
        let mut listener = feed.listen_after(seen);
        listeners.spawn(async move {
            let taken = take(&mut listener, EVENTS - usize::try_from(seen).unwrap()).await;
            assert_eq!(taken, (seen + 1..=100).collect::<Vec<_>>());
        });
    }
    while let Some(listened) = listeners.join_next().await {
        listened.unwrap();
    }
    // Results are shared while they are new.
    let rounds = 1 + usize::try_from(started.elapsed().as_secs()).unwrap() / 2;
    let executed = executed.load(Ordering::Relaxed);
    assert!(executed <= EVENTS * rounds, "{executed} executions in {:?}", started.elapsed());
}

#[tokio::test]
async fn recent_results_are_reused_until_a_comment_changes() {
    let executed = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&executed);
    let feed = feed_of(0, move |sent| {
        counter.fetch_add(1, Ordering::Relaxed);
        Ok(sent.event.comment.to_string())
    });
    let mut live = feed.subscribe(feed.subscription());
    assert!(timeout(Duration::from_millis(50), live.next()).await.is_err());
    let started = Instant::now();
    feed.dispatch(1..=10);
    assert_eq!(take(&mut live, 10).await.len(), 10);
    assert_eq!(take(&mut feed.listen_after(0), 10).await.len(), 10);
    if started.elapsed() < Duration::from_secs(1) {
        assert_eq!(executed.load(Ordering::Relaxed), 10);
    }
    feed.0.hub.dispatch(&[Event { kind: EventKind::Edited, ..event(11) }]);
    assert_eq!(take(&mut feed.listen_after(0), 10).await.len(), 10);
    assert!(executed.load(Ordering::Relaxed) >= 20, "results with comments may be out of date");
}

/// Another thread adds events meanwhile, so that listeners join at any moment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn listeners_that_join_while_events_come_miss_none_and_get_none_twice() {
    const LAST: i32 = 3_000;
    let feed = Arc::new(feed(0));
    let dispatching = {
        let feed = Arc::clone(&feed);
        std::thread::spawn(move || {
            for at in (1..=LAST).step_by(3) {
                feed.dispatch(at..at + 3);
                std::thread::yield_now();
            }
        })
    };
    let listen = |begin: i32| {
        let feed = Arc::clone(&feed);
        async move {
            // A listener that is too slow reconnects with its last cursor.
            let (mut seen, mut payloads) = (begin, feed.listen_after(begin));
            while seen < LAST {
                match timeout(PATIENCE, payloads.next()).await.unwrap().unwrap() {
                    Ok(payload) => {
                        assert_eq!(comment(&payload), seen + 1);
                        seen += 1;
                    }
                    Err(End::Lagged) => payloads = feed.listen_after(seen),
                    Err(_) => panic!("{begin}: the feed continues"),
                }
            }
        }
    };
    let mut listeners = tokio::task::JoinSet::new();
    while feed.0.hub.position().1.position < mark(LAST).position {
        if listeners.len() < 60 {
            let at = feed.0.hub.position().1.position.id;
            listeners.spawn(listen(i32::try_from(at).unwrap().saturating_sub(40).max(0)));
        }
        tokio::task::yield_now().await;
    }
    listeners.spawn(listen(0));
    while let Some(listened) = listeners.join_next().await {
        listened.unwrap();
    }
    dispatching.join().unwrap();
}
