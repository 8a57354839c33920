//! Batched reads. One [`Reader`] serves all requests and caches nothing; [`batch`](super::batch)
//! says when a batch starts.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use async_graphql::OutputType;
use async_graphql::dataloader::{DataLoader, Loader};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, DbErr, EntityTrait, FromQueryResult, PartialModelTrait, QueryFilter, QuerySelect};

use super::batch::{self, Gate};
use super::children::{CountOf, Edge, PageOf, Rows, load_counts, load_pages};
use super::id::{Id, NodeType};
use super::kept::Kept;
use crate::db::{ReadPool, dialect};
use crate::error::log_database;

/// A GraphQL object that is a row of one table, read without the table's wide columns.
pub trait Row: PartialModelTrait + FromQueryResult + OutputType + Clone + Send + Sync + 'static {
    /// The table.
    type Entity: EntityTrait<Model: Sync>;
}

/// A row with an id of its own.
pub trait Node: NodeType + Row {
    /// Whether the row is one of a registry, which others refer to: it may be kept for a moment.
    const KEPT: bool = false;

    /// The table's integer primary key.
    fn key_column() -> <Self::Entity as EntityTrait>::Column;

    /// The row's primary key.
    fn id(&self) -> Id<Self>;

    /// Which rows nobody may see, if there are such.
    fn hidden() -> Option<Expr> {
        None
    }

    /// The key of the one user who may see the row, if not everybody may.
    fn owner(&self) -> Option<i32> {
        None
    }
}

/// Makes a type a [`Node`]: it has a field `id: Id<Self>`, and its table a column `id`.
macro_rules! node {
    ($node:ident, $table:ident $(, kept: $kept:expr)? $(, hidden: $hidden:expr)? $(, owner: $owner:expr)?) => {
        impl $crate::kit::NodeType for $node {
            const TYPE: &'static str = stringify!($node);
        }

        impl $crate::kit::Row for $node {
            type Entity = $table::Entity;
        }

        impl $crate::kit::Node for $node {
            $(const KEPT: bool = $kept;)?

            fn key_column() -> $table::Column {
                $table::Column::Id
            }

            fn id(&self) -> $crate::kit::Id<Self> {
                self.id
            }

            $(fn hidden() -> Option<sea_orm::sea_query::Expr> {
                Some($hidden)
            })?

            $(fn owner(&self) -> Option<i32> {
                Some($owner(self))
            })?
        }
    };
}
pub(crate) use node;

/// A column too wide to be read with every row of a list: a plot, a biography.
pub trait WideColumn: 'static {
    /// The object that shows it.
    type Node: Node;

    /// How many of a request's turns to read texts one takes, by its greatest length: a turn for 10,000 characters,
    /// and somewhat less where texts are seldom as long.
    const TURNS: u32 = 2;

    /// The column: text.
    fn column() -> <<Self::Node as Row>::Entity as EntityTrait>::Column;

    /// What is read of it.
    fn expr() -> Expr {
        Self::column().into_expr()
    }
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
pub struct Reader {
    db: ReadPool,
    kept: Option<Arc<Kept>>,
}

impl Reader {
    /// The pool for reads, for loaders that a domain adds.
    pub fn db(&self) -> &ReadPool {
        &self.db
    }

    /// The row with this id, if it need not be read.
    pub(super) fn kept<N: Node>(&self, id: Id<N>) -> Option<N> {
        if N::KEPT { self.kept.as_ref()?.get(id) } else { None }
    }
}

/// A loader that all requests share. With `kept` it keeps rows of registries there.
pub fn new_loader(db: ReadPool, kept: Option<Arc<Kept>>) -> DataLoader<Reader> {
    // The delay is up to `batch`. async-graphql must be built without its feature
    // `tokio-timer`, whose timers round zero up to a millisecond.
    let gate = Gate::new();
    #[expect(clippy::disallowed_methods, reason = "the one place that may")]
    DataLoader::new(Reader { db, kept }, move |batch| batch::open(gate.admit(batch)))
        .delay(Duration::ZERO)
        .max_batch_size(BATCH_SIZE_MAX)
}

/// Keys in one statement at most; one array parameter holds them.
const BATCH_SIZE_MAX: usize = 50_000;

impl<N: Node> Loader<Id<N>> for Reader {
    // The last one to whom it is given need not copy it.
    type Value = Arc<N>;
    type Error = Arc<DbErr>;

    async fn load(&self, ids: &[Id<N>]) -> Result<HashMap<Id<N>, Arc<N>>, Arc<DbErr>> {
        let keys: Vec<_> = ids.iter().map(|id| id.key()).collect();
        let backend = self.db.get_database_backend();
        let kept = self.kept.as_ref().filter(|_| N::KEPT).map(|kept| (kept, kept.generation()));
        let rows =
            N::Entity::find().select_only().filter(dialect::one_of(backend, N::key_column().as_column_ref(), &keys));
        let rows = match N::hidden() {
            Some(hidden) => rows.filter(hidden.not()),
            None => rows,
        };
        let found = N::select_cols(rows).into_model::<N>().all(&self.db).await.map_err(log_database)?;
        if let Some((kept, generation)) = kept {
            kept.put(generation, found.iter().map(|node| (node.id().key(), node.clone())));
        }
        Ok(found.into_iter().map(|node| (node.id(), Arc::new(node))).collect())
    }
}

impl<E: Edge> Loader<PageOf<E>> for Reader {
    type Value = Arc<Rows<E::Node>>;
    type Error = Arc<DbErr>;

    async fn load(&self, keys: &[PageOf<E>]) -> Result<HashMap<PageOf<E>, Arc<Rows<E::Node>>>, Arc<DbErr>> {
        load_pages(&self.db, keys).await.map_err(log_database)
    }
}

impl<E: Edge> Loader<CountOf<E>> for Reader {
    type Value = u64;
    type Error = Arc<DbErr>;

    async fn load(&self, keys: &[CountOf<E>]) -> Result<HashMap<CountOf<E>, u64>, Arc<DbErr>> {
        load_counts(&self.db, keys).await.map_err(log_database)
    }
}

impl<W: WideColumn> Loader<TextOf<W>> for Reader {
    // Aliases share it until they hand it over.
    type Value = Arc<str>;
    type Error = Arc<DbErr>;

    async fn load(&self, keys: &[TextOf<W>]) -> Result<HashMap<TextOf<W>, Arc<str>>, Arc<DbErr>> {
        let ids: Vec<_> = keys.iter().map(|key| key.0).collect();
        let id = W::Node::key_column();
        let rows: Vec<(i32, Option<String>)> = <W::Node as Row>::Entity::find()
            .select_only()
            .column(id)
            .expr_as(W::expr(), "text")
            .filter(dialect::one_of(self.db.get_database_backend(), id.as_column_ref(), &ids))
            .into_tuple()
            .all(&self.db)
            .await
            .map_err(log_database)?;
        Ok(rows.into_iter().filter_map(|(id, text)| Some((TextOf(id, PhantomData), text?.into()))).collect())
    }
}
