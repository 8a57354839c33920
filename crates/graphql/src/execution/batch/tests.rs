//! What callers share and what they do not.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use futures_util::future::join_all;
use tokio::sync::Semaphore;

use super::{Batches, FoundRows, KEYS_MAX, RUNNING_MAX, SharedRows};
use crate::execution::FieldError;

/// The keys of the statements that were read.
#[derive(Default)]
struct Reads {
    keys: Mutex<Vec<Vec<i32>>>,
    running: AtomicUsize,
    running_most: AtomicUsize,
}

impl Reads {
    /// Reads when `gate` allows it.
    async fn read(&self, keys: Vec<i32>, gate: &Semaphore) -> Result<Vec<i32>, FieldError> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).push(keys.clone());
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.running_most.fetch_max(running, Ordering::SeqCst);
        let _ = gate.acquire().await;
        tokio::task::yield_now().await;
        self.running.fetch_sub(1, Ordering::SeqCst);
        if keys.contains(&0) { Err(FieldError::plain("zero")) } else { Ok(keys) }
    }

    fn keys(&self) -> Vec<Vec<i32>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn block_on<F: Future>(future: F) -> Option<F::Output> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().ok()?;
    Some(runtime.block_on(future))
}

type ReadOutcome = Result<Vec<i32>, String>;
type Shared = Result<Arc<Vec<i32>>, FieldError>;
type Caller<'c> = Pin<Box<dyn Future<Output = Shared> + 'c>>;

/// The results of several concurrent callers, and the statements that were read.
fn ask(callers: &[(&'static str, &[i32])]) -> (Vec<ReadOutcome>, Vec<Vec<i32>>) {
    let (batches, reads, open) = (Batches::new(), Reads::default(), Semaphore::new(100));
    let one = async |(statement, keys): &(&'static str, &[i32])| {
        let found = batches.read(statement, keys, |keys| reads.read(keys, &open)).await;
        found.map(|found: Arc<Vec<i32>>| found.to_vec()).map_err(|error| error.message.to_string())
    };
    let outcomes = block_on(join_all(callers.iter().map(one))).unwrap_or_default();
    (outcomes, reads.keys())
}

#[test]
fn concurrent_keys_are_read_by_one_statement() {
    let (outcomes, reads) = ask(&[("a", &[3, 1]), ("a", &[2, 3]), ("b", &[1]), ("a", &[])]);
    let all = Ok(vec![1, 2, 3]);
    assert_eq!(outcomes, [all.clone(), all.clone(), Ok(vec![1]), all]);
    assert_eq!(reads, [vec![1, 2, 3], vec![1]]);
}

#[test]
fn an_error_reaches_all_callers() {
    let (outcomes, reads) = ask(&[("a", &[1]), ("a", &[0]), ("b", &[2])]);
    assert_eq!(outcomes, [Err("zero".to_owned()), Err("zero".to_owned()), Ok(vec![2])]);
    assert_eq!(reads.len(), 2);
}

#[test]
fn what_was_read_is_not_kept() {
    let (batches, reads, open) = (Batches::new(), Reads::default(), Semaphore::new(100));
    let _ = block_on(async {
        for keys in [[1], [0], [1]] {
            let _: Shared = batches.read(&"a", &keys, |keys| reads.read(keys, &open)).await;
        }
    });
    assert_eq!(reads.keys(), [[1], [0], [1]]);
}

/// The first caller is cancelled while it waits, while it reads, or while others wait for its statement.
#[test]
fn another_caller_takes_over_for_a_cancelled_one() {
    for polls in 1..6 {
        let (batches, reads, gate) = (Batches::new(), Reads::default(), Semaphore::new(0));
        let outcomes = block_on(async {
            let mut first = Box::pin(batches.read(&"a", &[1], |keys| reads.read(keys, &gate)));
            let second = batches.read(&"a", &[2], |keys| reads.read(keys, &gate));
            let third = batches.read(&"a", &[3], |keys| reads.read(keys, &gate));
            let mut others = Box::pin(join_all([Box::pin(second) as Caller<'_>, Box::pin(third)]));
            for _ in 0..polls {
                let _ = futures_util::poll!(&mut first);
                let _ = futures_util::poll!(&mut others);
                tokio::task::yield_now().await;
            }
            drop(first);
            gate.add_permits(10);
            others.await
        });
        let outcomes: Vec<Shared> = outcomes.unwrap_or_default();
        let keys: Vec<Option<Vec<i32>>> =
            outcomes.into_iter().map(|found| found.ok().map(|keys| keys.to_vec())).collect();
        assert_eq!(keys, [Some(vec![1, 2, 3]), Some(vec![1, 2, 3])], "after {polls} polls");
        assert!(reads.keys().iter().all(|keys| keys == &[1, 2, 3]), "{:?}", reads.keys());
    }
}

#[test]
fn statements_of_one_kind_run_two_at_a_time_and_gather_keys_meanwhile() {
    let (batches, reads, gate) = (Batches::new(), Reads::default(), Semaphore::new(0));
    let outcomes = block_on(async {
        let mut callers = Vec::new();
        for key in 1..=20 {
            let mut caller: Caller<'_> = Box::pin({
                let (batches, reads, gate) = (&batches, &reads, &gate);
                async move { batches.read(&"a", &[key], |keys| reads.read(keys, gate)).await }
            });
            // Each one starts before the next comes.
            for _ in 0..3 {
                let _ = futures_util::poll!(&mut caller);
                tokio::task::yield_now().await;
            }
            callers.push(caller);
        }
        gate.add_permits(100);
        join_all(callers).await
    });
    assert_eq!(outcomes.map(|outcomes| outcomes.iter().filter(|outcome| outcome.is_ok()).count()), Some(20));
    assert!(reads.running_most.load(Ordering::SeqCst) >= RUNNING_MAX);
    // On a slow machine the wait may time out once or twice.
    let keys = reads.keys();
    assert_eq!(keys[..2], [[1], [2]]);
    assert!(keys.len() < 10 && keys.concat() == (1..=20).collect::<Vec<_>>(), "{keys:?}");
}

/// Two statements that never end occupy all slots.
#[test]
fn slow_statements_delay_others_only_briefly() {
    let (batches, reads) = (Batches::new(), Reads::default());
    let (shut, open) = (Semaphore::new(0), Semaphore::new(100));
    let found = block_on(async {
        let mut slow = Vec::new();
        for key in 1..=2 {
            let (batches, reads, shut) = (&batches, &reads, &shut);
            let mut caller: Caller<'_> =
                Box::pin(async move { batches.read(&"a", &[key], |keys| reads.read(keys, shut)).await });
            for _ in 0..3 {
                let _ = futures_util::poll!(&mut caller);
                tokio::task::yield_now().await;
            }
            slow.push(caller);
        }
        let third = batches.read(&"a", &[3], |keys| reads.read(keys, &open));
        tokio::time::timeout(std::time::Duration::from_secs(10), third).await
    });
    let found: Option<Shared> = found.and_then(Result::ok);
    assert_eq!(found, Some(Ok(Arc::new(vec![3]))));
}

#[test]
fn a_statement_has_a_maximum_number_of_keys() {
    let many: Vec<i32> = (1..=i32::try_from(KEYS_MAX).unwrap_or(i32::MAX)).collect();
    let (outcomes, reads) = ask(&[("a", &many[1..]), ("a", &[1]), ("a", &[2])]);
    assert!(outcomes.iter().all(Result::is_ok));
    assert_eq!(reads.iter().map(Vec::len).collect::<Vec<_>>(), [KEYS_MAX, 1]);
}

#[test]
fn rows_are_shared_while_they_are_new_and_have_the_columns() {
    let (batches, reads, open) = (Batches::new(), Reads::default(), Semaphore::new(100));
    let rows = Arc::new(FoundRows::new());
    let ask = async |statement: &'static str, keys: &[i32], columns, since| {
        let shared = SharedRows { rows: Arc::clone(&rows), since };
        let read = |keys, _| reads.read(keys, &open);
        let found: Shared = batches.read_columns((&statement, Some(&shared)), keys, columns, read).await;
        found.map(|found| found.to_vec()).unwrap_or_default()
    };
    let found = block_on(async {
        let started = Instant::now();
        let first = ask("a", &[1, 2, 3], 0b01, started).await;
        // The same rows, and fewer.
        assert_eq!(
            [ask("a", &[1, 2, 3], 0b01, started).await, ask("a", &[2], 0, started).await],
            [first.clone(), first]
        );
        assert_eq!(reads.keys().len(), 1);
        // Other columns, keys and statements, and rows that are too old, are read; columns together with those of
        // others.
        assert_eq!(ask("a", &[2], 0b10, started).await, [2]);
        assert_eq!(ask("a", &[2], 0b11, started).await, [2]);
        assert_eq!(ask("a", &[4], 0b01, started).await, [4]);
        assert_eq!(ask("b", &[1], 0b01, started).await, [1]);
        assert_eq!(ask("a", &[1], 0b01, Instant::now()).await, [1]);
    });
    assert!(found.is_some());
    assert_eq!(reads.keys(), [vec![1, 2, 3], vec![2], vec![4], vec![1], vec![1]]);
}
