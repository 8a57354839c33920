//! Loads rows into PostgreSQL.
//!
//! Each job takes a chunk, stores it with one `COPY` and makes its side tables in the same transaction, then takes
//! the next. Meanwhile another thread makes the rows of this chunk and the job's next one. It waits when the
//! channels are full, so memory depends on the number of jobs, not of rows.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::try_join_all;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Executor};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::{JoinHandle, spawn_blocking};

use crate::copy_text::write_row;
use crate::error::SeedError;
use crate::fakes::World;
use crate::steps::{Chunk, SeedStep};
use crate::target::Load;
use crate::watch::SeedEvent;

/// Size of a piece of `COPY` data.
const PIECE_BYTES: usize = 128 * 1024;

/// Number of pieces that wait to be sent, for each running chunk.
const PIECES_WAITING: usize = 2;

/// A queue of work for several connections.
struct ChunkQueue<T>(Mutex<VecDeque<T>>);

impl<T> ChunkQueue<T> {
    fn new(items: impl IntoIterator<Item = T>) -> Self {
        Self(Mutex::new(items.into_iter().collect()))
    }

    fn take(&self) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}

/// Stores all rows of a step and returns their number. The connections work in parallel; the first failure stops all.
pub async fn load(workers: &mut [PgConnection], load: &Load) -> Result<u64, SeedError> {
    let queue = ChunkQueue::new(load.step.chunks(&load.world));
    let counts = try_join_all(workers.iter_mut().map(|worker| take_chunks(worker, load, &queue))).await?;
    Ok(counts.iter().sum())
}

async fn take_chunks(worker: &mut PgConnection, load: &Load, queue: &ChunkQueue<Chunk>) -> Result<u64, SeedError> {
    let mut rows = 0;
    let mut next = queue.take().map(|chunk| ChunkRows::start(load, chunk));
    while let Some(pieces) = next {
        next = queue.take().map(|chunk| ChunkRows::start(load, chunk));
        let stored = store(worker, load.step, pieces).await?;
        load.watch.note(SeedEvent::Stored(stored));
        rows += stored;
    }
    Ok(rows)
}

async fn store(worker: &mut PgConnection, step: &SeedStep, mut pieces: ChunkRows) -> Result<u64, SeedError> {
    let columns: Vec<String> = (step.columns)().iter().map(|column| format!(r#""{column}""#)).collect();
    let statement = format!(r#"COPY "{}" ({}) FROM STDIN"#, step.table, columns.join(", "));
    let mut transaction = worker.begin().await?;
    let mut copy = transaction.copy_in_raw(&statement).await?;
    while let Some(piece) = pieces.receiver.recv().await {
        copy.send(piece.into_bytes()).await?;
    }
    pieces.thread.await??;
    let rows = copy.finish().await?;
    for side in step.sides {
        sqlx::query(side.postgres).bind(pieces.chunk.ids.0).bind(pieces.chunk.ids.1).execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    Ok(rows)
}

/// The rows of a chunk, from the thread that makes them.
struct ChunkRows {
    chunk: Chunk,
    receiver: Receiver<String>,
    thread: JoinHandle<Result<(), SeedError>>,
}

impl ChunkRows {
    fn start(load: &Load, chunk: Chunk) -> Self {
        let (sender, receiver) = channel(PIECES_WAITING);
        let (world, step, groups) = (Arc::clone(&load.world), load.step, chunk.groups.clone());
        let thread = spawn_blocking(move || make(&world, step, groups, &sender));
        Self { chunk, receiver, thread }
    }
}

/// Writes rows in `COPY` format, piece by piece, while they are received.
fn make(
    world: &World,
    step: &SeedStep,
    groups: std::ops::Range<u32>,
    sender: &Sender<String>,
) -> Result<(), SeedError> {
    let mut piece = String::with_capacity(PIECE_BYTES + PIECE_BYTES / 4);
    let mut is_known = true;
    for group in groups {
        (step.make)(world, group, &mut |row| {
            is_known &= write_row(&row, &mut piece);
            if piece.len() >= PIECE_BYTES {
                let full = std::mem::replace(&mut piece, String::with_capacity(PIECE_BYTES + PIECE_BYTES / 4));
                // Nobody receives when the load has stopped; the error is reported elsewhere.
                let _ = sender.blocking_send(full);
            }
        });
        if !is_known {
            return Err(SeedError::Value { table: step.table });
        }
        if sender.is_closed() {
            return Ok(());
        }
    }
    let _ = sender.blocking_send(piece);
    Ok(())
}

/// Runs statements on several connections in the given order, each in its own transaction.
pub async fn execute_all(
    workers: &mut [PgConnection],
    statements: Vec<String>,
    on_done: &(dyn Fn() + Sync),
) -> Result<(), SeedError> {
    let queue = &ChunkQueue::new(statements);
    let jobs = workers.iter_mut().map(async |worker| {
        while let Some(sql) = queue.take() {
            worker.execute(AssertSqlSafe(sql)).await?;
            on_done();
        }
        Ok::<(), SeedError>(())
    });
    try_join_all(jobs).await?;
    Ok(())
}
