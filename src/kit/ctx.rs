//! What resolvers reach through their context.

use std::hash::Hash;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use async_graphql::Context;
use async_graphql::dataloader::{DataLoader, Loader};
use sea_orm::DbErr;

use super::children::{CountOf, Edge, PageOf};
use super::connection::{Page, as_int};
use super::id::Id;
use super::load::{Node, Reader, TextOf, WideColumn};
use super::page::PageArgs;
use super::sort::PageOrder;
use crate::answer::Budget;
use crate::db::{Db, ReadPool};
use crate::error::{ApiError, ApiResult};
use crate::policy;
use crate::viewer::{Caller, Role, Viewer};

/// Typed access to what `schema::build` has put into every context.
#[expect(async_fn_in_trait, reason = "only resolvers call these, and they know the one implementation")]
pub trait ContextExt {
    /// The pool for reads. For what a mutation answers it is one that sees the change.
    fn db(&self) -> &ReadPool;

    /// Who sends the request, if a transport has said so.
    fn caller(&self) -> Option<&Caller>;

    /// Where the request comes from; 0.0.0.0 if no transport has said so.
    fn address(&self) -> IpAddr;

    /// Who asks, if they are signed in.
    fn viewer(&self) -> Option<Viewer>;

    /// The viewer, who has this role or a higher one.
    fn viewer_with(&self, role: Role) -> ApiResult<Viewer>;

    /// The object with this id, if there is one that the viewer may see.
    async fn find<N: Node>(&self, id: Id<N>) -> ApiResult<Option<N>>;

    /// The object that another one refers to. One of a registry may be a moment old.
    async fn load<N: Node>(&self, id: Id<N>) -> ApiResult<N>;

    /// A page of the list that hangs on `parent`.
    async fn children<E: Edge>(
        &self,
        parent: i32,
        edge: E,
        order: E::Order,
        args: PageArgs,
    ) -> ApiResult<Page<E::Node>>;

    /// How many rows the list that hangs on `parent` has.
    async fn count<E: Edge>(&self, parent: i32, edge: E) -> ApiResult<i32>;

    /// What a loader of a domain's own reads.
    async fn read<K>(&self, key: K) -> ApiResult<Option<<Reader as Loader<K>>::Value>>
    where
        K: Send + Sync + Hash + Eq + Clone + 'static,
        Reader: Loader<K, Error = Arc<DbErr>>;

    /// A wide column of the object with this id.
    async fn text<W: WideColumn>(&self, id: Id<W::Node>) -> ApiResult<Option<Arc<str>>>;
}

impl ContextExt for Context<'_> {
    fn db(&self) -> &ReadPool {
        &self.data_unchecked::<Db>().read
    }

    fn caller(&self) -> Option<&Caller> {
        self.data_opt::<Caller>()
    }

    fn address(&self) -> IpAddr {
        self.caller().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |caller| caller.address)
    }

    fn viewer(&self) -> Option<Viewer> {
        self.caller()?.viewer
    }

    fn viewer_with(&self, role: Role) -> ApiResult<Viewer> {
        let viewer = self.viewer().ok_or(ApiError::Unauthenticated)?;
        policy::require(viewer, role).map(|()| viewer)
    }

    async fn find<N: Node>(&self, id: Id<N>) -> ApiResult<Option<N>> {
        let found = loader(self).load_one(id).await?.map(Arc::unwrap_or_clone);
        // A batch is shared by requests: who may see a row is asked for each.
        let sees = |owner| self.viewer().is_some_and(|viewer| viewer.user == owner);
        Ok(found.filter(|node| node.owner().is_none_or(sees)))
    }

    async fn load<N: Node>(&self, id: Id<N>) -> ApiResult<N> {
        if let Some(row) = loader(self).loader().kept(id) {
            return Ok(row);
        }
        self.find(id).await?.ok_or(ApiError::Gone)
    }

    async fn children<E: Edge>(
        &self,
        parent: i32,
        edge: E,
        order: E::Order,
        args: PageArgs,
    ) -> ApiResult<Page<E::Node>> {
        let window = args.window(E::LIST, order)?;
        let loader = loader(self);
        let key = PageOf { parent, edge: edge.clone(), order, window: window.clone() };
        let rows = loader.load_one(key).await?.map(Arc::unwrap_or_clone).unwrap_or_default();
        let loader = Arc::clone(loader);
        Ok(Page::new(E::LIST, order.tag(), &window, rows, move || {
            let (loader, key) = (Arc::clone(&loader), CountOf { parent, edge: edge.clone() });
            Box::pin(async move { Ok(loader.load_one(key).await?.unwrap_or_default()) })
        }))
    }

    async fn count<E: Edge>(&self, parent: i32, edge: E) -> ApiResult<i32> {
        as_int(loader(self).load_one(CountOf { parent, edge }).await?.unwrap_or_default())
    }

    async fn read<K>(&self, key: K) -> ApiResult<Option<<Reader as Loader<K>>::Value>>
    where
        K: Send + Sync + Hash + Eq + Clone + 'static,
        Reader: Loader<K, Error = Arc<DbErr>>,
    {
        Ok(loader(self).load_one(key).await?)
    }

    async fn text<W: WideColumn>(&self, id: Id<W::Node>) -> ApiResult<Option<Arc<str>>> {
        // The texts of usual pages are read together, more as the answer has room for them.
        let _turn = match self.data_opt::<Arc<Budget>>() {
            Some(budget) => budget.admit_text(W::TURNS).await,
            None => None,
        };
        Ok(loader(self).load_one(TextOf::<W>::new(id)).await?)
    }
}

fn loader<'a>(ctx: &Context<'a>) -> &'a Arc<DataLoader<Reader>> {
    ctx.data_unchecked::<Arc<DataLoader<Reader>>>()
}
