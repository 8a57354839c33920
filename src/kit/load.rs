//! Batched reads. One [`Reader`] serves all requests and caches nothing.
//!
//! A batch starts when the request that opened it can go no further ([`run_batched`]), so all
//! that its resolvers want by then is in it: no timer to tune or to wait for, and the number of
//! statements does not depend on how fast the machine is.

use std::cell::RefCell;
use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_graphql::OutputType;
use async_graphql::dataloader::{DataLoader, Loader};
use async_graphql::futures_util::future::BoxFuture;
use sea_orm::{
    ColumnTrait, DatabaseConnection, DbErr, EntityTrait, FromQueryResult, PartialModelTrait, QueryFilter,
    QuerySelect,
};

use super::children::{CountOf, Edge, PageOf, Rows, load_counts, load_pages};
use super::id::{Id, NodeType};
use crate::db::dialect;
use crate::telemetry;

/// A GraphQL object that is a row of one table, read without the table's wide columns.
pub trait Node: NodeType + PartialModelTrait + FromQueryResult + OutputType + Clone + Send + Sync {
    /// The table.
    type Entity: EntityTrait<Model: Sync>;

    /// The table's integer primary key.
    fn key_column() -> <Self::Entity as EntityTrait>::Column;

    /// The row's primary key.
    fn id(&self) -> Id<Self>;
}

/// Makes a type a [`Node`]: it has a field `id: Id<Self>`, and its table a column `id`.
macro_rules! node {
    ($node:ident, $table:ident) => {
        impl $crate::kit::NodeType for $node {
            const TYPE: &'static str = stringify!($node);
        }

        impl $crate::kit::Node for $node {
            type Entity = $table::Entity;

            fn key_column() -> $table::Column {
                $table::Column::Id
            }

            fn id(&self) -> $crate::kit::Id<Self> {
                self.id
            }
        }
    };
}
pub(crate) use node;

/// A column too wide to be read with every row of a list: a plot, a biography.
pub trait WideColumn: 'static {
    /// The object that shows it.
    type Node: Node;

    /// The column; nullable text.
    fn column() -> <<Self::Node as Node>::Entity as EntityTrait>::Column;
}

/// Asks for the wide column `W` of one row.
pub struct TextOf<W: WideColumn>(i32, PhantomData<fn() -> W>);

impl<W: WideColumn> TextOf<W> {
    /// The column of the row with this id.
    pub fn new(id: Id<W::Node>) -> Self {
        Self(id.key(), PhantomData)
    }
}

// Derives would ask the same of `W`, which is only a name here.
impl<W: WideColumn> Clone for TextOf<W> {
    fn clone(&self) -> Self {
        Self(self.0, PhantomData)
    }
}
impl<W: WideColumn> PartialEq for TextOf<W> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl<W: WideColumn> Eq for TextOf<W> {}
impl<W: WideColumn> Hash for TextOf<W> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

/// Reads rows for [`DataLoader`]: by id, a parent's page, a parent's count, a wide column.
pub struct Reader(DatabaseConnection);

/// The loader that all requests share.
pub fn new_loader(db: DatabaseConnection) -> DataLoader<Reader> {
    // The delay is the wait for `run_batched`. async-graphql's own must be built without its
    // feature `tokio-timer`, whose timers round zero up to a millisecond.
    DataLoader::new(Reader(db), start_batch).delay(Duration::ZERO)
}

tokio::task_local! {
    /// The batches that the operation has opened since it was last polled.
    static OPENED: RefCell<Vec<BoxFuture<'static, ()>>>;
}

/// Runs an operation whose resolvers use the loader, starting the batches that it has opened
/// each time when all of its resolvers wait.
pub async fn run_batched<T>(operation: impl Future<Output = T>) -> T {
    let work = async {
        let mut operation = pin!(operation);
        poll_fn(|cx| {
            let poll = operation.as_mut().poll(cx);
            for batch in OPENED.with(RefCell::take) {
                telemetry::spawn_in_request(batch);
            }
            poll
        })
        .await
    };
    OPENED.scope(RefCell::default(), work).await
}

fn start_batch(batch: BoxFuture<'static, ()>) {
    let mut batch = Some(batch);
    let _ = OPENED.try_with(|opened| opened.borrow_mut().extend(batch.take()));
    // Outside of `run_batched` nobody will start it later.
    if let Some(batch) = batch {
        telemetry::spawn_in_request(batch);
    }
}

impl<N: Node> Loader<Id<N>> for Reader {
    type Value = N;
    type Error = Arc<DbErr>;

    async fn load(&self, ids: &[Id<N>]) -> Result<HashMap<Id<N>, N>, Arc<DbErr>> {
        let keys: Vec<_> = ids.iter().map(|id| id.key()).collect();
        let backend = self.0.get_database_backend();
        let rows = N::Entity::find()
            .select_only()
            .filter(dialect::one_of(backend, N::key_column().as_column_ref(), &keys));
        let found = N::select_cols(rows).into_model::<N>().all(&self.0).await?;
        Ok(found.into_iter().map(|node| (node.id(), node)).collect())
    }
}

impl<E: Edge> Loader<PageOf<E>> for Reader {
    type Value = Rows<E::Node>;
    type Error = Arc<DbErr>;

    async fn load(&self, keys: &[PageOf<E>]) -> Result<HashMap<PageOf<E>, Rows<E::Node>>, Arc<DbErr>> {
        Ok(load_pages(&self.0, keys).await?)
    }
}

impl<E: Edge> Loader<CountOf<E>> for Reader {
    type Value = u64;
    type Error = Arc<DbErr>;

    async fn load(&self, keys: &[CountOf<E>]) -> Result<HashMap<CountOf<E>, u64>, Arc<DbErr>> {
        Ok(load_counts(&self.0, keys).await?)
    }
}

impl<W: WideColumn> Loader<TextOf<W>> for Reader {
    type Value = String;
    type Error = Arc<DbErr>;

    async fn load(&self, keys: &[TextOf<W>]) -> Result<HashMap<TextOf<W>, String>, Arc<DbErr>> {
        let ids: Vec<_> = keys.iter().map(|key| key.0).collect();
        let id = W::Node::key_column();
        let rows: Vec<(i32, Option<String>)> = <W::Node as Node>::Entity::find()
            .select_only()
            .column(id)
            .column(W::column())
            .filter(dialect::one_of(self.0.get_database_backend(), id.as_column_ref(), &ids))
            .into_tuple()
            .all(&self.0)
            .await?;
        Ok(rows.into_iter().filter_map(|(id, text)| Some((TextOf(id, PhantomData), text?))).collect())
    }
}
